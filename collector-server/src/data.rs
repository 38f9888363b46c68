//! The data directory: keys, configuration, and by default the database.
//!
//! ```text
//! DATA/collector.toml      configuration
//! DATA/keys/ca.key, ca.crt the certificate authority
//! DATA/keys/log.key        the log's signing key (Ed25519, PKCS#8)
//! DATA/evidence.db         SQLite, unless [store] names another
//! DATA/serving.json        addresses of the running server
//! ```

use crate::authority::{Authority, AuthorityError};
use crate::config::{Config, ConfigError};
use evidence::key::{KeyError, SigningKey};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

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
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&keys);
        made.map_err(|source| DataError::File { path: keys.clone(), source })?;
        let (key, certificate) = Authority::create(name, now)?;
        write_new(&keys.join("ca.key"), key.as_bytes(), 0o600)?;
        write_new(&keys.join("ca.crt"), certificate.as_bytes(), 0o644)?;
        let (_, pkcs8) = SigningKey::generate()?;
        write_new(&keys.join("log.key"), &pkcs8, 0o600)?;
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

    /// Configuration from `file`, or from the directory's own.
    pub fn config(&self, file: Option<&Path>) -> Result<Config, DataError> {
        Ok(Config::load(file.unwrap_or(&self.config_path()))?)
    }

    /// Address of the database.
    pub fn store_url(&self, config: &Config) -> String {
        if config.store.url.is_empty() {
            format!("sqlite:{}", self.0.join("evidence.db").display())
        } else {
            config.store.url.clone()
        }
    }

    pub fn authority(&self) -> Result<Authority, DataError> {
        let key = self.read("keys/ca.key")?;
        let certificate = self.read("keys/ca.crt")?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Authority::load(&text(key), &text(certificate))?)
    }

    pub fn log_key(&self) -> Result<SigningKey, DataError> {
        Ok(SigningKey::from_pkcs8(&self.read("keys/log.key")?)?)
    }

    /// Notes where the server listens, for `login-link`.
    pub fn note_serving(&self, text: &str) -> Result<(), DataError> {
        let path = self.0.join("serving.json");
        fs::write(&path, text).map_err(|source| DataError::File { path, source })
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

/// Writes a file that must not exist, with its mode from the first moment, and syncs it.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DataError> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|source| DataError::File { path: path.to_owned(), source })
}
