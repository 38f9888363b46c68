use super::*;
use crate::config::OwnCommand;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

const MOTD: &str = "kind = \"own_motd\"\nv = 1\ntitle = \"Message\"\nschedule = \"@hourly\"\n\
    file = \"/etc/motd\"\nformat = \"key_value\"\n[[field]]\nname = \"owner\"\ntype = \"text\"\n\
    about = \"Who owns it.\"\n";

struct Directory(tempfile::TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("directory"))
    }

    fn put(&self, name: &str, text: &str) -> &Self {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("written");
        let mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(&path, mode).expect("mode");
        self
    }

    fn mode(&self, name: &str, mode: u32) -> &Self {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.0.path().join(name), mode).expect("mode");
        self
    }

    fn load(&self) -> Result<Kinds, KindsError> {
        let command = OwnCommand {
            program: "/bin/true".into(),
            arguments: vec![],
            timeout: Duration::from_secs(1),
            max_output: 10,
        };
        let commands = [("listed".to_owned(), command)].into();
        Kinds::load(&Own { directory: self.0.path().to_owned(), commands })
    }

    fn refused(&self) -> String {
        let error = self.load().expect_err("refused").to_string();
        error.replace(&self.0.path().display().to_string(), "DIR")
    }
}

#[test]
fn declared_kinds_stand_beside_those_of_the_agent() {
    let directory = Directory::new();
    let kinds =
        directory.put("own_motd.toml", MOTD).put("rules.toml", "[[rule]]").load().expect("kinds");
    assert_eq!(kinds.all().count(), collectors::ALL.len() + 1);
    let motd = kinds.find("own_motd").expect("declared");
    assert_eq!((motd.v(), motd.schedule(), motd.title()), (1, "@hourly", "Message"));
    assert!(!motd.is_personal());
    assert_eq!(motd.schema()["properties"]["owner"]["type"], "string");
    assert!(kinds.find("accounts").is_some() && kinds.find("own_other").is_none());
    kinds.cover(["own_motd".to_owned()].iter()).expect("covered");
    let error = kinds.cover(["own_modt".to_owned()].iter()).expect_err("unknown").to_string();
    assert!(error.contains("did you mean `own_motd`?"), "{error}");
    assert_eq!(Kinds::load(&Own::default()).expect("none").all().count(), collectors::ALL.len());
}

#[test]
fn what_cannot_be_used_is_refused_with_its_file_and_a_remedy() {
    let with = |was: &str, is: &str| {
        assert!(MOTD.contains(was));
        Directory::new().put("own_motd.toml", &MOTD.replace(was, is)).refused()
    };
    assert_eq!(with("v = 1", "v = 0"), "DIR/own_motd.toml: line 2, column 5: `v` counts from 1");
    assert!(with("@hourly", "61 * * * *").starts_with("DIR/own_motd.toml: `schedule`:"));
    assert!(with("own_motd", "own_other").contains("is called after it"));
    let error = with("file = \"/etc/motd\"", "command = \"unlisted\"");
    assert_eq!(
        error,
        "DIR/own_motd.toml: `unlisted` is not in [own.commands] of this host's agent.toml"
    );
    let listed = MOTD.replace("file = \"/etc/motd\"", "command = \"listed\"");
    assert!(Directory::new().put("own_motd.toml", &listed).load().is_ok());
}

#[test]
fn whoever_else_may_write_a_declaration_decides_nothing() {
    let directory = Directory::new();
    directory.put("own_motd.toml", MOTD).mode("own_motd.toml", 0o664);
    assert!(directory.refused().starts_with("DIR/own_motd.toml: others than root"));
    directory.mode("own_motd.toml", 0o644).mode("", 0o777);
    assert!(directory.refused().starts_with("DIR: others than root"));
    directory.mode("", 0o755).load().expect("trusted again");
}
