//! The data directory: keys, configuration, and by default the database.
//!
//! ```text
//! DATA/collector.toml      configuration
//! DATA/keys/ca.key, ca.crt the certificate authority that `init` made
//! DATA/keys/log.key        the log's signing key that `init` made (Ed25519, PKCS#8)
//! DATA/keys/snapshot.key   the key that signs snapshots (Ed25519, PKCS#8)
//! DATA/keys/ca-ID.key      an authority's key made by a rotation; its certificate is in the store
//! DATA/keys/log-ID.key     a log key made by a rotation
//! DATA/keys/snapshot-ID.key  a snapshot key made by a rotation
//! DATA/snapshots/          archives that were asked for on the page, and what they are made from
//! DATA/evidence.db         SQLite, unless [store] names another
//! DATA/serving.json        addresses of the running server
//! ```

use crate::authority::{self, Authority, AuthorityError};
use crate::config::{Config, ConfigError};
use evidence::Digest;
use evidence::key::{KeyError, SigningKey};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The database, unless another is configured.
const DATABASE: &str = "evidence.db";

/// A collector's directory.
#[derive(Clone)]
pub struct DataDir(PathBuf);

#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file of the directory cannot be read or written.
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// Initialised before. Use it as it is, or take another directory.
    #[error("{} holds a collector already", .0.display())]
    Exists(PathBuf),
    /// Not initialised.
    #[error("{} holds no collector; run `evidenced-collector init --data DIR` first", .0.display())]
    Missing(PathBuf),
    /// Rotated on another collector: its file must be copied here.
    #[error(
        "{} is missing: this key was made on another collector of the same store; copy the file \
         from there", .0.display()
    )]
    NoKey(PathBuf),
    /// Everything else of a backup was restored; without its configuration alerts would go nowhere.
    #[error(
        "the configuration in the backup cannot be read ({why}): it is kept as {}; everything else \
         was restored: write {} from it, and run `evidenced-collector log verify`",
        aside.display(), config.display()
    )]
    Unreadable { aside: PathBuf, config: PathBuf, why: String },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The log's key cannot be used. Restore it from a backup.
    #[error("the log's key: {0}")]
    LogKey(#[from] KeyError),
}

impl DataDir {
    /// Makes keys and configuration in a new or empty directory.
    pub fn create(
        path: &Path,
        name: &str,
        store: &str,
        now: SystemTime,
    ) -> Result<Self, DataError> {
        let data = Self(path.to_owned());
        if data.config_path().exists() {
            return Err(DataError::Exists(path.to_owned()));
        }
        let keys = path.join("keys");
        let file = |source| DataError::File { path: keys.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&keys).map_err(file)?;
        // Also a directory that was there, and `keys` of an attempt that failed.
        for private in [path, &keys] {
            fs::set_permissions(private, fs::Permissions::from_mode(0o700)).map_err(file)?;
        }
        let (key, certificate) = Authority::create(name, now)?;
        write_new(&keys.join("ca.key"), key.as_bytes(), 0o600)?;
        write_new(&keys.join("ca.crt"), certificate.as_bytes(), 0o600)?;
        let (_, pkcs8) = SigningKey::generate()?;
        write_new(&keys.join("log.key"), &pkcs8, 0o600)?;
        let (_, pkcs8) = SigningKey::generate()?;
        write_new(&keys.join("snapshot.key"), &pkcs8, 0o600)?;
        if store.is_empty() && !path.join(DATABASE).exists() {
            // SQLite gives its other files the mode of this one.
            write_new(&path.join(DATABASE), b"", 0o600)?;
        }
        // Last: this file says that the directory is whole.
        let store = toml::Value::from(store);
        let text = format!(
            "# Keys that are left out have the defaults of config/collector.toml.\n\n[store]\nurl = {store}\n"
        );
        write_new(&data.config_path(), text.as_bytes(), 0o600)?;
        Ok(data)
    }

    /// Takes back what [`DataDir::create`] made just now, before anything was signed with it.
    pub fn discard(&self) -> Result<(), DataError> {
        let file = |path: &Path, source| DataError::File { path: path.to_owned(), source };
        let (config, keys) = (self.config_path(), self.0.join("keys"));
        fs::remove_file(&config).map_err(|source| file(&config, source))?;
        fs::remove_dir_all(&keys).map_err(|source| file(&keys, source))
    }

    pub fn open(path: &Path) -> Result<Self, DataError> {
        let data = Self(path.to_owned());
        if data.config_path().exists() {
            Ok(data)
        } else {
            Err(DataError::Missing(path.to_owned()))
        }
    }

    pub fn config_path(&self) -> PathBuf {
        self.0.join("collector.toml")
    }

    /// Where an operator's own registers of records are.
    pub fn registers(&self) -> PathBuf {
        self.0.join("records")
    }

    /// Configuration from `file`, or from the directory's own.
    pub fn config(&self, file: Option<&Path>) -> Result<Config, DataError> {
        Ok(Config::load(file.unwrap_or(&self.config_path()))?)
    }

    /// Address of the database.
    pub fn store_url(&self, config: &Config) -> String {
        if config.store.url.is_empty() {
            format!("sqlite:{}", self.0.join(DATABASE).display())
        } else {
            config.store.url.clone()
        }
    }

    /// Certificate (PEM) of the authority that `init` made.
    pub fn first_authority(&self) -> Result<String, DataError> {
        Ok(String::from_utf8_lossy(&self.read("keys/ca.crt")?).into_owned())
    }

    /// The log key that `init` made.
    pub fn first_log_key(&self) -> Result<SigningKey, DataError> {
        Ok(SigningKey::from_pkcs8(&self.read("keys/log.key")?)?)
    }

    /// The first snapshot key. Directories that are older than snapshots get one now.
    pub fn first_snapshot_key(&self) -> Result<SigningKey, DataError> {
        if !self.0.join("keys/snapshot.key").exists() {
            let (key, pkcs8) = SigningKey::generate()?;
            self.keep_key("keys/snapshot.key", &pkcs8)?;
            return Ok(key);
        }
        Ok(SigningKey::from_pkcs8(&self.read("keys/snapshot.key")?)?)
    }

    /// The snapshot key whose public half has the digest `id`.
    pub fn snapshot_key(&self, id: Digest) -> Result<SigningKey, DataError> {
        if let Ok(bytes) = self.read("keys/snapshot.key")
            && let Ok(first) = SigningKey::from_pkcs8(&bytes)
            && Digest::of(&first.public().0) == id
        {
            return Ok(first);
        }
        Ok(SigningKey::from_pkcs8(&self.read_key(&format!("keys/snapshot-{}.key", short(&id)))?)?)
    }

    /// Where archives are made and kept.
    pub fn snapshots(&self) -> Result<PathBuf, DataError> {
        let path = self.0.join("snapshots");
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(|source| DataError::File { path: path.clone(), source })?;
        Ok(path)
    }

    /// Private key (PEM) of the authority whose certificate has the digest `id`.
    pub fn authority_key(&self, id: Digest) -> Result<String, DataError> {
        let first = authority::certificate(&self.first_authority()?)?;
        let own = format!("keys/ca-{}.key", short(&id));
        let name = if Digest::of(&first) == id { "keys/ca.key" } else { own.as_str() };
        Ok(String::from_utf8_lossy(&self.read_key(name)?).into_owned())
    }

    /// The log key whose public half has the digest `id`.
    pub fn log_key(&self, id: Digest) -> Result<SigningKey, DataError> {
        let own = format!("keys/log-{}.key", short(&id));
        if let Ok(first) = self.first_log_key()
            && Digest::of(&first.public().0) == id
        {
            return Ok(first);
        }
        Ok(SigningKey::from_pkcs8(&self.read_key(&own)?)?)
    }

    /// Keeps the private key of a new authority; gives its path.
    pub fn keep_authority_key(&self, id: Digest, pem: &str) -> Result<PathBuf, DataError> {
        self.keep_key(&format!("keys/ca-{}.key", short(&id)), pem.as_bytes())
    }

    /// Keeps a new log key (PKCS#8); gives its path.
    pub fn keep_log_key(&self, id: Digest, pkcs8: &[u8]) -> Result<PathBuf, DataError> {
        self.keep_key(&format!("keys/log-{}.key", short(&id)), pkcs8)
    }

    /// Keeps a new snapshot key (PKCS#8); gives its path.
    pub fn keep_snapshot_key(&self, id: Digest, pkcs8: &[u8]) -> Result<PathBuf, DataError> {
        self.keep_key(&format!("keys/snapshot-{}.key", short(&id)), pkcs8)
    }

    /// A new directory that will hold a collector: nothing is in it but an empty `keys`.
    pub fn make(path: &Path) -> Result<Self, DataError> {
        let keys = path.join("keys");
        let file = |source| DataError::File { path: keys.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&keys).map_err(file)?;
        for private in [path, &keys] {
            fs::set_permissions(private, fs::Permissions::from_mode(0o700)).map_err(file)?;
        }
        Ok(Self(path.to_owned()))
    }

    /// Address of the database in the directory, which is made with its mode.
    pub fn own_store(&self) -> Result<String, DataError> {
        let path = self.0.join(DATABASE);
        if !path.exists() {
            write_new(&path, b"", 0o600)?;
        }
        Ok(format!("sqlite:{}", path.display()))
    }

    /// Whether a backup may hold a file of this name: the configuration, or one directly in `keys`.
    pub fn is_secret(name: &str) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let key = name.strip_prefix("keys/").filter(|key| !key.starts_with('.'));
        name == "collector.toml" || key.is_some_and(|key| !key.is_empty() && key.chars().all(plain))
    }

    /// Private keys and configuration, by name.
    pub fn secrets(&self) -> Result<Vec<(String, Vec<u8>)>, DataError> {
        let keys = self.0.join("keys");
        let file = |source| DataError::File { path: keys.clone(), source };
        let mut names = vec!["collector.toml".to_owned()];
        for entry in fs::read_dir(&keys).map_err(file)? {
            names.push(format!("keys/{}", entry.map_err(file)?.file_name().to_string_lossy()));
        }
        names.retain(|name| Self::is_secret(name));
        names.sort();
        names.into_iter().map(|name| self.read(&name).map(|bytes| (name, bytes))).collect()
    }

    /// Puts back what [`DataDir::secrets`] gave. The configuration comes last and names `store`; it
    /// is made where there is none.
    pub fn put_secrets(
        &self,
        files: impl Iterator<Item = (String, Vec<u8>)>,
        store: &str,
    ) -> Result<(), DataError> {
        let mut config = toml::Table::new();
        for (name, bytes) in files {
            if name == "collector.toml" {
                let text = String::from_utf8_lossy(&bytes);
                match toml::from_str(&text) {
                    Ok(read) => config = read,
                    Err(error) => {
                        let aside = self.0.join("collector.toml.unreadable");
                        write_new(&aside, &bytes, 0o600)?;
                        return Err(DataError::Unreadable {
                            aside,
                            config: self.config_path(),
                            why: error.message().to_owned(),
                        });
                    }
                }
            } else {
                write_new(&self.0.join(name), &bytes, 0o600)?;
            }
        }
        let url = toml::Table::from_iter([("url".to_owned(), toml::Value::from(store))]);
        config.insert("store".to_owned(), url.into());
        let text = format!(
            "# Restored; the meaning of every key is in config/collector.toml.\n\n{config}"
        );
        write_new(&self.config_path(), text.as_bytes(), 0o600)
    }

    fn keep_key(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, DataError> {
        let path = self.0.join(name);
        write_new(&path, bytes, 0o600)?;
        let keys = self.0.join("keys");
        let synced = fs::File::open(&keys).and_then(|directory| directory.sync_all());
        synced.map_err(|source| DataError::File { path: keys, source })?;
        Ok(path)
    }

    fn read_key(&self, name: &str) -> Result<Vec<u8>, DataError> {
        match self.read(name) {
            Err(DataError::File { path, source }) if source.kind() == io::ErrorKind::NotFound => {
                Err(DataError::NoKey(path))
            }
            read => read,
        }
    }

    /// Notes where the server listens, for `login-link`.
    pub fn note_serving(&self, text: &str) -> Result<(), DataError> {
        let (path, new) = (self.0.join("serving.json"), self.0.join("serving.json.tmp"));
        let file = |source| DataError::File { path: path.clone(), source };
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(file(error)),
            _ => write_new(&new, text.as_bytes(), 0o600)?,
        }
        fs::rename(&new, &path).map_err(file)
    }

    /// Where the server listens, if one runs or ran.
    pub fn serving(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.read("serving.json").ok()?).ok()
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, DataError> {
        let path = self.0.join(name);
        fs::read(&path).map_err(|source| DataError::File { path, source })
    }
}

/// A key's digest in a file name.
fn short(id: &Digest) -> String {
    id.to_string()[..16].to_owned()
}

/// Writes a file that must not exist, with its mode from the first moment, and syncs it.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DataError> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|source| DataError::File { path: path.to_owned(), source })
}
