//! nsswitch.conf(5).

/// Services of a database in order, without actions; `None` when no line or more than one line
/// names it, for releases of the C library differ in which of them they use.
pub fn services(text: &str, database: &str) -> Option<Vec<String>> {
    let mut lines = text.lines().filter_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let (name, services) = line.split_once(':')?;
        (name.trim() == database).then_some(services)
    });
    let line = lines.next()?;
    if lines.next().is_some() {
        return None;
    }
    Some(without_actions(line)?.split_whitespace().map(str::to_owned).collect())
}

/// The line with a space for every `[STATUS=ACTION]`; `None` when a bracket is left open.
fn without_actions(line: &str) -> Option<String> {
    let mut rest = line;
    let mut services = String::new();
    while let Some((before, after)) = rest.split_once('[') {
        services.push_str(before);
        services.push(' ');
        rest = after.split_once(']')?.1;
    }
    services.push_str(rest);
    Some(services)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Vec<String>> {
        services(text, "passwd")
    }

    #[test]
    fn services_are_listed_in_order_without_actions_and_comments() {
        let text = "# passwd: nis\n passwd : files [NOTFOUND=return !UNAVAIL=continue]sss# ldap\n";
        assert_eq!(of(text), Some(vec!["files".to_owned(), "sss".to_owned()]));
        assert_eq!(of("passwd:\n"), Some(vec![]));
    }

    #[test]
    fn what_is_missing_doubled_or_left_open_is_not_read() {
        assert_eq!(of("group: files\n"), None);
        assert_eq!(of("passwd: files\npasswd: ldap\n"), None);
        assert_eq!(of("passwd: files [NOTFOUND=return ldap\n"), None);
    }
}
