//! Aliases of all files: sudo knows one name of each sort once, wherever it is defined.

use super::load::Located;
use crate::formats::sudoers::{AliasMembers, Command, Item, Member, What};
use std::collections::HashMap;

/// The grammar allows more nesting than anyone writes; a cycle ends here.
const MAX_DEPTH: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Aliases {
    users: HashMap<String, Vec<Item<Member>>>,
    runas: HashMap<String, Vec<Item<Member>>>,
    hosts: HashMap<String, Vec<Item<Member>>>,
    commands: HashMap<String, Vec<Item<Command>>>,
}

/// Whose aliases a list may name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sort {
    User,
    Runas,
    Host,
}

impl Aliases {
    /// The error is a definition that sudo refuses: a second one of a name, or one of itself.
    pub(super) fn of(statements: &[Located]) -> Result<Self, (&Located, String)> {
        let mut aliases = Self::default();
        for located in statements {
            let What::Alias(alias) = &located.what else { continue };
            let name = alias.name.clone();
            let second = match alias.members.clone() {
                AliasMembers::User(members) => aliases.users.insert(name, members).is_some(),
                AliasMembers::Runas(members) => aliases.runas.insert(name, members).is_some(),
                AliasMembers::Host(members) => aliases.hosts.insert(name, members).is_some(),
                AliasMembers::Command(members) => aliases.commands.insert(name, members).is_some(),
            };
            if second {
                return Err((located, format!("alias {} is defined a second time", alias.name)));
            }
        }
        for located in statements {
            let What::Alias(alias) = &located.what else { continue };
            let ends = match &alias.members {
                AliasMembers::User(members) => ends(&aliases.users, members, nested_member, 0),
                AliasMembers::Runas(members) => ends(&aliases.runas, members, nested_member, 0),
                AliasMembers::Host(members) => ends(&aliases.hosts, members, nested_member, 0),
                AliasMembers::Command(members) => {
                    ends(&aliases.commands, members, nested_command, 0)
                }
            };
            if !ends {
                return Err((located, format!("alias {} contains itself", alias.name)));
            }
        }
        Ok(aliases)
    }

    /// The list without aliases. Where an alias is excluded, what it excludes is included: the
    /// last element that fits decides, as in sudo. A name without a definition stands for itself.
    pub(super) fn members(&self, sort: Sort, list: &[Item<Member>]) -> Vec<Item<Member>> {
        let defined = match sort {
            Sort::User => &self.users,
            Sort::Runas => &self.runas,
            Sort::Host => &self.hosts,
        };
        let mut expanded = Vec::new();
        expand(defined, list, false, nested_member, &mut expanded);
        for item in &mut expanded {
            if let Member::Alias(name) = &item.value {
                item.value = Member::Name(name.clone());
            }
        }
        expanded
    }

    /// The commands without aliases; one without a definition fits no command.
    pub(super) fn command(&self, item: &Item<Command>) -> Vec<Item<Command>> {
        let mut expanded = Vec::new();
        expand(&self.commands, std::slice::from_ref(item), false, nested_command, &mut expanded);
        expanded.retain(|item| !matches!(item.value, Command::Alias(_)));
        expanded
    }
}

fn nested_member(member: &Member) -> Option<&str> {
    if let Member::Alias(name) = member { Some(name) } else { None }
}

fn nested_command(command: &Command) -> Option<&str> {
    if let Command::Alias(name) = command { Some(name) } else { None }
}

fn ends<T>(
    defined: &HashMap<String, Vec<Item<T>>>,
    list: &[Item<T>],
    nested: fn(&T) -> Option<&str>,
    depth: usize,
) -> bool {
    let mut inner = list.iter().filter_map(|item| defined.get(nested(&item.value)?));
    depth < MAX_DEPTH && inner.all(|list| ends(defined, list, nested, depth + 1))
}

fn expand<T: Clone>(
    defined: &HashMap<String, Vec<Item<T>>>,
    list: &[Item<T>],
    flip: bool,
    nested: fn(&T) -> Option<&str>,
    to: &mut Vec<Item<T>>,
) {
    for item in list {
        let negated = item.negated != flip;
        match nested(&item.value).and_then(|name| defined.get(name)) {
            Some(inner) => expand(defined, inner, negated, nested, to),
            None => to.push(Item { negated, value: item.value.clone() }),
        }
    }
}
