//! Grants as entries: aliases expanded, commands of one target and tags together.

use super::aliases::{Aliases, Sort};
use super::load::Located;
use super::people::People;
use crate::formats::sudoers::settings::Settings;
use crate::formats::sudoers::{self, Command, Granted, Item, Member, Runas, Tags, What};
use evidence::kinds::sudo::{self, Arguments, Entry};

#[derive(Debug)]
pub(super) struct Expanded {
    path: String,
    line: usize,
    pub(super) principals: Vec<Item<Member>>,
    hosts: Vec<Item<Member>>,
    runas: Option<Runas>,
    tags: Tags,
    commands: Vec<Item<Command>>,
}

pub(super) fn expand(statements: &[Located], aliases: &Aliases) -> Vec<Expanded> {
    let mut entries = Vec::new();
    for located in statements {
        let What::Grant { principals, privileges } = &located.what else { continue };
        let principals = aliases.members(Sort::User, principals);
        for privilege in privileges {
            let hosts = aliases.members(Sort::Host, &privilege.hosts);
            let same = |a: &Granted, b: &Granted| a.runas == b.runas && a.tags == b.tags;
            for run in privilege.commands.chunk_by(same) {
                entries.push(Expanded {
                    path: located.path.clone(),
                    line: located.line,
                    principals: principals.clone(),
                    hosts: hosts.clone(),
                    runas: run[0].runas.as_ref().map(|runas| Runas {
                        users: aliases.members(Sort::Runas, &runas.users),
                        groups: aliases.members(Sort::Runas, &runas.groups),
                    }),
                    tags: run[0].tags,
                    commands: run.iter().flat_map(|c| aliases.command(&c.command)).collect(),
                });
            }
        }
    }
    entries
}

impl Expanded {
    /// Whether anything may be run by it.
    pub(super) fn grants(&self) -> bool {
        self.commands.iter().any(|command| !command.negated)
    }

    pub(super) fn fact(&self, people: Option<&People>, settings: &Settings) -> Entry {
        let all_commands =
            self.commands.iter().any(|item| !item.negated && item.value == Command::All);
        Entry {
            source: self.path.clone(),
            line: i64::try_from(self.line).unwrap_or(i64::MAX),
            principals: shown(&self.principals),
            hosts: shown(&self.hosts),
            runas: self.runas.as_ref().map(|runas| shown(&runas.users)).unwrap_or_default(),
            runas_root: people.map(|people| self.runs_as_root(people)),
            commands: self.commands.iter().map(command).collect(),
            all_commands,
            nopasswd: !self.tags.passwd.unwrap_or_else(|| settings.for_everyone("authenticate")),
            // `ALL` implies it even after a NOSETENV that holds for an earlier command.
            setenv: all_commands || self.tags.setenv.unwrap_or_else(|| settings.ever("setenv")),
            noexec: !self.tags.exec.unwrap_or_else(|| !settings.always("noexec")),
            negated_command: self.commands.iter().any(|command| command.negated),
        }
    }

    fn runs_as_root(&self, people: &People) -> bool {
        match &self.runas {
            None => true,
            // `()` and `(:group)`: the caller itself.
            Some(runas) => people.includes_root(&runas.users),
        }
    }
}

fn shown(list: &[Item<Member>]) -> Vec<String> {
    let text = |item: &Item<Member>| {
        if item.negated { format!("!{}", item.value) } else { item.value.to_string() }
    };
    list.iter().map(text).collect()
}

fn command(item: &Item<Command>) -> sudo::Command {
    let (path, arguments) = match &item.value {
        Command::All => ("ALL", Arguments::Any),
        Command::Alias(name) => (name.as_str(), Arguments::Any),
        Command::Path { path, arguments } => (path.as_str(), kept(*arguments)),
    };
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    sudo::Command { path: path.to_owned(), name, arguments, negated: item.negated }
}

fn kept(arguments: sudoers::Arguments) -> Arguments {
    match arguments {
        sudoers::Arguments::Any => Arguments::Any,
        sudoers::Arguments::None => Arguments::None,
        sudoers::Arguments::Pinned => Arguments::Pinned,
        sudoers::Arguments::Pattern => Arguments::Pattern,
    }
}
