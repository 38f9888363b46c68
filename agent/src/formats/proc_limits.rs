//! The resource limits of a process, /proc/PID/limits (proc_pid_limits(5)).

/// The soft limit of a name such as `Max open files`; the inner `None` is no limit.
pub fn soft(text: &str, name: &str) -> Option<Option<u64>> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(None),
        number => number.parse().ok().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::soft;

    #[test]
    fn a_limit_is_a_number_or_none_at_all() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
            Max data size             268435456            unlimited            bytes     \n\
            Max core file size        unlimited            unlimited            bytes     \n";
        assert_eq!(soft(text, "Max data size"), Some(Some(268_435_456)));
        assert_eq!(soft(text, "Max core file size"), Some(None));
        assert_eq!(soft(text, "Max open files"), None);
        assert_eq!(soft("Max open files  many", "Max open files"), None);
    }
}
