//! Values of directives: what sshd accepts, in the spelling of `sshd -T` (numbers in decimal,
//! times in seconds), except that it prints `without-password` for `prohibit-password` and `SILENT`
//! for `QUIET`.

use super::{Malformed, Release};

/// How the arguments of a keyword are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One of a list, in any case; the second spelling is the one reported.
    Choice(&'static [(&'static str, &'static str)]),
    /// One of a list, in exactly this case.
    Exact(&'static [&'static str]),
    Integer,
    /// sshd_config(5) TIME FORMATS.
    Time,
    TimeOrNone,
    Port,
    ListenAddress,
    LogLevel,
    /// `BEGIN[:RATE:FULL]`.
    Startups,
    Methods,
    /// Between so many and so many words without further meaning here.
    Words(usize, usize),
    /// A comma-separated list of algorithms, perhaps with `+`, `-` or `^` before it.
    Algorithms,
    /// The rest of the line as it is.
    Rest,
    /// An absolute path with arguments, or `none`; the rest of the line as it is.
    Command,
    /// Nothing of it counts.
    Ignored,
    Include,
    Match,
}

pub const FLAG: Shape = Shape::Choice(&[("yes", "yes"), ("no", "no")]);
pub const ONE: Shape = Shape::Words(1, 1);
pub const MANY: Shape = Shape::Words(1, usize::MAX);
pub const ROOT_LOGIN: Shape = Shape::Choice(&[
    ("without-password", "prohibit-password"),
    ("prohibit-password", "prohibit-password"),
    ("forced-commands-only", "forced-commands-only"),
    ("yes", "yes"),
    ("no", "no"),
]);
pub const RHOSTS: Shape =
    Shape::Choice(&[("yes", "yes"), ("no", "no"), ("shosts-only", "shosts-only")]);
pub const FAMILY: Shape = Shape::Choice(&[("inet", "inet"), ("inet6", "inet6"), ("any", "any")]);
pub const COMPRESSION: Shape = Shape::Choice(&[("yes", "yes"), ("delayed", "yes"), ("no", "no")]);
pub const GATEWAY: Shape =
    Shape::Choice(&[("clientspecified", "clientspecified"), ("yes", "yes"), ("no", "no")]);
pub const FORWARDING: Shape = Shape::Choice(&[
    ("yes", "yes"),
    ("all", "yes"),
    ("no", "no"),
    ("remote", "remote"),
    ("local", "local"),
]);
pub const TUNNEL: Shape = Shape::Exact(&["no", "point-to-point", "ethernet", "yes"]);
pub const FACILITY: Shape = Shape::Choice(&[
    ("daemon", "DAEMON"),
    ("user", "USER"),
    ("auth", "AUTH"),
    ("authpriv", "AUTHPRIV"),
    ("local0", "LOCAL0"),
    ("local1", "LOCAL1"),
    ("local2", "LOCAL2"),
    ("local3", "LOCAL3"),
    ("local4", "LOCAL4"),
    ("local5", "LOCAL5"),
    ("local6", "LOCAL6"),
    ("local7", "LOCAL7"),
]);

const LEVELS: [&str; 10] =
    ["SILENT", "QUIET", "FATAL", "ERROR", "INFO", "VERBOSE", "DEBUG", "DEBUG1", "DEBUG2", "DEBUG3"];
const METHODS: [&str; 7] = [
    "none",
    "publickey",
    "password",
    "keyboard-interactive",
    "hostbased",
    "gssapi-with-mic",
    "gssapi-keyex",
];

/// Reads the words of a directive; `rest` is its line after the keyword.
pub fn read(shape: Shape, rest: &str, release: Release) -> Result<Vec<String>, Malformed> {
    match shape {
        Shape::Rest | Shape::Command | Shape::Ignored if release < Release::new(8, 7) => {}
        // New releases split every line before they look at the keyword.
        _ => drop(super::lexer::arguments(rest, release)?),
    }
    let rest = rest.trim_start_matches([' ', '\t', '\r']);
    match shape {
        Shape::Ignored => return Ok(vec![]),
        Shape::Rest => return Ok(vec![rest.to_owned()]),
        Shape::Command if rest.starts_with('/') => return Ok(vec![rest.to_owned()]),
        Shape::Command if rest.eq_ignore_ascii_case("none") => return Ok(vec!["none".to_owned()]),
        Shape::Command => return Err(Malformed::Value),
        _ => {}
    }
    let words = super::lexer::arguments(rest, release)?;
    if words.iter().any(String::is_empty) {
        return Err(Malformed::Value);
    }
    let (least, most) = match shape {
        Shape::Words(least, most) => (least, most),
        Shape::ListenAddress => (1, 3),
        Shape::Methods | Shape::Include | Shape::Match => (1, usize::MAX),
        _ => (1, 1),
    };
    if words.len() < least {
        return Err(Malformed::NoArgument);
    }
    // In the old way an empty word follows a quoted one, and this keyword takes offence at it.
    let stray = shape == Shape::ListenAddress
        && release.splits_in_the_old_way()
        && rest.trim_end().ends_with('"');
    if words.len() > most || stray {
        return Err(Malformed::ExtraArguments);
    }
    canonical(shape, words).ok_or(Malformed::Value)
}

fn canonical(shape: Shape, words: Vec<String>) -> Option<Vec<String>> {
    let first = words.first()?.as_str();
    let one = |value: String| Some(vec![value]);
    match shape {
        Shape::Choice(choices) => {
            let found = choices.iter().find(|(written, _)| written.eq_ignore_ascii_case(first));
            one(found?.1.to_owned())
        }
        Shape::Exact(choices) => choices.contains(&first).then_some(words),
        Shape::Integer => one(integer(first)?.to_string()),
        Shape::Time => one(seconds(first)?.to_string()),
        Shape::TimeOrNone if first.eq_ignore_ascii_case("none") => one("none".to_owned()),
        Shape::TimeOrNone => one(seconds(first)?.to_string()),
        Shape::Port => one(port(first)?.to_string()),
        Shape::LogLevel => {
            let level = LEVELS.iter().find(|level| level.eq_ignore_ascii_case(first))?;
            one(match *level {
                "SILENT" => "QUIET".to_owned(),
                "DEBUG1" => "DEBUG".to_owned(),
                level => level.to_owned(),
            })
        }
        Shape::Startups => startups(first).map(|_| words),
        Shape::Methods => methods(&words).then_some(words),
        Shape::ListenAddress => {
            let plain = words.len() == 1 || (words.len() == 3 && words[1] == "rdomain");
            (plain && address_and_port(first).is_some()).then_some(words)
        }
        _ => Some(words),
    }
}

/// strtonum(3) from 0 to 2³¹ − 1.
pub fn integer(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().filter(|n| (0..=i64::from(i32::MAX)).contains(n))
}

/// A port from 1 to 65535. Names of services are not resolved, so they are not accepted.
pub fn port(text: &str) -> Option<i64> {
    integer(text).filter(|n| (1..=65535).contains(n))
}

/// sshd_config(5) TIME FORMATS: `600`, `10m`, `1h30m`, `1w`; the sum in seconds.
pub fn seconds(text: &str) -> Option<i64> {
    let mut total: i64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: i64 = rest[..digits].parse().ok()?;
        let unit = match rest.as_bytes().get(digits).map(u8::to_ascii_lowercase) {
            None | Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => 3_600,
            Some(b'd') => 86_400,
            Some(b'w') => 604_800,
            Some(_) => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = rest.get(digits + 1..).unwrap_or("");
    }
    (!text.is_empty() && total <= i64::from(i32::MAX)).then_some(total)
}

/// `BEGIN` or `BEGIN:RATE:FULL`; the rate is in percent.
pub fn startups(text: &str) -> Option<(i64, Option<(i64, i64)>)> {
    let numbers: Option<Vec<i64>> = text.split(':').map(integer).collect();
    match numbers?[..] {
        [begin] if begin > 0 => Some((begin, None)),
        [begin, rate, full] if begin > 0 && begin <= full && (1..=100).contains(&rate) => {
            Some((begin, Some((rate, full))))
        }
        _ => None,
    }
}

/// `any` alone, or lists of known methods.
fn methods(words: &[String]) -> bool {
    if words.iter().any(|word| word == "any") {
        return words.len() == 1;
    }
    let known = |method: &str| {
        let name = method.split(':').next().unwrap_or(method);
        METHODS.contains(&name)
    };
    words.iter().all(|list| list.split(',').all(known))
}

/// Host and port of a `ListenAddress`: `HOST`, `HOST:PORT`, `IPv6`, `[IPv6]`, `[IPv6]:PORT`.
pub fn address_and_port(text: &str) -> Option<(&str, Option<i64>)> {
    if !text.contains('[') && text.matches(':').count() > 1 {
        return Some((text, None));
    }
    let (host, port_text) = match text.strip_prefix('[') {
        Some(inner) => {
            let (host, rest) = inner.split_once(']')?;
            match rest.strip_prefix([':', '/']) {
                Some(port) => (host, Some(port)),
                None if rest.is_empty() => (host, None),
                None => return None,
            }
        }
        None => match text.split_once([':', '/']) {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    match port_text {
        Some(text) => Some((host, Some(port(text)?))),
        None => Some((host, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_add_up_in_seconds() {
        for (text, want) in [
            ("0", 0),
            ("90", 90),
            ("1h30m", 5_400),
            ("1W", 604_800),
            ("2m5", 125),
            ("1d1s", 86_401),
        ] {
            assert_eq!(seconds(text), Some(want), "{text}");
        }
        for text in ["", "m", "1x", "-1", "1h m", "99999999999w", "2147483648"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn what_sshd_refuses_is_not_a_value() {
        let release = Release::new(9, 2);
        let cases = [
            (FLAG, "true"),
            (FLAG, "yes no"),
            (ROOT_LOGIN, "maybe"),
            (TUNNEL, "Yes"),
            (Shape::Integer, "-1"),
            (Shape::Integer, "6x"),
            (Shape::Port, "0"),
            (Shape::LogLevel, "LOUD"),
            (Shape::Startups, "10:30"),
            (Shape::Startups, "10:0:100"),
            (Shape::Methods, "any publickey"),
            (Shape::Methods, "passwort"),
            (Shape::ListenAddress, "192.0.2.1:0"),
            (Shape::Command, "keys.sh"),
            (ONE, "\"\""),
        ];
        for (shape, text) in cases {
            assert!(read(shape, text, release).is_err(), "{shape:?} {text}");
        }
    }

    #[test]
    fn values_are_written_as_sshd_prints_them() {
        let read = |shape, text| read(shape, text, Release::new(9, 2)).expect("value").join(" ");
        assert_eq!(read(FLAG, "YES # comment"), "yes");
        assert_eq!(read(ROOT_LOGIN, "without-password"), "prohibit-password");
        assert_eq!(read(FORWARDING, "all"), "yes");
        assert_eq!(read(Shape::LogLevel, "debug1"), "DEBUG");
        assert_eq!(read(FACILITY, "authpriv"), "AUTHPRIV");
        assert_eq!(read(Shape::Time, "2m"), "120");
        assert_eq!(read(Shape::Command, "/usr/bin/keys %u"), "/usr/bin/keys %u");
    }
}
