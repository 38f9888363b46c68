use super::*;
use proptest::prelude::*;

const NOW: i64 = 1_000 * HOUR_US;

fn part(host: u128, subject: &str, offenders: &[&str]) -> Part {
    Part {
        drift: format!("{host}-{subject}"),
        host: HostId::from(host),
        sort: "regression".to_owned(),
        subject: subject.to_owned(),
        cause: "host_changed".to_owned(),
        severity: "medium".to_owned(),
        grouping: "accounts".to_owned(),
        index: 7,
        to: "fail".to_owned(),
        offenders: offenders.iter().map(|o| (*o).to_owned()).collect(),
    }
}

/// What a store does with places, in memory.
#[derive(Debug, Default, Clone)]
struct Board {
    alerts: Vec<Alert>,
    /// Alerts that somebody heard of.
    told: usize,
}

#[derive(Debug, Clone)]
struct Alert {
    id: String,
    signature: String,
    hosts: BTreeSet<HostId>,
    drifts: BTreeSet<String>,
    opened_us: i64,
    gained_us: i64,
    resolved_us: Option<i64>,
    merged: bool,
}

impl Board {
    fn put(&mut self, candidate: &Candidate, now_us: i64) {
        let held = |alert: &&Alert| candidate.drifts.iter().any(|d| alert.drifts.contains(d));
        if self.alerts.iter().any(|alert| held(&alert)) {
            return; // As the store: a drift that has an alert is no candidate.
        }
        let standing = self.alerts.iter().filter(|a| !a.merged).map(|alert| Standing {
            alert: alert.id.clone(),
            signature: alert.signature.clone(),
            hosts: alert.hosts.len() as i64,
            has_host: alert.hosts.contains(&candidate.host),
            recurs: false,
            opened_us: alert.opened_us,
            gained_us: alert.gained_us,
            resolved_us: alert.resolved_us,
        });
        let standing: Vec<_> = standing.collect();
        let place = place(candidate, &standing, now_us);
        let into = match place {
            Place::Open => {
                self.told += 1;
                let id = format!("alert {}", self.alerts.len());
                self.alerts.push(Alert {
                    id: id.clone(),
                    signature: candidate.signature.clone(),
                    hosts: BTreeSet::new(),
                    drifts: BTreeSet::new(),
                    opened_us: now_us,
                    gained_us: now_us,
                    resolved_us: None,
                    merged: false,
                });
                id
            }
            Place::Join(id) | Place::Reopen(id) => id,
            Place::Gather { into, merged } => {
                for other in merged {
                    let other = self.alerts.iter_mut().find(|a| a.id == other).expect("merged");
                    other.merged = true;
                    let (hosts, drifts) = (other.hosts.clone(), other.drifts.clone());
                    let into = self.alerts.iter_mut().find(|a| a.id == into).expect("into");
                    into.hosts.extend(hosts);
                    into.drifts.extend(drifts);
                }
                into
            }
        };
        let alert = self.alerts.iter_mut().find(|alert| alert.id == into).expect("alert");
        alert.hosts.insert(candidate.host);
        alert.drifts.extend(candidate.drifts.iter().cloned());
        alert.gained_us = now_us;
    }

    /// Which hosts share an alert.
    fn shape(&self) -> BTreeSet<(String, BTreeSet<HostId>)> {
        let live = self.alerts.iter().filter(|alert| !alert.merged);
        live.map(|alert| (alert.signature.clone(), alert.hosts.clone())).collect()
    }
}

#[test]
fn rules_that_fail_by_one_change_are_one_matter_and_another_kind_is_another() {
    let mut other = part(1, "ssh-x", &[]);
    other.grouping = "ssh_server".to_owned();
    let mut worse = part(1, "acc-b", &["toor"]);
    worse.severity = "critical".to_owned();
    let mut later = part(1, "acc-c", &[]);
    later.index = 8;
    let found = candidates(&[part(1, "acc-a", &[]), other, worse, later]);
    let subjects: Vec<_> =
        found.iter().map(|c| c.subjects.iter().map(String::as_str).collect::<Vec<_>>()).collect();
    assert_eq!(subjects, [vec!["acc-a", "acc-b"], vec!["acc-c"], vec!["ssh-x"]]);
    assert_eq!(found[0].severity, "critical");
}

#[test]
fn a_second_superuser_and_an_anomaly_page_and_a_wrong_clock_does_not() {
    let lane = |sort: &str, subject: &str, grouping: &str| {
        let mut part = part(1, subject, &[]);
        (part.sort, part.grouping) = (sort.to_owned(), grouping.to_owned());
        candidates(&[part])[0].lane
    };
    assert_eq!(lane("regression", "acc-uid0-only-root", "accounts"), Lane::Page);
    assert_eq!(lane("regression", "acc-unique-uid", "accounts"), Lane::Queue);
    assert_eq!(lane("integrity_anomaly", "01ABC", "chain"), Lane::Page);
    assert_eq!(lane("integrity_anomaly", "clock", "clock"), Lane::Queue);
    assert_eq!(lane("not_reporting", "", ""), Lane::Queue);
}

#[test]
fn the_third_host_with_the_same_change_makes_them_one_and_a_late_or_different_one_does_not() {
    let mut board = Board::default();
    let put = |board: &mut Board, host, offender: &str, at| {
        board.put(&candidates(&[part(host, "acc-a", &[offender])])[0], at);
    };
    put(&mut board, 1, "eve", NOW);
    put(&mut board, 2, "eve", NOW + 10 * MINUTE_US);
    assert_eq!(board.shape().len(), 2, "two hosts are two alerts");
    put(&mut board, 3, "mallory", NOW + 20 * MINUTE_US);
    assert_eq!(board.shape().len(), 3, "another change is another");
    put(&mut board, 4, "eve", NOW + 25 * MINUTE_US);
    assert_eq!(board.shape().len(), 2);
    put(&mut board, 5, "eve", NOW + 115 * MINUTE_US);
    assert_eq!(board.shape().len(), 2, "it goes on gaining hosts");
    put(&mut board, 6, "eve", NOW + 206 * MINUTE_US);
    assert_eq!(board.shape().len(), 3, "until none came for an hour and a half");
}

#[test]
fn what_comes_back_within_a_day_is_the_same_alert_again() {
    let candidate = &candidates(&[part(1, "acc-a", &[])])[0];
    let mut standing = Standing {
        alert: "a".to_owned(),
        signature: "another: the offenders changed".to_owned(),
        hosts: 1,
        has_host: true,
        recurs: true,
        opened_us: NOW - 30 * HOUR_US,
        gained_us: NOW - 30 * HOUR_US,
        resolved_us: Some(NOW - 24 * HOUR_US),
    };
    let place = |standing: &Standing| place(candidate, std::slice::from_ref(standing), NOW);
    assert_eq!(place(&standing), Place::Reopen("a".to_owned()));
    standing.resolved_us = Some(NOW - 24 * HOUR_US - 1);
    assert_eq!(place(&standing), Place::Open);
    standing.resolved_us = None;
    assert_eq!(place(&standing), Place::Join("a".to_owned()));
    (standing.recurs, standing.has_host) = (false, false);
    assert_eq!(place(&standing), Place::Open);
}

#[test]
fn more_than_three_transitions_in_a_day_flap_until_six_quiet_hours() {
    let history = |hours: &[i64]| -> Vec<(i64, bool)> {
        hours
            .iter()
            .zip([true, false].into_iter().cycle())
            .map(|(h, bad)| (NOW + h * HOUR_US, bad))
            .collect()
    };
    let at = |hours: &[i64], now: i64| flap(&history(hours), NOW + now * HOUR_US);
    assert_eq!(at(&[0, 1, 2], 3), Flap { flapping: false, bad: true });
    assert_eq!(at(&[0, 1, 2, 3], 3), Flap { flapping: true, bad: true }, "the worst is shown");
    assert_eq!(at(&[0, 1, 2, 3], 8), Flap { flapping: true, bad: true });
    assert_eq!(at(&[0, 1, 2, 3], 9), Flap { flapping: false, bad: false });
    assert_eq!(at(&[0, 1, 2, 3, 4], 10), Flap { flapping: false, bad: true });
    assert_eq!(
        at(&[0, 10, 20, 30], 30),
        Flap { flapping: false, bad: false },
        "over more than a day"
    );
    assert_eq!(
        at(&[0, 1, 2, 3, 10, 11], 11),
        Flap { flapping: false, bad: false },
        "it begins anew"
    );
}

#[test]
fn growth_is_told_at_the_third_host_and_at_every_tenfold() {
    let told: Vec<_> = (0..1200).filter(|n| is_told_again(*n, n + 1)).map(|n| n + 1).collect();
    assert_eq!(told, [3, 10, 100, 1000]);
    assert!(is_told_again(0, 3) && !is_told_again(3, 9));
}

#[test]
fn a_title_names_what_where_and_how_many() {
    let many = ["acc-a".to_owned(), "acc-b".to_owned()];
    assert_eq!(title("regression", &many, "", 12), "acc-a and 1 more: now failing on 12 hosts");
    assert_eq!(title("evidence_lost", &many[..1], "", 1), "acc-a: evidence lost on 1 host");
    assert_eq!(title("not_reporting", &[String::new()], "silent", 3), "not reporting on 3 hosts");
    assert_eq!(title("collector_silence", &[], "it was away", 0), "it was away");
}

#[test]
fn the_rule_that_pages_is_a_rule() {
    let catalogue = crate::catalogue::Catalogue::builtin().expect("catalogue");
    let rules = crate::judge::RuleSet::builtin(&catalogue).expect("rules");
    assert!(rules.get(PAGE_RULES[0]).is_some());
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let one = (0..6u128, 0..3usize, 0..2usize);
    proptest::collection::btree_set(one, 0..14).prop_map(|all| {
        let part = |(host, rule, who): (u128, usize, usize)| {
            part(host, ["acc-a", "acc-b", "acc-c"][rule], &[["eve", "mallory"][who]])
        };
        // One drift of a rule on a host at a time.
        let mut by_key: BTreeMap<(u128, usize), Part> = BTreeMap::new();
        for key in all {
            by_key.insert((key.0, key.1), part(key));
        }
        by_key.into_values().collect()
    })
}

proptest! {
    #[test]
    fn hosts_in_another_order_make_the_same_alerts(
        (parts, shuffled) in parts().prop_flat_map(|p| (Just(p.clone()), Just(p).prop_shuffle())),
    ) {
        prop_assert_eq!(candidates(&parts), candidates(&shuffled));
        let mut in_order = candidates(&parts);
        let (mut one, mut other) = (Board::default(), Board::default());
        in_order.iter().for_each(|c| one.put(c, NOW));
        in_order.sort_by_key(|c| shuffled.iter().position(|p| p.host == c.host));
        in_order.iter().for_each(|c| other.put(c, NOW));
        prop_assert_eq!(one.shape(), other.shape());
    }

    #[test]
    fn the_same_again_changes_nothing(parts in parts()) {
        let mut board = Board::default();
        let found = candidates(&parts);
        found.iter().for_each(|c| board.put(c, NOW));
        let (shape, told) = (board.shape(), board.told);
        found.iter().for_each(|c| board.put(c, NOW + MINUTE_US));
        prop_assert_eq!((board.shape(), board.told), (shape, told));
    }

    #[test]
    fn every_drift_is_in_exactly_one_alert(parts in parts()) {
        let mut board = Board::default();
        candidates(&parts).iter().for_each(|c| board.put(c, NOW));
        let held = board.alerts.iter().filter(|a| !a.merged).flat_map(|a| a.drifts.iter().cloned());
        let mut held: Vec<_> = held.collect();
        held.sort();
        let mut all: Vec<_> = parts.iter().map(|p| p.drift.clone()).collect();
        all.sort();
        prop_assert_eq!(held, all);
    }

    #[test]
    fn what_is_wrong_is_never_shown_as_well(
        gaps in proptest::collection::vec(1..8 * HOUR_US, 1..20),
        after in 0..48 * HOUR_US,
    ) {
        let (mut at, mut bad) = (NOW, false);
        let history: Vec<_> = gaps.iter().map(|gap| { at += gap; bad = !bad; (at, bad) }).collect();
        let flap = flap(&history, at + after);
        prop_assert!(flap.bad || !bad);
        prop_assert!(flap.bad || !flap.flapping);
    }
}

#[test]
fn a_new_key_of_root_wakes_somebody_and_a_new_unit_or_a_lost_key_does_not() {
    let change = |population: &str, member: &str, to: &str| Part {
        sort: "change".to_owned(),
        subject: format!("{population}: {member}"),
        grouping: population.to_owned(),
        to: to.to_owned(),
        ..part(1, "", &[member])
    };
    let of = |part: Part| candidates(&[part]).remove(0);
    let key = of(change("root-keys", "SHA256:x", "added"));
    assert_eq!(key.lane, Lane::Page);
    assert_eq!(of(change("root-keys", "SHA256:x", "gone")).lane, Lane::Queue);
    assert_eq!(of(change("enabled-units", "x.service", "added")).lane, Lane::Queue);
    // The same member on another host is the same change; another member is not.
    let elsewhere = Part { host: HostId::from(2u128), ..change("root-keys", "SHA256:x", "added") };
    assert_eq!(of(elsewhere).signature, key.signature);
    assert_ne!(of(change("root-keys", "SHA256:y", "added")).signature, key.signature);
}
