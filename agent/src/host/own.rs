//! What the agent knows about itself, and no file of the machine says.

use aws_lc_rs::digest::{Context, SHA256};
use evidence::Digest;
use serde::Deserialize;
use std::fs::File;
use std::io::Read as _;
use std::sync::OnceLock;

/// What a running agent was told. What is `None` is not known, as outside of `run`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Own {
    /// The agent's version.
    pub version: String,
    /// SHA-256 of the program, where it is not to be taken of the running one (fixtures).
    #[serde(default)]
    pub program: Option<Digest>,
    /// SHA-256 of the configuration.
    #[serde(default)]
    pub config: Option<Digest>,
    /// Kinds that the configuration switches off, sorted.
    #[serde(default)]
    pub kinds_off: Option<Vec<String>>,
    /// The state directory, an absolute path.
    #[serde(default)]
    pub state: Option<String>,
    /// Whether Landlock confines it.
    #[serde(default)]
    pub landlock: Option<bool>,
}

impl Default for Own {
    fn default() -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { version, program: None, config: None, kinds_off: None, state: None, landlock: None }
    }
}

/// SHA-256 of the program that runs: read through the kernel, so that a file that has meanwhile
/// taken its place does not count. It cannot change while it runs, so it is taken once.
pub(super) fn running_program() -> Option<Digest> {
    static PROGRAM: OnceLock<Option<Digest>> = OnceLock::new();
    *PROGRAM.get_or_init(|| {
        let mut file = File::open("/proc/self/exe").ok()?;
        let mut context = Context::new(&SHA256);
        let mut part = vec![0; 64 << 10];
        loop {
            match file.read(&mut part) {
                Ok(0) => return Digest::from_slice(context.finish().as_ref()),
                Ok(read) => context.update(&part[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    })
}
