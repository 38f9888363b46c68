//! A quarter of a fleet in twelve groups, with what happens in one: people who come and go, a bad
//! rollout, a host that flaps, machines that come with the load and end with it, wrong clocks, a
//! collector that is down, new agents, new rules, restored machines and two clones.
//!
//! What a person should hear of is written down here before it happens. The test reports how many
//! alerts that makes for each group's lead, and allows none that is missed and none that is false.
//!
//! By default the groups are small, so that it is over in minutes. `EVIDENCED_QUARTER=full` with
//! `cargo test --release -p evidenced-tests --test quarter` is the same quarter with 2,000 hosts.

mod fleet;
mod script;
mod site;
mod state;

use evidenced_collector::store::Incoming;
use evidenced_collector::store::model::AlertRow;
use fleet::{HOUR_US, Host};
use script::{DAYS, EXPECTED, Expected, GROUPS};
use site::Site;
use state::{Change, States};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

const DAY_US: i64 = 24 * HOUR_US;
/// Midnight UTC; the releases of the fixtures are supported through the quarter.
const START_US: i64 = 20_689 * DAY_US;
/// Hosts of a group unless it is the full quarter.
const FEW: usize = 12;

pub(crate) struct Quarter {
    site: Site,
    states: States,
    hosts: Vec<Host>,
    collector_is_up: bool,
    /// Hours that were lived.
    hours: i64,
}

impl Quarter {
    async fn begun() -> Self {
        let full = std::env::var("EVIDENCED_QUARTER").is_ok_and(|size| size == "full");
        let mut states = States::default();
        let mut hosts = vec![];
        for (group, count) in GROUPS {
            for n in 0..if full { count } else { count.min(FEW) } {
                // The first of a group reports hourly, the others once a day, spread over it.
                let every = if n == 0 { 1 } else { 24 };
                let first_us = START_US + (hosts.len() as i64 % every) * HOUR_US;
                hosts.push(Host::new(group, states.of(&[]), every, first_us));
            }
        }
        let site = Site::made(START_US).await;
        site.enrols(&hosts).await;
        Self { site, states, hosts, collector_is_up: true, hours: 0 }
    }

    /// The nth host of a group.
    fn host(&mut self, group: &str, n: usize) -> &mut Host {
        let mut all = self.hosts.iter_mut().filter(|host| host.group == group);
        all.nth(n).unwrap_or_else(|| panic!("{group} has no {n}"))
    }

    /// Puts hosts into a state; they report it at once, as a changed file makes them.
    fn set(&mut self, group: &str, hosts: Range<usize>, changes: &[Change]) {
        let (state, now_us) = (self.states.of(changes), self.site.now_us());
        for n in hosts {
            let host = self.host(group, n);
            host.state = state.clone();
            host.next_us = now_us;
        }
    }

    /// Lives until this hour of this day.
    async fn until(&mut self, day: i64, hour: i64) {
        while self.hours <= day * 24 + hour {
            self.hour(START_US + self.hours * HOUR_US).await;
            self.hours += 1;
        }
    }

    /// One hour: what hosts sign goes in, is judged, and the collector looks around.
    async fn hour(&mut self, now_us: i64) {
        self.site.set(now_us);
        // A host whose number does not follow opens a chain and comes again.
        for _ in 0..2 {
            let (mut incoming, mut from) = (vec![], vec![]);
            for (at, host) in self.hosts.iter_mut().enumerate() {
                let signed = host.hour(now_us, self.collector_is_up);
                from.extend(signed.iter().map(|_| at));
                incoming.extend(signed);
            }
            if incoming.is_empty() {
                break;
            }
            self.take(&from, &incoming, now_us).await;
        }
        if self.collector_is_up {
            self.site.judges().await;
            self.site.looks(now_us % DAY_US == 0).await;
        }
    }

    async fn take(&mut self, from: &[usize], incoming: &[Incoming], now_us: i64) {
        let mut refused = BTreeSet::new();
        let (mut from, mut incoming) = (from.to_vec(), incoming.to_vec());
        // A check-in comes again until nothing of its state is wanted.
        while !incoming.is_empty() {
            let answers = self.site.takes(&incoming).await;
            let mut again = (vec![], vec![]);
            for ((at, one), answer) in from.iter().zip(&incoming).zip(answers) {
                match answer {
                    None => drop(refused.insert(*at)),
                    Some(wants) if wants.is_empty() => {}
                    Some(wants) => {
                        self.hosts[*at].give(&self.site, &wants).await;
                        again.0.push(*at);
                        again.1.push(one.clone());
                    }
                }
            }
            (from, incoming) = again;
        }
        for at in refused {
            self.hosts[at].refused(now_us);
        }
    }

    /// What a lead was told, as it would have been written down.
    async fn alerts(&self) -> Vec<(Expected, AlertRow)> {
        let leads = self.site.groups_of_alerts().await;
        let told = self.site.alerts().await.into_iter().map(|alert| {
            let day = (alert.opened_us - START_US).div_euclid(DAY_US);
            let lead = leads.get(&alert.id).cloned().unwrap_or_default();
            let grouping = alert.grouping.clone().unwrap_or_default();
            let written = Expected {
                day,
                lead,
                drift: alert.drift.clone(),
                grouping,
                cause: alert.cause.clone(),
                lane: alert.lane.clone(),
                hosts: alert.hosts,
                over: alert.state == "resolved",
            };
            (written, alert)
        });
        told.collect()
    }
}

#[tokio::test]
async fn a_quarter_alerts_what_a_person_should_hear_of_and_nothing_else() {
    let mut quarter = Quarter::begun().await;
    script::live(&mut quarter).await;
    quarter.until(DAYS, 0).await;

    let told = quarter.alerts().await;
    report(&told);
    let mut expected: Vec<_> = EXPECTED.iter().map(Expected::from).collect();
    let mut said: Vec<_> = told.into_iter().map(|(written, _)| written).collect();
    expected.sort();
    said.sort();
    let missed: Vec<_> = expected.iter().filter(|one| !said.contains(one)).collect();
    let wrong: Vec<_> = said.iter().filter(|one| !expected.contains(one)).collect();
    assert!(missed.is_empty() && wrong.is_empty(), "missed {missed:#?}, false {wrong:#?}");
    assert_eq!(said.len(), expected.len(), "each is told once");
}

fn report(told: &[(Expected, AlertRow)]) {
    let mut by_lead: BTreeMap<&str, usize> = GROUPS.iter().map(|(group, _)| (*group, 0)).collect();
    for (written, alert) in told {
        *by_lead.entry(&written.lead).or_default() += 1;
        println!("day {:>2} {}: {} ({})", written.day, written.lead, alert.title, alert.state);
    }
    let weeks = DAYS as f64 / 7.0;
    for (lead, alerts) in by_lead {
        println!("{lead}: {alerts} alerts, {:.2} a week", alerts as f64 / weeks);
    }
}
