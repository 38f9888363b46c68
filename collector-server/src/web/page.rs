//! What all pages share: the frame around them, times, counts and addresses.

use super::past::Past;
use super::stylesheet;
use crate::store::model::LogHead;
use askama::Template;
use askama::filters::HtmlSafe;
use jiff::Timestamp;
use std::fmt::Write;

/// The rooms there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    Overview,
    Drift,
    Decisions,
    Controls,
    Rules,
    Hosts,
    Isms,
    Records,
    Snapshots,
    Enrolment,
    People,
}

impl Room {
    pub const ALL: [Self; 11] = [
        Self::Overview,
        Self::Drift,
        Self::Decisions,
        Self::Controls,
        Self::Rules,
        Self::Hosts,
        Self::Isms,
        Self::Records,
        Self::Snapshots,
        Self::Enrolment,
        Self::People,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Drift => "Drift",
            Self::Decisions => "Decisions",
            Self::Controls => "Controls",
            Self::Rules => "Rules",
            Self::Hosts => "Hosts",
            Self::Isms => "ISMS",
            Self::Records => "Records",
            Self::Snapshots => "Snapshots",
            Self::Enrolment => "Enrolment",
            Self::People => "People",
        }
    }

    pub fn path(self) -> &'static str {
        match self {
            Self::Overview => "/",
            Self::Drift => "/drift",
            Self::Decisions => "/exceptions",
            Self::Controls => "/controls",
            Self::Rules => "/rules",
            Self::Hosts => "/hosts",
            Self::Isms => "/isms",
            Self::Records => "/records",
            Self::Snapshots => "/snapshots",
            Self::Enrolment => "/enrolment",
            Self::People => "/people",
        }
    }
}

/// The layout around a page.
pub struct Frame {
    pub style: &'static str,
    /// None outside: before signing in.
    pub inside: Option<Inside>,
}

/// What a person who is signed in sees around every page.
pub struct Inside {
    pub room: Option<Room>,
    pub now: When,
    pub log_size: String,
    /// Where the form to sign out is sent; none when there is nothing to end.
    pub sign_out: Option<&'static str>,
    /// The page offers to set a first password.
    pub offers_password: bool,
    /// The page shows another moment than now.
    pub past: Option<Past>,
    /// The page can show other moments.
    pub picks: Option<Picks>,
}

/// How another moment is picked.
pub struct Picks {
    /// The zone of what is typed.
    pub zone: String,
    /// What the address asks for besides.
    pub rest: Vec<(String, String)>,
}

impl Inside {
    pub(super) fn is_in(&self, room: &Room) -> bool {
        self.room.as_ref() == Some(room)
    }
}

impl Frame {
    pub fn outside() -> Self {
        Self { style: stylesheet().0, inside: None }
    }

    pub fn inside(room: Option<Room>, now_us: i64, log: LogHead) -> Self {
        let now = When::spoken(now_us);
        let log_size = count(log.size);
        let inside = Inside {
            room,
            now,
            log_size,
            sign_out: None,
            offers_password: false,
            past: None,
            picks: None,
        };
        Self { style: stylesheet().0, inside: Some(inside) }
    }

    /// The frame with an offer to set a password, if the person has none.
    pub fn without_password(mut self, has_none: bool) -> Self {
        if let Some(inside) = &mut self.inside {
            inside.offers_password = has_none;
        }
        self
    }

    /// The frame of a page that can show other moments, and shows this one; none for now.
    pub fn at(mut self, past: Option<Past>, picks: Picks) -> Self {
        if let Some(inside) = &mut self.inside {
            (inside.past, inside.picks) = (past, Some(picks));
        }
        self
    }

    /// Whether the page shows another moment than now.
    pub fn is_past(&self) -> bool {
        self.inside.as_ref().is_some_and(|inside| inside.past.is_some())
    }

    /// The frame with a button that posts to `path` to end the session.
    pub fn with_sign_out(mut self, path: &'static str) -> Self {
        if let Some(inside) = &mut self.inside {
            inside.sign_out = Some(path);
        }
        self
    }
}

/// A moment: machine-readable, and as it is written on the page. Always UTC.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Template)]
#[template(source = r#"<time datetime="{{ iso }}">{{ text }}</time>"#, ext = "html")]
pub struct When {
    pub iso: String,
    pub text: String,
}

impl HtmlSafe for When {}

impl When {
    /// `2026-11-23 08:42 UTC`, for sentences.
    pub fn of(us: i64) -> Self {
        Self::in_form(us, "%Y-%m-%d %H:%M UTC")
    }

    /// `2026-11-23 08:42`, for columns whose heading names the zone.
    pub fn cell(us: i64) -> Self {
        Self::in_form(us, "%Y-%m-%d %H:%M")
    }

    /// `Mon 23 Nov 2026, 08:42 UTC`, once per page.
    pub fn spoken(us: i64) -> Self {
        Self::in_form(us, "%a %-d %b %Y, %H:%M UTC")
    }

    /// `Mon 23 Nov 2026, 08:42:07 UTC`, of a moment that was asked for.
    pub fn spoken_exactly(us: i64) -> Self {
        Self::in_form(us, "%a %-d %b %Y, %H:%M:%S UTC")
    }

    /// `2026-11-23`, where only the day is known.
    pub fn day(us: i64) -> Self {
        Self::in_form(us, "%Y-%m-%d")
    }

    fn in_form(us: i64, form: &str) -> Self {
        match Timestamp::from_microsecond(us) {
            Ok(at) => Self {
                iso: at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                text: at.strftime(form).to_string(),
            },
            // Outside the calendar: shown as it is rather than as some other time.
            Err(_) => Self { iso: String::new(), text: format!("{us} µs since 1970") },
        }
    }
}

/// A word and what it stands for: one line of a definition list. `mono` for what a machine said.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    source = r#"<dt>{{ name }}</dt><dd{% if mono %} class="mono"{% endif %}>{{ value }}</dd>"#,
    ext = "html"
)]
pub struct Pair {
    pub name: &'static str,
    pub value: String,
    pub mono: bool,
}

impl HtmlSafe for Pair {}

impl Pair {
    pub fn said(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into(), mono: false }
    }

    pub fn mono(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into(), mono: true }
    }
}

/// How long ago, in its largest unit. Never shown without the absolute time beside it.
pub fn age(us: i64, now_us: i64) -> String {
    let minutes = now_us.saturating_sub(us) / 60_000_000;
    match minutes {
        i64::MIN..=-1 => "ahead of this clock".to_owned(),
        0 => "less than a minute".to_owned(),
        1..=119 => format!("{minutes} min"),
        120..=2879 => format!("{} h", minutes / 60),
        _ => format!("{} days", count((minutes / 1440).unsigned_abs())),
    }
}

/// `1,204,866`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 host`, `2 hosts`.
pub fn plural(n: usize, word: &str) -> String {
    format!("{} {word}{}", count(n as u64), if n == 1 { "" } else { "s" })
}

/// A text as one segment of a path (RFC 3986, section 2.3: all but unreserved characters encoded).
pub fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

pub fn control_path(id: &str) -> String {
    format!("/controls/{}", segment(id))
}

pub fn rule_path(id: &str) -> String {
    format!("/rules/{}", segment(id))
}

pub fn result_path(host: evidence::HostId, rule: &str) -> String {
    format!("/hosts/{host}/results/{}", segment(rule))
}

pub fn drift_path(id: &str) -> String {
    format!("/drift/{}", segment(id))
}

pub fn exception_path(id: &str) -> String {
    format!("/exceptions/{}", segment(id))
}

pub fn inherited_path(id: &str) -> String {
    format!("/inherited/{}", segment(id))
}

pub fn finding_path(id: &str) -> String {
    format!("/findings/{}", segment(id))
}

/// Registers of an ISMS.
pub fn registers_path(isms: &str) -> String {
    format!("/isms/{}/records", segment(isms))
}

pub fn register_path(isms: &str, register: &str) -> String {
    format!("{}/{}", registers_path(isms), segment(register))
}

pub fn record_path(isms: &str, register: &str, id: &str) -> String {
    format!("{}/{}", register_path(isms, register), segment(id))
}

pub fn readiness_path(isms: &str) -> String {
    format!("/isms/{}/readiness", segment(isms))
}

pub fn list_path(group: &str, population: &str) -> String {
    format!("/lists/{}/{}", segment(group), segment(population))
}

pub fn review_path(id: &str) -> String {
    format!("/reviews/{}", segment(id))
}

pub fn host_path(id: evidence::HostId) -> String {
    format!("/hosts/{id}")
}

pub fn facts_path(id: evidence::HostId, kind: &str) -> String {
    format!("/hosts/{id}/kinds/{}", segment(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mon 23 Nov 2026, 08:42 UTC.
    const NOW: i64 = 1_795_423_320_000_000;
    const MINUTE: i64 = 60_000_000;

    #[test]
    fn times_are_written_in_utc_and_a_time_outside_the_calendar_is_not_another_time() {
        assert_eq!(When::of(NOW).text, "2026-11-23 08:42 UTC");
        assert_eq!(When::cell(NOW).text, "2026-11-23 08:42");
        assert_eq!(When::spoken(NOW).text, "Mon 23 Nov 2026, 08:42 UTC");
        assert_eq!(When::of(NOW).iso, "2026-11-23T08:42:00Z");
        assert!(When::of(i64::MAX).text.contains("µs since 1970"));
    }

    #[test]
    fn ages_take_their_largest_unit() {
        for (minutes, text) in [
            (0, "less than a minute"),
            (119, "119 min"),
            (120, "2 h"),
            (2879, "47 h"),
            (2880, "2 days"),
            (-5, "ahead of this clock"),
        ] {
            assert_eq!(age(NOW - minutes * MINUTE, NOW), text);
        }
    }

    #[test]
    fn counts_have_separators() {
        for (n, text) in [(0u64, "0"), (999, "999"), (1_000, "1,000"), (1_204_866, "1,204,866")] {
            assert_eq!(count(n), text);
        }
        assert_eq!(plural(1, "host"), "1 host");
        assert_eq!(plural(1_000, "host"), "1,000 hosts");
    }

    #[test]
    fn a_segment_cannot_leave_its_place_in_the_path() {
        assert_eq!(control_path("A.8.5"), "/controls/A.8.5");
        assert_eq!(segment("../x?a=1#b\"<é"), "..%2Fx%3Fa%3D1%23b%22%3C%C3%A9");
    }
}
