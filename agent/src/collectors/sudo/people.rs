//! Who is meant by names, groups and numbers, by passwd(5) and group(5).

use super::entries::Expanded;
use crate::formats::passwd::{self, GroupLine, PasswdLine, Records, shown};
use crate::formats::sudoers::{Item, Member};
use crate::host::Reading;
use std::collections::{BTreeMap, BTreeSet};

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";
const MAX_BYTES: u64 = 64 << 20;

pub(super) struct People {
    /// Uid of every name; of a name on two lines all of them.
    uids: BTreeMap<String, BTreeSet<u32>>,
    /// Members of every group, by primary gid too. Groups with the same gid are one group.
    groups: BTreeMap<String, BTreeSet<String>>,
    gids: BTreeMap<u32, BTreeSet<String>>,
}

impl People {
    /// `None` when one of the files was not read, or not whole: a line left out may be the one that
    /// matters.
    pub(super) fn read(reading: &mut Reading<'_>) -> Option<Self> {
        let users = whole(reading, PASSWD, passwd::passwd);
        let groups = whole(reading, GROUP, passwd::group);
        Some(Self::of(&users?, &groups?))
    }

    fn of(users: &[PasswdLine], lines: &[GroupLine]) -> Self {
        let mut uids: BTreeMap<_, BTreeSet<u32>> = BTreeMap::new();
        let mut gids: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
        for user in users {
            uids.entry(shown(&user.name)).or_default().insert(user.uid);
            gids.entry(user.gid).or_default().insert(shown(&user.name));
        }
        for line in lines {
            gids.entry(line.gid).or_default().extend(line.members.iter().map(|name| shown(name)));
        }
        let mut groups: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for line in lines {
            let members = gids.get(&line.gid).into_iter().flatten().cloned();
            groups.entry(shown(&line.name)).or_default().extend(members);
        }
        Self { uids, groups, gids }
    }

    /// The last element that fits decides; `None` when none does.
    fn decides(&self, list: &[Item<Member>], name: &str, own: &BTreeSet<u32>) -> Option<bool> {
        let item = list.iter().rev().find(|item| self.fits(&item.value, name, own))?;
        Some(!item.negated)
    }

    fn fits(&self, member: &Member, name: &str, own: &BTreeSet<u32>) -> bool {
        match member {
            Member::All => true,
            Member::Alias(known) | Member::Name(known) => known == name,
            Member::Id(id) => id.parse().is_ok_and(|id| own.contains(&id)),
            Member::Group(group) => {
                self.groups.get(group).is_some_and(|members| members.contains(name))
            }
            Member::Gid(gid) => {
                let members = gid.parse().ok().and_then(|gid: u32| self.gids.get(&gid));
                members.is_some_and(|members| members.contains(name))
            }
            Member::NonUnixGroup(_) | Member::Netgroup(_) => false,
        }
    }

    /// Whether the list allows a name of uid 0. What cannot be resolved might hold root.
    pub(super) fn includes_root(&self, list: &[Item<Member>]) -> bool {
        let root = BTreeSet::from([0]);
        let mut names = vec!["root"];
        names.extend(self.uids.iter().filter(|(_, own)| own.contains(&0)).map(|(n, _)| n.as_str()));
        names.iter().any(|name| self.decides(list, name, &root) == Some(true))
            || list.iter().any(|item| !item.negated && self.is_open(&item.value))
    }

    /// Whether only a directory can say who this is.
    fn is_open(&self, member: &Member) -> bool {
        match member {
            Member::NonUnixGroup(_) | Member::Netgroup(_) => true,
            Member::Group(group) => !self.groups.contains_key(group),
            Member::Gid(gid) => gid.parse().map_or(true, |gid: u32| !self.gids.contains_key(&gid)),
            _ => false,
        }
    }

    /// Everyone whom an entry lets run something.
    pub(super) fn granted(&self, entries: &[Expanded]) -> Vec<String> {
        let mut granted = BTreeSet::new();
        for entry in entries.iter().filter(|entry| entry.grants()) {
            self.grant(&entry.principals, &mut granted);
        }
        granted.into_iter().collect()
    }

    fn grant(&self, list: &[Item<Member>], granted: &mut BTreeSet<String>) {
        let nobody = BTreeSet::new();
        // Names of a directory stand in the list or in a group, if anywhere.
        let named = list.iter().filter_map(|item| match &item.value {
            Member::Name(name) => Some(name),
            _ => None,
        });
        let members = list.iter().filter_map(|item| match &item.value {
            Member::Group(group) => self.groups.get(group),
            Member::Gid(gid) => self.gids.get(&gid.parse().ok()?),
            _ => None,
        });
        let names: BTreeSet<&String> =
            self.uids.keys().chain(named).chain(members.flatten()).collect();
        for name in names {
            let own = self.uids.get(name).unwrap_or(&nobody);
            if self.decides(list, name, own) == Some(true) {
                granted.insert(name.clone());
            }
        }
        for item in list.iter().filter(|item| !item.negated) {
            let unknown_id = |id: &String| {
                id.parse().map_or(true, |id: u32| !self.uids.values().any(|own| own.contains(&id)))
            };
            match &item.value {
                Member::All => granted.insert("ALL".to_owned()),
                Member::Id(id) if unknown_id(id) => granted.insert(item.value.to_string()),
                open if self.is_open(open) => granted.insert(open.to_string()),
                _ => false,
            };
        }
    }
}

fn whole<T>(
    reading: &mut Reading<'_>,
    path: &str,
    parse: fn(&[u8]) -> Records<T>,
) -> Option<Vec<T>> {
    let records = parse(&reading.config_bytes(path, MAX_BYTES).ok()?);
    match records.faults {
        None => Some(records.lines),
        Some(faults) => {
            reading.malformed(path, faults.to_string());
            None
        }
    }
}
