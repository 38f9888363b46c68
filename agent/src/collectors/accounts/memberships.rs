//! Who is in which group, and who is as good as root by it.

use super::MAX_BYTES;
use crate::formats::passwd::{self, GroupLine, GshadowLine, PasswdLine, shown};
use crate::host::{ReadError, Reading};
use evidence::kinds::accounts::Group;
use std::collections::{BTreeSet, HashMap, HashSet};

const GROUP: &str = "/etc/group";
const GSHADOW: &str = "/etc/gshadow";

/// Groups whose members become root: by configuration (`sudo`, `wheel`, `admin`), by starting
/// containers and machines (`docker`, `lxd`, `libvirt`), or by reading raw disks and hashes.
const AS_GOOD_AS_ROOT: &[&[u8]] =
    &[b"sudo", b"wheel", b"admin", b"docker", b"lxd", b"libvirt", b"disk", b"shadow"];

/// group(5), read whole, and gshadow(5) where that was read whole.
pub(super) struct Memberships {
    groups: Vec<GroupLine>,
    /// First line of each name, as the C library finds it.
    gshadow: Option<HashMap<Vec<u8>, GshadowLine>>,
    /// Indexes of the groups that list a member.
    listing: HashMap<Vec<u8>, Vec<usize>>,
    /// Index of the first group of a gid: the name that id(1) prints.
    first: HashMap<u32, usize>,
    pub(super) legacy: usize,
}

impl Memberships {
    /// `None` when group(5) was not read, or not whole: a line left out may be the one that matters.
    pub(super) fn read(reading: &mut Reading<'_>) -> Option<Self> {
        let records = reading.config_bytes(GROUP, MAX_BYTES).ok().map(|text| passwd::group(&text));
        let faults = records.as_ref().and_then(|records| records.faults);
        if let Some(faults) = faults {
            reading.malformed(GROUP, faults.to_string());
        }
        let Some(records) = records.filter(|records| records.faults.is_none()) else {
            for field in ["groups", "users.groups", "duplicates.gids", "duplicates.names"] {
                reading.unread(field);
            }
            return None;
        };
        let gshadow = read_gshadow(reading);
        Some(Self::of(records.lines, gshadow, records.legacy))
    }

    fn of(
        groups: Vec<GroupLine>,
        gshadow: Option<HashMap<Vec<u8>, GshadowLine>>,
        legacy: usize,
    ) -> Self {
        let mut listing: HashMap<_, Vec<usize>> = HashMap::new();
        let mut first = HashMap::new();
        for (index, group) in groups.iter().enumerate() {
            first.entry(group.gid).or_insert(index);
            for member in &group.members {
                listing.entry(member.clone()).or_default().push(index);
            }
        }
        Self { groups, gshadow, listing, first, legacy }
    }

    /// Names of the groups of a user, sorted.
    pub(super) fn names_of(&self, user: &PasswdLine) -> Vec<String> {
        let listing = self.listing.get(&user.name).map(Vec::as_slice).unwrap_or_default();
        // A second name of the same gid is the same group to the kernel.
        let same = listing.iter().filter_map(|index| self.first.get(&self.groups[*index].gid));
        let primary = self.first.get(&user.gid);
        let indexes = listing.iter().chain(same).chain(primary);
        sorted(indexes.map(|index| self.groups[*index].name.as_slice()))
    }

    /// `None` when gshadow(5) was not read: it can let in more than group(5) says.
    pub(super) fn privileged(&self, users: &[PasswdLine]) -> Option<Vec<String>> {
        let gshadow = self.gshadow.as_ref()?;
        let named = |group: &&GroupLine| AS_GOOD_AS_ROOT.contains(&group.name.as_slice());
        let gids: HashSet<u32> = self.groups.iter().filter(named).map(|group| group.gid).collect();
        let mut names: Vec<&[u8]> = users
            .iter()
            .filter(|user| user.uid == 0 || gids.contains(&user.gid))
            .map(|user| user.name.as_slice())
            .collect();
        for group in self.groups.iter().filter(|group| gids.contains(&group.gid)) {
            names.extend(group.members.iter().map(Vec::as_slice));
            if let Some(line) = gshadow.get(&group.name) {
                names.extend(line.members.iter().map(Vec::as_slice));
                names.extend(line.administrators.iter().map(Vec::as_slice));
            }
        }
        Some(sorted(names.into_iter()))
    }

    /// Gid and name of every line.
    pub(super) fn numbered(&self) -> Vec<(u32, &[u8])> {
        self.groups.iter().map(|group| (group.gid, group.name.as_slice())).collect()
    }

    pub(super) fn facts(&self) -> Vec<Group> {
        self.groups.iter().map(|group| self.fact(group)).collect()
    }

    fn fact(&self, group: &GroupLine) -> Group {
        let own: HashSet<_> = group.members.iter().collect();
        let line = self.gshadow.as_ref().map(|lines| lines.get(&group.name));
        let list = |of: fn(&GshadowLine) -> &Vec<Vec<u8>>| {
            line.map(|line| line.map(of).map(Vec::as_slice).unwrap_or_default())
        };
        Group {
            name: shown(&group.name),
            gid: i64::from(group.gid),
            members: sorted(group.members.iter().map(Vec::as_slice)),
            gshadow_members: list(|line| &line.members).map(|names| {
                sorted(names.iter().filter(|name| !own.contains(name)).map(Vec::as_slice))
            }),
            administrators: list(|line| &line.administrators)
                .map(|names| sorted(names.iter().map(Vec::as_slice))),
            password_set: line
                .map(|line| group.password.opens() || line.is_some_and(|l| l.password.opens())),
        }
    }
}

/// gshadow(5) is optional (grpunconv(8)): a missing file adds nothing to group(5).
fn read_gshadow(reading: &mut Reading<'_>) -> Option<HashMap<Vec<u8>, GshadowLine>> {
    let records = match reading.secret(GSHADOW, MAX_BYTES) {
        Ok(text) => Some(passwd::gshadow(text.expose())),
        Err(ReadError::Absent) => return Some(HashMap::new()),
        Err(_) => None,
    };
    let faults = records.as_ref().and_then(|records| records.faults);
    if let Some(faults) = faults {
        reading.malformed(GSHADOW, faults.to_string());
    }
    let Some(records) = records.filter(|records| records.faults.is_none()) else {
        for field in ["gshadow_members", "administrators", "password_set"] {
            reading.unread(&format!("groups.{field}"));
        }
        return None;
    };
    let mut lines = HashMap::new();
    for line in records.lines {
        lines.entry(line.name.clone()).or_insert(line);
    }
    Some(lines)
}

fn sorted<'a>(names: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let names: BTreeSet<_> = names.map(shown).collect();
    names.into_iter().collect()
}
