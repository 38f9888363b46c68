//! The kind `storage` of this machine, beside what findmnt(8) says of the first process. Needs root,
//! and the package util-linux.

use evidence::kinds::Storage;
use evidenced_agent::collectors;
use evidenced_agent::host::Host;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;

#[test]
fn mounts_are_those_that_findmnt_lists() {
    let collector = collectors::find("storage").expect("kind");
    let collected = collector.collect(&Host::live().expect("this machine"));
    let storage: Storage =
        serde_json::from_value(collected.facts.expect("facts").data).expect("typed");
    let arguments = ["-N", "1", "-l", "-J", "-o", "TARGET,FSTYPE,VFS-OPTIONS,FS-OPTIONS"];
    let output = Command::new("findmnt").args(arguments).output().expect("findmnt runs");
    let listed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    // The last one at a place hides the others.
    let mut mounts = BTreeMap::new();
    for one in listed["filesystems"].as_array().expect("a list") {
        mounts.insert(one["target"].as_str().expect("a target"), one);
    }
    let found = storage.filesystems.expect("mounts");
    assert!(found.iter().any(|one| one.mount == "/"));
    for one in &found {
        let said = mounts.get(one.mount.as_str()).unwrap_or_else(|| panic!("{}", one.mount));
        assert_eq!(said["fstype"], one.fstype, "{}", one.mount);
        let options =
            ["vfs-options", "fs-options"].map(|key| said[key].as_str().unwrap_or_default());
        for option in ["nodev", "noexec", "nosuid"] {
            let is_set = options[0].split(',').any(|set| set == option);
            let ours = one.options.iter().any(|set| set == option);
            assert_eq!(ours, is_set, "{} {option}", one.mount);
        }
        let read_only = options.iter().any(|set| set.split(',').any(|set| set == "ro"));
        assert_eq!(one.options.contains(&"ro".to_owned()), read_only, "{}", one.mount);
    }
    // What is left out is the kernel's own.
    let left_out =
        mounts.iter().filter(|(target, _)| !found.iter().any(|one| one.mount == **target));
    for (target, one) in left_out {
        let fstype = one["fstype"].as_str().unwrap_or_default();
        assert!(
            !["ext4", "xfs", "btrfs", "tmpfs", "nfs4", "overlay"].contains(&fstype),
            "{target}"
        );
    }
}
