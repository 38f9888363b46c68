//! A mail server and a web server as a process, written in another language: what people and their
//! tools receive alerts with.

use serde_json::Value;
use std::fs::{Permissions, read_to_string, remove_file, set_permissions, write};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

pub struct Inbox {
    directory: TempDir,
    process: Child,
    mail: u16,
    web: u16,
}

impl Inbox {
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory for the inbox");
        let at = |name: &str| directory.path().join(name);
        write(at("req.cnf"), "[req]\ndistinguished_name = name\n[name]\n").expect("written");
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-config"])
            .arg(at("req.cnf"))
            .arg("-keyout")
            .arg(at("key.pem"))
            .arg("-out")
            .arg(at("certificate.pem"))
            .stderr(Stdio::null())
            .status()
            .expect("openssl");
        assert!(made.success(), "a certificate");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/inbox.py");
        // The system's own, which has Debian's packages.
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).arg(directory.path()).arg(at("certificate.pem")).arg(at("key.pem"));
        let mut process = command.stdout(Stdio::piped()).spawn().expect("python3");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("stdout");
        BufReader::new(stdout).read_line(&mut line).expect("ports");
        let ports = line.trim().split_once(' ').expect("two ports; run tests/install");
        let (mail, web) = (ports.0.parse().expect("a port"), ports.1.parse().expect("a port"));
        Self { directory, process, mail, web }
    }

    /// `[notify.smtp]` for it: STARTTLS, a password, its own certificate.
    pub fn smtp(&self) -> String {
        format!(
            "[notify.smtp]\nhost = \"localhost\"\nport = {}\nsecurity = \"starttls\"\n\
             from = \"Evidenced <evidenced@example.org>\"\nuser = \"evidenced\"\n\
             password_file = \"{}\"\nca_file = \"{}\"\n",
            self.mail,
            self.secret("password", "a word\n").display(),
            self.path("certificate.pem").display()
        )
    }

    /// An address of its web server.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.web)
    }

    /// A file that not everybody may read.
    pub fn secret(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        write(&path, text).expect("a secret");
        set_permissions(&path, Permissions::from_mode(0o600)).expect("a mode");
        path
    }

    /// From now on mail is refused, until [`Inbox::has_room`].
    pub fn is_full(&self) {
        write(self.path("full"), "").expect("written");
    }

    pub fn has_room(&self) {
        remove_file(self.path("full")).expect("it is full");
    }

    /// Every mail so far: `{"tls","by","from","to","headers","body"}`.
    pub fn mails(&self) -> Vec<Value> {
        self.lines("mail")
    }

    /// Every request to the web server so far: `{"path","headers","body"}`.
    pub fn requests(&self) -> Vec<Value> {
        self.lines("web")
    }

    fn lines(&self, name: &str) -> Vec<Value> {
        let text = read_to_string(self.path(name)).unwrap_or_default();
        // The last line may be being written.
        let whole = text.rsplit_once('\n').map(|(whole, _)| whole).unwrap_or_default();
        whole.lines().map(|line| serde_json::from_str(line).expect("a line")).collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
