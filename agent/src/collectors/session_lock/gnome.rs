//! GNOME: a database of the profile before an override of a schema before the default.

use crate::formats::gvdb::{self, Database, Value};
use crate::formats::tree::{Tree, ini};
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::session_lock::{Media, ScreenLock};

/// Where dconf(7) looks for the profile of users; the first one counts.
const PROFILES: [&str; 3] = [
    "/etc/dconf/profile/user",
    "/usr/local/share/dconf/profile/user",
    "/usr/share/dconf/profile/user",
];
const SCHEMAS: &str = "/usr/share/glib-2.0/schemas";
const MAX_DATABASE_BYTES: u64 = 16 << 20;

/// Schema and key, and the default of GNOME.
struct Setting(&'static str, &'static str, u32);
const IDLE: Setting = Setting("org.gnome.desktop.session", "idle-delay", 300);
const ENABLED: Setting = Setting("org.gnome.desktop.screensaver", "lock-enabled", 1);
const DELAY: Setting = Setting("org.gnome.desktop.screensaver", "lock-delay", 0);
/// With it the shell locks no screen, whatever else is set.
const DISABLED: Setting = Setting("org.gnome.desktop.lockdown", "disable-lock-screen", 0);
const AUTOMOUNT: Setting = Setting("org.gnome.desktop.media-handling", "automount", 1);
const NO_AUTORUN: Setting = Setting("org.gnome.desktop.media-handling", "autorun-never", 0);

impl Setting {
    fn path(&self) -> String {
        format!("/{}/{}", self.0.replace('.', "/"), self.1)
    }
}

/// What the system says of settings.
struct Policy {
    databases: Vec<Database>,
    overrides: Vec<Tree>,
}

pub(super) fn lock(reading: &mut Reading<'_>) -> Result<ScreenLock, Failure> {
    let policy = Policy::read(reading)?;
    let idle = policy.value(&IDLE)?;
    let is_disabled = policy.value(&DISABLED)? != 0;
    let enabled = policy.value(&ENABLED)? != 0 && idle != 0 && !is_disabled;
    let delay = policy.value(&DELAY)?;
    Ok(ScreenLock {
        enabled,
        timeout_s: if enabled { i64::from(idle) + i64::from(delay) } else { 0 },
        user_overridable: policy.is_open(&[IDLE, ENABLED, DELAY, DISABLED]),
    })
}

pub(super) fn media(reading: &mut Reading<'_>) -> Result<Media, Failure> {
    let policy = Policy::read(reading)?;
    Ok(Media {
        automount: policy.value(&AUTOMOUNT)? != 0,
        autorun: policy.value(&NO_AUTORUN)? == 0,
        user_overridable: policy.is_open(&[AUTOMOUNT, NO_AUTORUN]),
    })
}

impl Policy {
    fn read(reading: &mut Reading<'_>) -> Result<Self, Failure> {
        Ok(Self { databases: databases(reading)?, overrides: overrides(reading)? })
    }

    fn value(&self, setting: &Setting) -> Result<u32, Failure> {
        value(&self.databases, &self.overrides, setting)
    }

    /// Whether one of them is not locked.
    fn is_open(&self, settings: &[Setting]) -> bool {
        let is_locked = |setting: &Setting| {
            let path = setting.path();
            self.databases.iter().any(|database| database.locks.contains(&path))
        };
        !settings.iter().all(is_locked)
    }
}

/// The databases of the system in the profile's order: the first one with a key decides, but that a
/// lock in a later one takes the key away from those before it.
fn value(databases: &[Database], overrides: &[Tree], setting: &Setting) -> Result<u32, Failure> {
    let path = setting.path();
    let last_lock = databases.iter().rposition(|database| database.locks.contains(&path));
    let deciding = databases.iter().skip(last_lock.unwrap_or(0));
    let number = match deciding.filter_map(|database| database.values.get(&path)).next() {
        Some(Value::Boolean(value)) => u32::from(*value),
        Some(Value::Unsigned(value)) => *value,
        Some(Value::Other) => return Err(Failure(Status::ParseError)),
        None => overridden(overrides, setting)?.unwrap_or(setting.2),
    };
    Ok(number)
}

/// Lines `user-db:NAME` and `system-db:NAME`.
fn databases(reading: &mut Reading<'_>) -> Result<Vec<Database>, Failure> {
    let mut profile = String::new();
    for path in PROFILES {
        match reading.config(path) {
            Ok(text) => {
                profile = text;
                break;
            }
            Err(ReadError::Absent) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut databases = Vec::new();
    for line in profile.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some((kind, name)) = line.split_once(':') else {
            if line.is_empty() {
                continue;
            }
            return Err(Failure(Status::ParseError));
        };
        match kind {
            "user-db" => {}
            "system-db" if !name.contains('/') => {
                let path = format!("/etc/dconf/db/{name}");
                remark_on_sources(reading, &path);
                let bytes = match reading.config_bytes(&path, MAX_DATABASE_BYTES) {
                    Err(ReadError::Absent) => continue,
                    other => other?,
                };
                databases.push(gvdb::parse(&bytes).ok_or_else(|| {
                    reading.malformed(&path, "no database of dconf");
                    Failure(Status::ParseError)
                })?);
            }
            // service-db, file-db.
            _ => return Err(Failure(Status::Unsupported)),
        }
    }
    Ok(databases)
}

/// Key files and locks that are newer than what was made of them do not hold: the remark says so.
fn remark_on_sources(reading: &mut Reading<'_>, database: &str) {
    let compiled_s = reading.stat(database).ok().map(|meta| meta.modified_s);
    for directory in [format!("{database}.d"), format!("{database}.d/locks")] {
        let names = match reading.stat(&directory) {
            Ok(_) => reading.list(&directory).unwrap_or_default(),
            Err(_) => continue,
        };
        let paths = names.iter().map(|name| format!("{directory}/{name}"));
        let newest_s = std::iter::once(directory.clone())
            .chain(paths)
            .filter_map(|path| reading.stat(&path).ok())
            .map(|meta| meta.modified_s)
            .max();
        if newest_s > compiled_s {
            let why = "newer than the database, and not in force: dconf update was not run";
            reading.note(&format!("{directory}/"), why);
        }
    }
}

/// Files of overrides, the one that counts most last.
fn overrides(reading: &mut Reading<'_>) -> Result<Vec<Tree>, Failure> {
    let names = match reading.list(SCHEMAS) {
        Err(ReadError::Absent) => return Ok(Vec::new()),
        other => other?,
    };
    let mut trees = Vec::new();
    for name in names.into_iter().filter(|name| name.ends_with(".gschema.override")) {
        let path = format!("{SCHEMAS}/{name}");
        let text = reading.config(&path)?;
        trees.push(ini(&text).map_err(|error| {
            reading.malformed(&path, format!("line {}: {}", error.line, error.what));
            Failure(Status::ParseError)
        })?);
    }
    Ok(trees)
}

/// An override for one desktop alone (`schema:NAME`) is not understood: which one is it?
fn overridden(overrides: &[Tree], setting: &Setting) -> Result<Option<u32>, Failure> {
    let mut found = None;
    for tree in overrides {
        let Tree::Map(sections) = tree else { continue };
        for (name, bodies) in sections {
            let (schema, desktop) = match name.split_once(':') {
                Some((schema, _)) => (schema, true),
                None => (name.as_str(), false),
            };
            let values = bodies.iter().filter_map(|body| match body {
                Tree::Map(keys) if schema == setting.0 => keys.get(setting.1)?.last(),
                _ => None,
            });
            for value in values {
                let Tree::Word(text) = value else { return Err(Failure(Status::ParseError)) };
                let text = text.trim_start_matches("uint32").trim();
                let number = match text {
                    "true" => Some(1),
                    "false" => Some(0),
                    _ => text.parse().ok(),
                };
                found = Some(number.filter(|_| !desktop).ok_or(Failure(Status::Unsupported))?);
            }
        }
    }
    Ok(found)
}
