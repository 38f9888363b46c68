//! `deploy/systemd/install` into an empty root.

use crate::systemd;
use evidenced_tests::program;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Output};

fn install(root: &Path, part: &str) -> Output {
    let mut command = Command::new(systemd().join("install"));
    command.arg("--destdir").arg(root).arg(part);
    command.arg(program(&format!("evidenced-{part}")).get_program());
    let output = command.output().expect("install");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn a_program_is_installed_with_user_unit_and_state_directory_and_a_configuration_is_kept() {
    let root = tempfile::tempdir().expect("a root");
    for part in ["agent", "collector"] {
        let said = String::from_utf8(install(root.path(), part).stdout).expect("UTF-8");
        assert!(said.contains(&format!("systemctl enable --now evidenced-{part}")), "{said}");
        let name = format!("evidenced-{part}");
        let passwd = std::fs::read_to_string(root.path().join("etc/passwd")).expect("passwd");
        let user = passwd.lines().find(|line| line.starts_with(&format!("{name}:")));
        let uid = user.expect("the user").split(':').nth(2).map(str::to_owned);
        let state = root.path().join("var/lib").join(&name).metadata().expect("state directory");
        assert_eq!(state.permissions().mode() & 0o7777, 0o700);
        assert_eq!(Some(state.uid().to_string()), uid);
        assert!(root.path().join("usr/lib/systemd/system").join(name + ".service").is_file());
    }
    let writer = root.path().join("usr/lib/evidenced-agent/backup-marker");
    assert_eq!(writer.metadata().expect("the marker writer").permissions().mode() & 0o7777, 0o755);
    assert!(root.path().join("usr/share/doc/evidenced-agent/backup-marker.conf").is_file());
    let config = root.path().join("etc/evidenced/agent.toml");
    let shipped = systemd().join("../../config/agent.toml");
    let read = |path: &Path| std::fs::read_to_string(path).expect("a configuration");
    assert_eq!(read(&config), read(&shipped));
    std::fs::write(&config, "# ours\n").expect("written");
    install(root.path(), "agent");
    assert_eq!(read(&config), "# ours\n");
}

#[test]
fn a_wrong_word_is_refused_with_what_to_say_instead() {
    let output = Command::new(systemd().join("install")).arg("agents").output().expect("install");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("agent or collector"), "{said}");
}
