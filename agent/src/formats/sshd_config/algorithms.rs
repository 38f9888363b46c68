//! Algorithm lists: an explicit one replaces the default; `+`, `-` and `^` edit it.

use super::defaults::Lists;
use super::pattern::list_matches;

/// The list that results from `written` over the release's default; `None` when sshd refuses it.
///
/// Names of ciphers, MACs and key exchanges must be known to the release. Key types may be given
/// as patterns (`wildcards`), which stand for the known names in the release's own order.
pub fn assemble(written: &str, lists: &Lists, wildcards: bool) -> Option<Vec<String>> {
    if let Some(removed) = written.strip_prefix('-') {
        let left = lists.default().filter(|name| !list_matches(removed, name));
        return Some(left.map(str::to_owned).collect());
    }
    let (before, edit, after) = match written.split_at_checked(1) {
        Some(("+", edit)) => (true, edit, false),
        Some(("^", edit)) => (false, edit, true),
        _ => (false, written, false),
    };
    let mut names: Vec<&str> = Vec::new();
    if before {
        names.extend(lists.default());
    }
    for name in edit.split(',') {
        let known: Vec<&str> = match wildcards {
            true => lists.all().filter(|known| list_matches(name, known)).collect(),
            false => lists.all().filter(|known| *known == name).collect(),
        };
        if known.is_empty() || name.starts_with('!') {
            return None;
        }
        names.extend(known);
    }
    if after {
        names.extend(lists.default());
    }
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    Some(names.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTS: Lists = Lists { default: "a-cbc,b-ctr,c-gcm", all: "a-cbc,b-ctr,c-gcm,d-md5" };

    fn assembled(written: &str, wildcards: bool) -> Option<String> {
        assemble(written, &LISTS, wildcards).map(|names| names.join(","))
    }

    #[test]
    fn edits_append_remove_and_put_first() {
        for (written, want) in [
            ("b-ctr", "b-ctr"),
            ("c-gcm,b-ctr,c-gcm", "c-gcm,b-ctr"),
            ("+d-md5,a-cbc", "a-cbc,b-ctr,c-gcm,d-md5"),
            ("-*-cbc,c-gcm", "b-ctr"),
            ("^c-gcm,d-md5", "c-gcm,d-md5,a-cbc,b-ctr"),
            ("-unknown", "a-cbc,b-ctr,c-gcm"),
        ] {
            assert_eq!(assembled(written, false).as_deref(), Some(want), "{written}");
        }
        assert_eq!(assembled("+*-md5", true).as_deref(), Some("a-cbc,b-ctr,c-gcm,d-md5"));
    }

    #[test]
    fn an_unknown_name_is_refused_and_a_pattern_where_none_may_be() {
        for written in ["e", "+e", "^e", "*-cbc", "", "+", "a-cbc,"] {
            assert_eq!(assembled(written, false), None, "{written:?}");
        }
        assert_eq!(assembled("!a-cbc", true), None);
    }
}
