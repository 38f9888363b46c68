//! What happens in the quarter, and what of it a person should hear of.

use crate::fleet::{HOUR_US, Host};
use crate::state::Change;
use crate::{DAY_US, Quarter, START_US};
use evidenced_collector::judge::Profile;
use evidenced_collector::store::model::HostState;

pub(crate) const DAYS: i64 = 91;

/// Groups, and how many hosts each has in the full quarter: 2,000.
pub(crate) const GROUPS: [(&str, usize); 12] = [
    ("backup", 40),
    ("batch", 200),
    ("build", 60),
    ("database", 120),
    ("desktop", 500),
    ("edge", 180),
    ("mail", 20),
    ("monitor", 30),
    ("office", 350),
    ("proxy", 100),
    ("web", 380),
    ("work", 20),
];

/// An alert as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Expected {
    /// The day of the quarter on which it opens.
    pub(crate) day: i64,
    /// The group whose lead hears of it.
    pub(crate) lead: String,
    pub(crate) drift: String,
    pub(crate) grouping: String,
    pub(crate) cause: String,
    pub(crate) lane: String,
    pub(crate) hosts: i64,
    /// Evidence ended it before the quarter was over.
    pub(crate) over: bool,
}

type Line = (i64, &'static str, &'static str, &'static str, &'static str, &'static str, i64, bool);

impl From<&Line> for Expected {
    fn from((day, lead, drift, grouping, cause, lane, hosts, over): &Line) -> Self {
        let [lead, drift, grouping, cause, lane] =
            [lead, drift, grouping, cause, lane].map(|text| (*text).to_owned());
        Self { day: *day, lead, drift, grouping, cause, lane, hosts: *hosts, over: *over }
    }
}

/// Day, lead, drift, kind of evidence, cause, lane, hosts, whether evidence ended it.
pub(crate) const EXPECTED: [Line; 10] = [
    (5, "web", "regression", "ssh_server", "host_changed", "queue", 12, true),
    (9, "database", "regression", "accounts", "host_changed", "page", 1, true),
    (14, "mail", "regression", "ssh_server", "host_changed", "queue", 1, true),
    // Nobody's lead: whoever runs the collector.
    (20, "", "collector_silence", "", "evidence_lost", "queue", 0, true),
    // Two days after its last check-in, of the evening before.
    (26, "proxy", "not_reporting", "", "evidence_lost", "queue", 1, true),
    (36, "backup", "evidence_lost", "accounts", "evidence_lost", "queue", 5, true),
    (40, "monitor", "integrity_anomaly", "clock", "host_changed", "queue", 1, true),
    (55, "proxy", "integrity_anomaly", "chain", "host_changed", "page", 1, false),
    (60, "build", "integrity_anomaly", "chain", "host_changed", "page", 1, false),
    (60, "monitor", "integrity_anomaly", "chain", "host_changed", "page", 1, false),
];

/// What happens, day by day.
pub(crate) async fn live(q: &mut Quarter) {
    a_bad_rollout_and_a_second_root(q).await;
    a_host_that_flaps(q).await;
    what_stands_still(q).await;
    people_and_files(q).await;
    clocks_agents_and_rules(q).await;
    machines_put_back_and_copied(q).await;
    load_and_leavers(q).await;
}

async fn a_bad_rollout_and_a_second_root(q: &mut Quarter) {
    // Over three hours, as rollouts go.
    for (hour, hosts) in [(10, 0..4), (11, 4..8), (12, 8..12)] {
        q.until(5, hour).await;
        q.set("web", hosts, &[Change::RootLogin]);
    }
    q.until(6, 9).await;
    q.set("web", 0..12, &[]);
    q.until(9, 3).await;
    q.set("database", 1..2, &[Change::SecondRoot]);
    q.until(9, 8).await;
    q.set("database", 1..2, &[]);
}

async fn a_host_that_flaps(q: &mut Quarter) {
    for hour in 0..20 {
        q.until(14, hour).await;
        let changes: &[Change] = if hour % 2 == 0 { &[Change::RootLogin] } else { &[] };
        q.set("mail", 0..1, changes);
    }
}

/// The collector for eight hours, a host for five days, and three that people work on.
async fn what_stands_still(q: &mut Quarter) {
    q.until(20, 6).await;
    q.collector_is_up = false;
    q.until(20, 14).await;
    q.collector_is_up = true;
    q.until(25, 12).await;
    q.host("proxy", 1).off = true;
    q.until(28, 8).await;
    for n in 1..4 {
        let (id, now_us) = (q.host("edge", n).id, q.site.now_us());
        q.site.changes_life(id, HostState::Maintenance, Some(now_us + 3 * DAY_US)).await;
        q.host("edge", n).off = true;
    }
    q.until(30, 12).await;
    q.host("proxy", 1).off = false;
    q.until(31, 6).await;
    for n in 1..4 {
        q.host("edge", n).off = false;
    }
}

/// Somebody joins on every desktop of the office; a file is closed to the agents of some hosts.
async fn people_and_files(q: &mut Quarter) {
    q.until(33, 9).await;
    q.set("office", 0..12, &[Change::Joiner(1)]);
    q.until(36, 9).await;
    q.set("backup", 0..5, &[Change::AccountsDenied]);
    q.until(37, 9).await;
    q.set("backup", 0..5, &[]);
}

async fn clocks_agents_and_rules(q: &mut Quarter) {
    q.until(40, 9).await;
    q.host("monitor", 0).wrong_by_us = 400 * DAY_US;
    q.until(41, 9).await;
    q.host("monitor", 0).wrong_by_us = 0;
    q.until(45, 9).await;
    for n in 0..12 {
        q.host("build", n).agent = "0.2.0";
    }
    q.set("build", 0..12, &[Change::NewAgent]);
    q.until(50, 9).await;
    q.site.activates(&[Profile::Essential, Profile::Standard]);
}

async fn machines_put_back_and_copied(q: &mut Quarter) {
    q.until(54, 9).await;
    let backup = q.host("proxy", 2).back_up();
    q.until(55, 20).await;
    q.host("proxy", 2).restore(&backup);
    q.host("proxy", 2).next_us = START_US;
    q.until(60, 6).await;
    for group in ["build", "monitor"] {
        let twin = q.host(group, 1).copied();
        q.hosts.push(twin);
        q.host(group, 1).next_us = q.site.now_us() + HOUR_US;
    }
}

/// Machines that come with the load end in silence; machines that were sold are retired.
async fn load_and_leavers(q: &mut Quarter) {
    q.until(65, 6).await;
    q.site.ends_in_silence("burst", 6 * 3600).await;
    let (state, now_us) = (q.states.of(&[]), q.site.now_us());
    let burst: Vec<_> = (0..10).map(|_| Host::new("burst", state.clone(), 1, now_us)).collect();
    q.site.enrols(&burst).await;
    q.hosts.extend(burst);
    q.until(66, 6).await;
    for n in 0..10 {
        q.host("burst", n).off = true;
    }
    q.until(70, 9).await;
    for n in 1..4 {
        let id = q.host("desktop", n).id;
        q.site.changes_life(id, HostState::Retired, None).await;
        q.host("desktop", n).off = true;
    }
}
