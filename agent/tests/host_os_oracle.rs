//! The collector of host_os beside a shell and the real tables, on the running machine.

use evidence::kinds::HostOs;
use evidenced_agent::collectors;
use evidenced_agent::host::Host;
use std::process::Command;

fn host_os(host: &Host) -> (HostOs, Vec<String>) {
    let collected = collectors::find("host_os").expect("host_os").collect(host);
    let facts = collected.facts.unwrap_or_else(|| panic!("{:?}", collected.sources));
    (serde_json::from_value(facts.data).expect("typed"), collected.unread)
}

fn shell(script: &str) -> String {
    let output = Command::new("sh").args(["-c", script]).output().expect("sh");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn the_running_system_is_what_a_shell_reads_it_to_be() {
    let (found, _) = host_os(&Host::live().expect("host"));
    let fields = [
        ("ID", Some(found.id)),
        ("VERSION_ID", found.version_id),
        ("VERSION_CODENAME", found.codename),
        ("VARIANT_ID", found.variant_id),
        ("ID_LIKE", Some(found.id_like.join(" "))),
    ];
    for (name, value) in fields {
        let want = shell(&format!(". /etc/os-release; printf %s \"${name}\""));
        assert_eq!(value.unwrap_or_default(), want, "{name}");
    }
}

/// A container engine's marker and the namespace of process ids must agree before anything is said.
#[test]
fn live_facts_are_said_or_named_as_unread_and_with_a_root_never_said() {
    let (live, unread) = host_os(&Host::live().expect("host"));
    for (field, is_said) in [
        ("in_container", live.in_container.is_some()),
        ("virtualisation", live.virtualisation.is_some()),
        ("chassis", live.chassis.is_some()),
        ("is_workstation", live.is_workstation.is_some()),
        ("support", live.support.is_some()),
    ] {
        assert_ne!(is_said, unread.iter().any(|name| name == field), "{field}");
    }
    let root = Host::rooted(std::path::Path::new("/")).expect("root");
    let (offline, unread) = host_os(&root);
    assert_eq!((offline.in_container, offline.virtualisation, offline.chassis), (None, None, None));
    assert_eq!(offline.support, live.support);
    assert!(unread.iter().any(|name| name == "in_container"));
}
