//! A receiver of webhooks as a process, written in another language with another library.

use serde_json::Value;
use std::fs::{Permissions, remove_file, set_permissions, write};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// 32 bytes that are no secret anywhere.
const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OLD_SECRET: &str = "whsec_Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=";

pub struct Receiver {
    directory: TempDir,
    process: Child,
    port: u16,
}

impl Receiver {
    pub fn start() -> Self {
        let wheel = concat!(env!("CARGO_MANIFEST_DIR"), "/../.cache/standardwebhooks.whl");
        assert!(Path::new(wheel).is_file(), "{wheel} is missing; run tests/install");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/receiver.py");
        let directory = tempfile::tempdir().expect("a directory for the receiver");
        let mut command = Command::new("python3");
        command.arg(script).arg(wheel).arg(directory.path()).arg(SECRET);
        let mut process = command.stdout(Stdio::piped()).spawn().expect("python3");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("stdout");
        BufReader::new(stdout).read_line(&mut line).expect("a port");
        let port = line.trim().parse().expect("a port");
        Self { directory, process, port }
    }

    /// A section of the collector's configuration. Its secret is being replaced: the receiver
    /// knows only the second one.
    pub fn section(&self, name: &str) -> String {
        let secret = self.path("secret");
        write(&secret, format!("{OLD_SECRET}\n{SECRET}\n")).expect("a secret");
        set_permissions(&secret, Permissions::from_mode(0o600)).expect("a mode");
        format!(
            "[notify]\nwait = \"0s\"\n[[notify.webhook]]\nname = \"{name}\"\n\
             url = \"http://127.0.0.1:{}/hook\"\nsecret_file = \"{}\"\n",
            self.port,
            secret.display()
        )
    }

    /// Answers the next `times` requests with 500.
    pub fn fail(&self, times: usize) {
        write(self.path("fail"), "x".repeat(times)).expect("written");
    }

    /// From now on requests are taken and not answered, until [`Receiver::answer`].
    pub fn hang(&self) {
        write(self.path("hang"), "").expect("written");
    }

    pub fn answer(&self) {
        remove_file(self.path("hang")).expect("it hangs");
    }

    /// Every request so far: `{"id","type","answer","event"}`.
    pub fn requests(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("log")).unwrap_or_default();
        // The last line may be being written.
        let whole = text.rsplit_once('\n').map(|(whole, _)| whole).unwrap_or_default();
        whole.lines().map(|line| serde_json::from_str(line).expect("a request")).collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
