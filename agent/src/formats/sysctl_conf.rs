//! sysctl.d(5): assignments of kernel settings, merged as systemd-sysctl(8) merges them.

use super::glob;

/// The assignments of several files, in the order in which they are applied. Names are paths below
/// /proc/sys, such as `net/ipv4/ip_forward`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Name or pattern, and its value; without one the name is only excluded from patterns.
    lines: Vec<(String, Option<String>)>,
}

impl Settings {
    /// Adds a file. A later assignment of the same name replaces an earlier one. Gives the first
    /// line that no reader of the format understands alike, counted from 1.
    pub fn add(&mut self, text: &str) -> Result<(), usize> {
        let mut fault = None;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let (name, value) = match line.split_once('=') {
                Some((name, value)) => (name, Some(value.trim().to_owned())),
                None if line.starts_with('-') => (line, None),
                None => {
                    fault.get_or_insert(number + 1);
                    continue;
                }
            };
            let name = path(name.strip_prefix('-').unwrap_or(name).trim());
            // Alternatives in braces are expanded by some and taken by the letter by others.
            if name.contains('{') {
                fault.get_or_insert(number + 1);
            }
            self.lines.retain(|(known, _)| *known != name);
            self.lines.push((name, value));
        }
        fault.map_or(Ok(()), Err)
    }

    /// What is assigned to a path: by its own name, or else by the last pattern that matches.
    pub fn value(&self, path: &str) -> Option<&str> {
        if let Some((_, value)) = self.lines.iter().find(|(name, _)| name == path) {
            return value.as_deref();
        }
        let matching = self.lines.iter().rev().filter_map(|(name, value)| {
            let value = value.as_deref()?;
            (glob::is_pattern(name) && glob::matches(name, path)).then_some(value)
        });
        matching.into_iter().next()
    }
}

/// The first of `.` and `/` separates, and the other is part of a name: `net.ipv4.conf.eth0/1`.
pub fn path(name: &str) -> String {
    let dotted = name.find(['.', '/']).is_some_and(|at| name.as_bytes()[at] == b'.');
    let swapped = name.chars().map(|c| match c {
        '.' if dotted => '/',
        '/' if dotted => '.',
        other => other,
    });
    let swapped: String = swapped.collect();
    let parts: Vec<_> = swapped.split('/').filter(|part| !part.is_empty()).collect();
    parts.join("/")
}

/// An integer as the kernel reads it: decimal, `0x` hexadecimal, or octal after a `0`.
pub fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.trim().strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.trim()),
    };
    let (radix, digits) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => (16, digits),
        None if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        None => (10, digits),
    };
    let value = i64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with(['+', '-']));
    value.map(|value| if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        let mut settings = Settings::default();
        assert_eq!(settings.add(text), Ok(()));
        settings
    }

    #[test]
    fn the_last_assignment_of_a_name_counts_however_it_is_written() {
        let read = settings("# note\n; note\nkernel.sysrq = 1\n -kernel/sysrq=16 \n");
        assert_eq!(read.value("kernel/sysrq"), Some("16"));
        assert_eq!(read.value("kernel/sysrq_always"), None);
    }

    #[test]
    fn a_pattern_gives_way_to_a_name_and_to_an_exclusion() {
        let read = settings(
            "net.ipv4.conf.all.rp_filter = 1\nnet.ipv4.conf.*.rp_filter = 2\n\
             -net.ipv4.conf.default.rp_filter\n",
        );
        assert_eq!(read.value("net/ipv4/conf/all/rp_filter"), Some("1"));
        assert_eq!(read.value("net/ipv4/conf/default/rp_filter"), None);
        assert_eq!(read.value("net/ipv4/conf/eth0/rp_filter"), Some("2"));
    }

    #[test]
    fn a_line_that_assigns_nothing_is_named_and_the_rest_is_read() {
        let mut read = Settings::default();
        assert_eq!(read.add("kernel.sysrq 1\nfs.suid_dumpable=0\n"), Err(1));
        assert_eq!(read.value("fs/suid_dumpable"), Some("0"));
    }

    #[test]
    fn the_first_separator_decides() {
        assert_eq!(path("net.ipv4.conf.eth0/1.rp_filter"), "net/ipv4/conf/eth0.1/rp_filter");
        assert_eq!(path("net/ipv4/conf/eth0.1/rp_filter"), "net/ipv4/conf/eth0.1/rp_filter");
    }

    #[test]
    fn integers_are_those_of_the_kernel() {
        let read = ["1", "010", "0x10", "-1", "0"].map(integer);
        assert_eq!(read, [Some(1), Some(8), Some(16), Some(-1), Some(0)]);
        assert_eq!(["", "1 2", "yes", "--1", "+1", "0x-1"].map(integer), [None; 6]);
    }
}
