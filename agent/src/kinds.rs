//! Every kind this agent gathers: those it brings, and those the operator declared.

use crate::collectors::declared::{Declared, UnusableKind};
use crate::collectors::{self, Collected, Collector};
use crate::config::Own;
use crate::host::Host;
use crate::schedule;
use crate::suggestion::hint;
use evidence::declared::{Declaration, DeclarationError, PREFIX};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Largest declaration, in bytes.
const MAX_BYTES: u64 = 256 << 10;

/// The kinds of this host.
#[derive(Debug, Default)]
pub struct Kinds {
    declared: Vec<Declared>,
}

/// One of them.
#[derive(Clone, Copy)]
pub enum AnyKind<'a> {
    Builtin(&'static Collector),
    Declared(&'a Declared),
}

/// The declared kinds cannot be used. Each says which file, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum KindsError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// Whoever may write there decides what this agent reads, with its privileges.
    #[error(
        "{}: others than root and this agent's user may write to it; set owner root and mode 0644 \
         (a directory: 0755)", .0.display()
    )]
    Writable(PathBuf),
    #[error("{}: larger than {MAX_BYTES} bytes", .0.display())]
    TooLarge(PathBuf),
    #[error("{}: {source}", path.display())]
    Declaration { path: PathBuf, source: DeclarationError },
    #[error("{}: `kind` is `{kind}`; the file of a kind is called after it", path.display())]
    Name { path: PathBuf, kind: String },
    #[error("{}: `schedule`: {reason}", path.display())]
    Schedule { path: PathBuf, reason: String },
    #[error("{}: {source}", path.display())]
    Unusable { path: PathBuf, source: UnusableKind },
    #[error("[schedule] names `{0}`, and no file in [own] directory declares it{1}")]
    Undeclared(String, String),
}

impl Kinds {
    /// Reads the declarations of a host: every `own_*.toml` of its directory.
    pub fn load(own: &Own) -> Result<Self, KindsError> {
        let directory = &own.directory;
        if directory.as_os_str().is_empty() {
            return Ok(Self::default());
        }
        let at = |source| KindsError::Io { path: directory.clone(), source };
        trusted(directory)?;
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(at)? {
            let path = entry.map_err(at)?.path();
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            // Rules may stand beside the kinds: one directory serves agents and collector.
            if name.starts_with(PREFIX.as_bytes()) && name.ends_with(b".toml") {
                paths.push(path);
            }
        }
        paths.sort();
        let declared = paths.iter().map(|path| declared(path, own)).collect::<Result<_, _>>()?;
        Ok(Self { declared })
    }

    pub fn all(&self) -> impl Iterator<Item = AnyKind<'_>> {
        let declared = self.declared.iter().map(AnyKind::Declared);
        collectors::ALL.iter().map(AnyKind::Builtin).chain(declared)
    }

    pub fn find(&self, name: &str) -> Option<AnyKind<'_>> {
        self.all().find(|kind| kind.name() == name)
    }

    /// Whether a configuration speaks of kinds that there are.
    pub fn cover<'k>(&self, names: impl Iterator<Item = &'k String>) -> Result<(), KindsError> {
        for name in names {
            if self.find(name).is_none() {
                let known: Vec<_> = self.all().map(AnyKind::name).collect();
                return Err(KindsError::Undeclared(name.clone(), hint(name, &known)));
            }
        }
        Ok(())
    }
}

impl<'a> AnyKind<'a> {
    pub fn name(self) -> &'a str {
        match self {
            Self::Builtin(collector) => collector.kind,
            Self::Declared(declared) => &declared.declaration.kind,
        }
    }

    /// When it is gathered unless the configuration says otherwise.
    pub fn schedule(self) -> &'a str {
        match self {
            Self::Builtin(collector) => collector.schedule,
            Self::Declared(declared) => &declared.declaration.schedule,
        }
    }

    pub fn v(self) -> i64 {
        match self {
            Self::Builtin(collector) => collector.info().map_or(0, |info| info.v),
            Self::Declared(declared) => declared.declaration.v,
        }
    }

    pub fn title(self) -> &'a str {
        match self {
            Self::Builtin(collector) => collector.info().map_or("", |info| info.title),
            Self::Declared(declared) => &declared.declaration.title,
        }
    }

    pub fn is_personal(self) -> bool {
        match self {
            Self::Builtin(collector) => collector.info().is_some_and(|info| info.personal),
            Self::Declared(declared) => declared.declaration.personal,
        }
    }

    /// Whether it needs the running system: with `--root` it is `unsupported`.
    pub fn is_live_only(self) -> bool {
        match self {
            Self::Builtin(collector) => collector.live_only,
            Self::Declared(declared) => {
                matches!(declared.declaration.origin, evidence::declared::Origin::Command(_))
            }
        }
    }

    /// JSON Schema (2020-12) of its `data`.
    pub fn schema(self) -> serde_json::Value {
        match self {
            Self::Builtin(collector) => {
                collector.info().map(|info| info.schema().to_value()).unwrap_or_default()
            }
            Self::Declared(declared) => declared.declaration.schema(),
        }
    }

    pub fn collect(self, host: &Host) -> Collected {
        match self {
            Self::Builtin(collector) => collector.collect(host),
            Self::Declared(declared) => declared.collect(host),
        }
    }
}

fn declared(path: &Path, own: &Own) -> Result<Declared, KindsError> {
    let at = |source| KindsError::Io { path: path.to_owned(), source };
    if trusted(path)? > MAX_BYTES {
        return Err(KindsError::TooLarge(path.to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(at)?;
    let declaration = Declaration::parse(&text)
        .map_err(|source| KindsError::Declaration { path: path.to_owned(), source })?;
    if path.file_stem().is_none_or(|stem| stem != declaration.kind.as_str()) {
        return Err(KindsError::Name { path: path.to_owned(), kind: declaration.kind });
    }
    schedule::validate(&declaration.schedule)
        .map_err(|reason| KindsError::Schedule { path: path.to_owned(), reason })?;
    let commands: BTreeMap<_, _> = own
        .commands
        .iter()
        .map(|(name, command)| (name.clone(), command.as_host_command()))
        .collect();
    Declared::new(declaration, &commands)
        .map_err(|source| KindsError::Unusable { path: path.to_owned(), source })
}

/// The size of what only root and this agent's user may write to.
fn trusted(path: &Path) -> Result<u64, KindsError> {
    let meta = std::fs::metadata(path)
        .map_err(|source| KindsError::Io { path: path.to_owned(), source })?;
    let own = rustix::process::geteuid().as_raw();
    match (meta.uid() == 0 || meta.uid() == own) && meta.mode() & 0o022 == 0 {
        true => Ok(meta.len()),
        false => Err(KindsError::Writable(path.to_owned())),
    }
}

#[cfg(test)]
mod tests;
