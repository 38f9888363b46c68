//! Many files of one form in one directory, all of them read, are one source.

use evidence::{Source, Status};
use std::collections::BTreeMap;

/// More of them than this are told as one. A manifest is sent whenever anything changed, and a
/// thousand lists of a package manager would be most of it.
const MOST: usize = 32;

/// Sources in path order. What has a size, a time, a note or another status than `ok` is told
/// itself.
pub(super) fn folded(sources: BTreeMap<String, Source>) -> Vec<Source> {
    let mut many = BTreeMap::<String, usize>::new();
    for pattern in sources.values().filter_map(pattern) {
        *many.entry(pattern).or_default() += 1;
    }
    many.retain(|_, count| *count > MOST);
    let is_told = |source: &Source| !pattern(source).is_some_and(|p| many.contains_key(&p));
    let mut told: Vec<_> = sources.into_values().filter(is_told).collect();
    told.extend(many.iter().map(|(pattern, count)| Source {
        path: pattern.clone(),
        status: Status::Ok,
        size_bytes: None,
        modified_s: None,
        note: Some(format!("{count} files")),
    }));
    told.sort_by(|a, b| a.path.cmp(&b.path));
    told
}

/// `DIR/*.EXTENSION`, for a file that there is nothing more to say of.
fn pattern(source: &Source) -> Option<String> {
    let plain = source.status == Status::Ok
        && source.size_bytes.is_none()
        && source.modified_s.is_none()
        && source.note.is_none();
    let (directory, name) = source.path.rsplit_once('/').filter(|_| plain)?;
    let (_, extension) = name.rsplit_once('.')?;
    Some(format!("{directory}/*.{extension}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: String) -> (String, Source) {
        let source = Source {
            path: path.clone(),
            status: Status::Ok,
            size_bytes: None,
            modified_s: None,
            note: None,
        };
        (path, source)
    }

    fn lists(count: usize) -> BTreeMap<String, Source> {
        (0..count).map(|n| source(format!("/var/lib/dpkg/info/p{n:03}.list"))).collect()
    }

    #[test]
    fn many_files_of_one_form_are_one_source_that_says_how_many() {
        let told = folded(lists(MOST + 1));
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].path, "/var/lib/dpkg/info/*.list");
        assert_eq!(told[0].note.as_deref(), Some("33 files"));
        assert_eq!(folded(lists(MOST)).len(), MOST);
    }

    #[test]
    fn what_was_not_read_is_told_by_its_own_name() {
        let mut sources = lists(2 * MOST);
        let denied = "/var/lib/dpkg/info/p007.list";
        sources.get_mut(denied).expect("it is there").status = Status::Denied;
        sources.extend([source("/var/lib/dpkg/info/p007.md5sums".to_owned())]);
        let told = folded(sources);
        let paths: Vec<_> = told.iter().map(|source| source.path.as_str()).collect();
        let named = "/var/lib/dpkg/info/p007.md5sums";
        assert_eq!(paths, ["/var/lib/dpkg/info/*.list", denied, named]);
        assert_eq!(told[1].status, Status::Denied);
    }
}
