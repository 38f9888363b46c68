//! The language of sudoers(5): one file as text in, its statements out. Pure; the collector `sudo`
//! walks the includes.
//!
//! Checked against visudo(8) and cvtsudoers(1) of sudo 1.9.13. sudo itself passes over a line that
//! it cannot read and goes on; here such a line refuses the whole file, for whatever it says is not
//! known. Arguments of commands are looked at and dropped.

mod cursor;
mod parse;
pub mod settings;

pub use parse::parse;

/// A line that does not follow the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct SyntaxError {
    /// From 1.
    pub line: usize,
    pub what: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Line on which it begins, from 1.
    pub line: usize,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The path as written, quotes and escapes resolved; `%h` not.
    Include(String),
    IncludeDir(String),
    /// `A = x, y : B = z` gives two.
    Alias(Alias),
    Defaults {
        scope: Scope,
        settings: Vec<Setting>,
    },
    Grant {
        principals: Vec<Item<Member>>,
        privileges: Vec<Privilege>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    pub name: String,
    pub members: AliasMembers,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AliasMembers {
    User(Vec<Item<Member>>),
    Runas(Vec<Item<Member>>),
    Host(Vec<Item<Member>>),
    Command(Vec<Item<Command>>),
}

/// An element of a list, excluded or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<T> {
    pub negated: bool,
    pub value: T,
}

/// An element of a list of users, targets or hosts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Member {
    All,
    /// The name of an alias; of a user or host where no such alias is defined.
    Alias(String),
    /// A user, or a host: a name, an address or a network.
    Name(String),
    /// `#uid`.
    Id(String),
    /// `%group`.
    Group(String),
    /// `%#gid`.
    Gid(String),
    /// `%:group`.
    NonUnixGroup(String),
    /// `+netgroup`.
    Netgroup(String),
}

impl std::fmt::Display for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("ALL"),
            Self::Alias(name) | Self::Name(name) => f.write_str(name),
            Self::Id(id) => write!(f, "#{id}"),
            Self::Group(name) => write!(f, "%{name}"),
            Self::Gid(id) => write!(f, "%#{id}"),
            Self::NonUnixGroup(name) => write!(f, "%:{name}"),
            Self::Netgroup(name) => write!(f, "+{name}"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    All,
    Alias(String),
    /// A path, a pattern, `sudoedit` or `list`.
    Path {
        path: String,
        arguments: Arguments,
    },
}

/// What the file says of a command's arguments; the text is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arguments {
    Any,
    None,
    Pinned,
    Pattern,
}

/// What a line of `Defaults` is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Everyone,
    User,
    Host,
    Runas,
    Command,
}

/// `name`, `!name` or `name = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub line: usize,
    pub name: String,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    On,
    Off,
    Set(String),
    /// By `+=` or `-=`.
    Edit,
}

/// Hosts and what may be run there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Privilege {
    pub hosts: Vec<Item<Member>>,
    pub commands: Vec<Granted>,
}

/// A command with the target and the tags that hold for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// `None`: no `(…)`, so `runas_default`.
    pub runas: Option<Runas>,
    pub tags: Tags,
    pub command: Item<Command>,
}

/// `(users : groups)`; both empty means the caller itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runas {
    pub users: Vec<Item<Member>>,
    pub groups: Vec<Item<Member>>,
}

/// `None`: no tag speaks of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tags {
    pub passwd: Option<bool>,
    pub exec: Option<bool>,
    pub setenv: Option<bool>,
}

#[cfg(test)]
mod tests;
