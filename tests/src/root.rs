//! A root file system for agents to read, small and true to form.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A root directory on disk.
pub struct Root(TempDir);

const PACKAGES: [(&str, &str); 12] = [
    ("apt", "2.6.1"),
    ("base-files", "12.4+deb12u12"),
    ("bash", "5.2.15-2+b8"),
    ("coreutils", "9.1-1"),
    ("dpkg", "1.21.22"),
    ("libc6", "2.36-9+deb12u10"),
    ("login", "1:4.13+dfsg1-1+deb12u1"),
    ("openssh-client", "1:9.2p1-2+deb12u7"),
    ("openssh-server", "1:9.2p1-2+deb12u7"),
    ("passwd", "1:4.13+dfsg1-1+deb12u1"),
    ("systemd", "252.38-1~deb12u1"),
    ("tzdata", "2025b-0+deb12u1"),
];

impl Root {
    /// A Debian 12 with an SSH server, one person, and nothing that an active rule objects to.
    pub fn debian() -> Self {
        let root = Self(tempfile::tempdir().expect("a directory for a root"));
        // Directories of root: 0755, as on a real system.
        fs::set_permissions(root.path(), Permissions::from_mode(0o755)).expect("mode");
        root.release();
        root.accounts();
        root.packages();
        root.updates();
        root.ssh_server();
        root
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, and the directories above it.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.parent(path);
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Puts text at the end of a file that is there.
    pub fn append(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        let file = fs::File::options().append(true).open(&path);
        let mut file = file.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        file.write_all(text.as_bytes()).expect("written");
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).expect(path)
    }

    pub fn remove(&self, path: &str) {
        fs::remove_file(self.path().join(path)).expect(path);
    }

    pub fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.path().join(path), Permissions::from_mode(mode)).expect(path);
    }

    fn parent(&self, path: &str) -> PathBuf {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        path
    }

    /// The release, and a table of support that does not run out while these tests live.
    fn release(&self) {
        self.write(
            "usr/lib/os-release",
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\n\
             VERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n",
        );
        self.write("etc/os-release", &self.read("usr/lib/os-release"));
        self.write(
            "usr/share/distro-info/debian.csv",
            "version,codename,series,created,release,eol,eol-lts,eol-elts\n\
             12,Bookworm,bookworm,2021-08-14,2023-06-10,2097-07-11,2098-06-30,2099-06-30\n",
        );
    }

    fn accounts(&self) {
        self.write(
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/bash\n\
             daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n\
             alice:x:1000:1000:Alice:/home/alice:/bin/bash\n",
        );
        self.write(
            "etc/shadow",
            "root:*:20000:0:99999:7:::\n\
             daemon:*:20000:0:99999:7:::\n\
             alice:$y$j9T$invented$invented:20100:0:99999:7:::\n",
        );
        self.write("etc/group", "root:x:0:\ndaemon:x:1:\nsudo:x:27:alice\nalice:x:1000:\n");
        self.write("etc/gshadow", "root:*::\ndaemon:*::\nsudo:*::alice\nalice:!::\n");
        self.mode("etc/shadow", 0o640);
        self.mode("etc/gshadow", 0o640);
        self.write("etc/login.defs", "UID_MIN\t\t 1000\nUID_MAX\t\t60000\n");
        self.write(
            "etc/nsswitch.conf",
            "passwd:         files systemd\ngroup:          files systemd\n",
        );
        for (home, mode) in [("root", 0o700), ("home/alice", 0o750), ("usr/sbin", 0o755)] {
            fs::create_dir_all(self.path().join(home)).expect(home);
            self.mode(home, mode);
        }
    }

    fn packages(&self) {
        let stanza = |(name, version): (&str, &str)| {
            format!(
                "Package: {name}\nStatus: install ok installed\nMaintainer: Someone \
                 <someone@example.org>\nArchitecture: amd64\nVersion: {version}\nDescription: a \
                 package\n\n"
            )
        };
        let status: String = PACKAGES.into_iter().map(stanza).collect();
        self.write("var/lib/dpkg/status", &status);
        for (name, _) in PACKAGES {
            self.write(&format!("var/lib/dpkg/info/{name}.list"), "/.\n");
        }
    }

    /// Sources of apt that were asked just now and have nothing new.
    fn updates(&self) {
        self.write(
            "etc/apt/sources.list",
            "deb http://mirror.example/debian bookworm main\n\
             deb http://mirror.example/debian-security bookworm-security main\n",
        );
        let mut date = Command::new("date");
        let date = date.args(["-u", "+%a, %d %b %Y %H:%M:%S UTC"]).env("LC_ALL", "C").output();
        let date = String::from_utf8(date.expect("date(1)").stdout).expect("text");
        for (place, label, codename) in [
            ("debian_dists_bookworm", "Debian", "bookworm"),
            ("debian-security_dists_bookworm-security", "Debian-Security", "bookworm-security"),
        ] {
            let release = format!(
                "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: Debian\n\
                 Label: {label}\nSuite: stable\nCodename: {codename}\nDate: {date}\
                 Architectures: amd64\nComponents: main\nSHA256:\n {} 0 \
                 main/binary-amd64/Packages\n-----BEGIN PGP SIGNATURE-----\n\nnot shown\n\
                 -----END PGP SIGNATURE-----\n",
                "0".repeat(64)
            );
            self.write(&format!("var/lib/apt/lists/mirror.example_{place}_InRelease"), &release);
        }
        self.write("var/lib/apt/periodic/update-success-stamp", "");
    }

    /// Hardened in the main file, after the include: what a drop-in says counts.
    fn ssh_server(&self) {
        self.write("usr/sbin/sshd", "");
        self.mode("usr/sbin/sshd", 0o755);
        self.write(
            "lib/systemd/system/ssh.service",
            "[Service]\nEnvironmentFile=-/etc/default/ssh\nExecStart=/usr/sbin/sshd -D $SSHD_OPTS\n",
        );
        self.write("etc/default/ssh", "SSHD_OPTS=\n");
        self.write(
            "etc/ssh/sshd_config",
            "Include /etc/ssh/sshd_config.d/*.conf\n\n\
             PermitRootLogin no\n\
             PasswordAuthentication no\n\
             KbdInteractiveAuthentication no\n\
             UsePAM yes\n\
             X11Forwarding no\n\
             ClientAliveInterval 300\n\
             MACs hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com\n\
             Subsystem\tsftp\t/usr/lib/openssh/sftp-server\n",
        );
        self.write("etc/ssh/sshd_config.d/50-banner.conf", "PrintMotd no\n");
        for kind in ["ed25519", "ecdsa", "rsa"] {
            let path = self.path().join(format!("etc/ssh/ssh_host_{kind}_key"));
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", kind, "-N", "", "-C", "root@mirror.example", "-f"])
                .arg(&path)
                .output()
                .expect("ssh-keygen (install the package openssh-client)");
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
    }
}
