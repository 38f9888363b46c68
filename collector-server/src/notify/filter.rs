//! Who is told what. Pure.

use super::ChannelError;
use crate::alert::rank;
use crate::config::Common;

const LANES: [&str; 2] = ["page", "queue"];
const EVENTS: [&str; 8] =
    ["opened", "reopened", "resolved", "acknowledged", "grew", "flapping", "stable", "merged"];
const SEVERITIES: [&str; 5] = ["critical", "high", "medium", "low", "info"];

/// What is known of a step in an alert's life when it is decided who is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    pub lane: String,
    /// `opened`, `resolved` …
    pub event: String,
    pub severity: String,
    /// It is of some hosts. What is of none (the collector's own trouble, an overdue review) is of
    /// no group either, and everybody's.
    pub of_hosts: bool,
    /// Groups of its hosts, and the teams that own them.
    pub groups: Vec<String>,
    pub owners: Vec<String>,
    /// Of its rules.
    pub controls: Vec<String>,
}

/// Which steps a channel is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    lanes: Vec<String>,
    events: Vec<String>,
    severity: Option<String>,
    groups: Vec<String>,
    owners: Vec<String>,
    controls: Vec<String>,
}

impl Filter {
    pub(super) fn new(section: &str, common: &Common<'_>) -> Result<Self, ChannelError> {
        let known = |key, words: &[String], known: &[&str]| {
            let unknown = words.iter().find(|word| !known.contains(&word.as_str()));
            unknown.map_or(Ok(()), |word| {
                Err(ChannelError::Word {
                    section: section.to_owned(),
                    name: common.name.to_owned(),
                    key,
                    word: word.clone(),
                    known: known.join(", "),
                })
            })
        };
        known("lane", common.lanes, &LANES)?;
        known("event", common.events, &EVENTS)?;
        known("severity", common.only.severity.as_slice(), &SEVERITIES)?;
        Ok(Self {
            lanes: common.lanes.to_vec(),
            events: common.events.to_vec(),
            severity: common.only.severity.clone(),
            groups: common.only.groups.clone(),
            owners: common.only.owners.clone(),
            controls: common.only.controls.clone(),
        })
    }

    /// An alert of several groups concerns each of them.
    pub(super) fn wants(&self, about: &About) -> bool {
        let one = |list: &[String], word: &String| list.is_empty() || list.contains(word);
        let any = |list: &[String], words: &[String]| {
            list.is_empty() || words.iter().any(|word| list.contains(word))
        };
        let grave = |least: &String| rank(&about.severity) <= rank(least);
        one(&self.lanes, &about.lane)
            && one(&self.events, &about.event)
            && self.severity.as_ref().is_none_or(grave)
            && (!about.of_hosts || any(&self.groups, &about.groups))
            && (!about.of_hosts || any(&self.owners, &about.owners))
            && any(&self.controls, &about.controls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Only;

    fn filter(lanes: &[&str], only: &Only) -> Result<Filter, ChannelError> {
        let lanes: Vec<_> = lanes.iter().map(|lane| (*lane).to_owned()).collect();
        let common = Common {
            name: "chat",
            lanes: &lanes,
            events: &[],
            only,
            quiet: None,
            digest: &[],
            unacknowledged: None,
        };
        Filter::new("notify.slack", &common)
    }

    fn about() -> About {
        About {
            lane: "queue".into(),
            event: "opened".into(),
            severity: "high".into(),
            of_hosts: true,
            groups: vec!["web".into(), "db".into()],
            owners: vec!["platform".into()],
            controls: vec!["A.8.5".into()],
        }
    }

    #[test]
    fn what_is_left_out_does_not_narrow_and_what_is_there_must_all_hold() {
        let wants = |lanes: &[&str], only: Only| {
            filter(lanes, &only).map(|filter| filter.wants(&about())).unwrap_or(false)
        };
        let of = |list: &str| vec![list.to_owned()];
        assert!(wants(&[], Only::default()));
        assert!(wants(&["queue"], Only::default()) && !wants(&["page"], Only::default()));
        for (severity, wanted) in [("critical", false), ("high", true), ("low", true)] {
            let only = Only { severity: Some(severity.into()), ..Only::default() };
            assert_eq!(wants(&[], only), wanted, "{severity}");
        }
        for (group, owner, control, wanted) in [
            ("db", "platform", "A.8.5", true),
            ("mail", "platform", "A.8.5", false),
            ("db", "network", "A.8.5", false),
            ("db", "platform", "A.8.9", false),
        ] {
            let (groups, owners, controls) = (of(group), of(owner), of(control));
            let only = Only { severity: None, groups, owners, controls };
            assert_eq!(wants(&[], only), wanted, "{group} {owner} {control}");
        }
    }

    #[test]
    fn what_is_of_no_host_is_hidden_by_no_group() {
        let of = |list: &str| vec![list.to_owned()];
        let only = Only { groups: of("web"), owners: of("platform"), ..Only::default() };
        let none = About { of_hosts: false, groups: vec![], owners: vec![], ..about() };
        assert!(filter(&[], &only).is_ok_and(|filter| filter.wants(&none)));
        let hosts = About { of_hosts: true, ..none };
        assert!(filter(&[], &only).is_ok_and(|filter| !filter.wants(&hosts)));
    }

    #[test]
    fn an_unknown_word_is_refused_with_those_that_are_known() {
        let Err(error) = filter(&["pages"], &Only::default()) else { panic!("taken") };
        assert_eq!(
            error.to_string(),
            "[[notify.slack]] `chat`: unknown lane `pages`; known: page, queue"
        );
        let only = Only { severity: Some("grave".into()), ..Only::default() };
        assert!(filter(&[], &only).is_err());
    }
}
