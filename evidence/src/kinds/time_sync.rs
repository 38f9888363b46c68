//! How the host keeps its clock right.

use super::Kind;
use super::about::{About, Cost};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Programs that set the clock by a reference, what they are told, and whether it works. The clock
/// of a container is that of its machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeSync {
    /// The clients that are installed, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients: Option<Vec<Client>>,
    /// Whether a client set the clock lately, by proof. False when none runs, when chronyd says
    /// that it follows nothing or was last set right more than a day ago, and when systemd-timesyncd
    /// runs and did not set it within three hours; absent when a client runs that shows no proof,
    /// and offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synchronised: Option<bool>,
    /// Time since the client that runs set the clock. Absent when it shows no proof, when more than
    /// one runs, and offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_sync_age: Option<Age>,
    /// How far the clock may be off. Absent when the client that runs does not say, when it follows
    /// no other clock, when more than one runs, and offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<Offset>,
    /// References of the clients that are started at boot, in the order of their configuration.
    /// Empty when none is started; absent when a part of the configuration is not understood, and
    /// when another client than chrony and systemd-timesyncd is started. Servers that DHCP hands to
    /// systemd-networkd are not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<TimeSource>>,
    /// Name of the time zone, such as `Europe/Vienna`; by /etc/localtime, without it UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// What the battery-backed clock holds, by /etc/adjtime; without it UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardware_clock: Option<HardwareClock>,
}

/// A program that sets the clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Client {
    pub name: ClientName,
    /// Whether its unit is started at boot, by the links of systemctl(1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether its unit has processes, by its control group; absent offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ClientName {
    Chrony,
    /// ntpd of the NTP Project.
    Ntp,
    Ntpsec,
    Openntpd,
    Timesyncd,
    /// An ntpd without a unit that this agent knows.
    Unknown,
}

/// How far the clock may be off, and who says so: chronyd when it is asked for its `tracking` at
/// the loopback interface, systemd-timesyncd by its property `NTPMessage` on the message bus, not
/// older than three hours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Offset {
    pub by: ClientName,
    /// A bound: what there was to correct, the error of the reference, and half of the way to it,
    /// together; rounded up to 100, 250, 500, 1000, 2500, 5000, 10000, 30000 or 60000 ms, and to
    /// whole hours beyond.
    pub within_ms: i64,
}

/// A reference for the clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeSource {
    pub client: ClientName,
    pub form: Form,
    /// Host name or address; of a reference clock its driver and device, such as `PHC:/dev/ptp0`;
    /// empty for `vendor_default`.
    pub address: String,
    /// Whether Network Time Security proves who answers.
    pub nts: bool,
    /// Only watched: the clock is never set by it.
    pub noselect: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    Server,
    /// A name behind which there are several servers.
    Pool,
    Peer,
    /// A clock at this machine: GPS, PTP, that of a hypervisor.
    Refclock,
    /// A server that is asked while no other is configured (`FallbackNTP=`).
    Fallback,
    /// The servers that were built into the program, asked while no other is configured.
    VendorDefault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HardwareClock {
    Utc,
    /// The time of the time zone: wrong for an hour around every change to summer time.
    Local,
}

/// An age, rounded: what moves by itself makes no new facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Age {
    #[serde(rename = "under_3h")]
    UnderThreeHours,
    #[serde(rename = "under_1d")]
    UnderDay,
    #[serde(rename = "older")]
    Older,
    /// No client runs, or the one that runs has not set it since its start.
    #[serde(rename = "never")]
    Never,
}

impl Kind for TimeSync {
    const NAME: &'static str = "time_sync";
    const V: i64 = 2;
    const TITLE: &'static str = "Time synchronisation";
    const ABOUT: About = About {
        purpose: "Whether the clock is right, how far it may be off, and who keeps it so.",
        reads: &[
            "/etc/chrony*",
            "/etc/default/chrony",
            "/etc/sysconfig/chronyd",
            "/etc/systemd/timesyncd.conf*",
            "*/systemd/timesyncd.conf.d/*",
            "*/systemd/system/chrony*",
            "/bus/timesync1",
            "/chronyd/tracking",
            "/run/chrony-dhcp/*",
            "/etc/adjtime",
            "/proc/stat",
            "/proc/uptime",
            "/sys/fs/cgroup/*",
        ],
        also_reads: "chronyd's answer to `tracking` at 127.0.0.1 port 323, and systemd-timesyncd's NTPMessage on the message bus, where they run; files that chrony's configuration includes",
        stays: &["keys for authenticated time"],
        needs: &[],
        cost: Cost::Light,
        people: "",
    };
}
