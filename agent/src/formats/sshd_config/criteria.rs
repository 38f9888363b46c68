//! The criteria of a `Match` line.

use super::lexer::{all_delimited, arguments};
use super::{Malformed, Release};

/// When the block applies, as far as it can be told without a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// `Match all`.
    Always,
    /// Depends on the connection: it may apply to somebody.
    Sometimes,
    /// Depends on the build of sshd alone (`Match version`, since 10.0), which is not known.
    Build,
}

const WITH_ARGUMENT: [&str; 7] =
    ["user", "group", "host", "address", "localaddress", "localport", "rdomain"];

/// Reads what follows `Match`.
pub fn read(rest: &str, release: Release) -> Result<Condition, Malformed> {
    let modern = release >= Release::new(10, 0);
    // Before 10.0 criteria are split in the old way, after the line as a whole proved to have
    // balanced quotes.
    let words = arguments(rest, release)?;
    let words = if modern { words } else { all_delimited(rest) };
    let mut words = words.iter().take_while(|word| !word.starts_with('#'));
    let (mut count, mut build) = (0, 0);
    while let Some(word) = words.next() {
        let word = word.to_ascii_lowercase();
        count += 1;
        if word == "all" {
            let alone = count == 1 && words.next().is_none();
            return if alone { Ok(Condition::Always) } else { Err(Malformed::Criteria) };
        }
        if modern && word == "invalid-user" {
            continue;
        }
        let (name, value) = match word.split_once('=') {
            Some((name, value)) if modern => (name.to_owned(), Some(value.to_owned())),
            _ => (word, words.next().cloned()),
        };
        let value = value.filter(|value| !value.is_empty()).ok_or(Malformed::Criteria)?;
        if modern && name == "version" {
            build += 1;
        } else {
            check(&name, &value)?;
        }
    }
    match (count, build) {
        (0, _) => Err(Malformed::Criteria),
        (count, build) if count == build => Ok(Condition::Build),
        _ => Ok(Condition::Sometimes),
    }
}

fn check(name: &str, value: &str) -> Result<(), Malformed> {
    let right = match name {
        "localport" => super::values::integer(value).is_some_and(|port| port <= 65_535),
        "address" | "localaddress" => value.split(',').all(is_address_pattern),
        name => WITH_ARGUMENT.contains(&name),
    };
    if right { Ok(()) } else { Err(Malformed::Criteria) }
}

/// An address, a network whose host bits are zero, or a pattern with wildcards; perhaps negated.
fn is_address_pattern(pattern: &str) -> bool {
    let pattern = pattern.strip_prefix('!').unwrap_or(pattern);
    if pattern.is_empty() {
        return false;
    }
    let Some((address, bits)) = pattern.split_once('/') else { return true };
    let Ok(address) = address.parse::<std::net::IpAddr>() else { return true };
    let (value, width) = match address {
        std::net::IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32),
        std::net::IpAddr::V6(v6) => (u128::from(v6), 128),
    };
    match bits.parse::<u32>() {
        Ok(bits) if bits <= width => value.trailing_zeros() >= width - bits || value == 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V9_2: Release = Release::new(9, 2);
    const V10_0: Release = Release::new(10, 0);

    #[test]
    fn all_stands_alone_and_everything_else_depends_on_the_connection() {
        assert_eq!(read("all", V9_2), Ok(Condition::Always));
        assert_eq!(read("ALL # everybody", V9_2), Ok(Condition::Always));
        for text in ["User a,!b", "user=a Address 192.0.2.0/24", "Group \"a b\"", "LocalPort 22"] {
            assert_eq!(read(text, V9_2), Ok(Condition::Sometimes), "{text}");
        }
        assert_eq!(read("invalid-user", V10_0), Ok(Condition::Sometimes));
        assert_eq!(read("version OpenSSH_10.*", V10_0), Ok(Condition::Build));
        assert_eq!(read("version OpenSSH_* user a", V10_0), Ok(Condition::Sometimes));
    }

    #[test]
    fn criteria_that_stop_sshd_are_refused() {
        for text in [
            "all user a",
            "user a all",
            "User",
            "Users a",
            "Address 192.0.2.1/24",
            "Address 192.0.2.0/33",
            "Address 192.0.2.0/24,",
            "LocalPort high",
            "invalid-user",
            "# nothing",
        ] {
            assert_eq!(read(text, V9_2), Err(Malformed::Criteria), "{text}");
        }
    }
}
