//! The kind `kernel` of this machine, beside what uname(1), dpkg-query(1) and lscpu(1) say. Needs
//! the packages dpkg and util-linux.

use evidence::kinds::Kernel;
use evidence::kinds::kernel::VulnerabilityState;
use evidenced_agent::collectors;
use evidenced_agent::host::Host;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;

fn out(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).env("LC_ALL", "C").output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn collected() -> Kernel {
    let collector = collectors::find("kernel").expect("kind");
    let collected = collector.collect(&Host::live().expect("this machine"));
    serde_json::from_value(collected.facts.expect("facts").data).expect("typed")
}

#[test]
fn what_runs_and_what_is_installed_is_what_the_tools_say() {
    let kernel = collected();
    assert_eq!(kernel.running.as_deref(), Some(out("uname", &["-r"]).trim()));
    let format = "${db:Status-Status} ${Package} ${Version}\n";
    let listed = out("dpkg-query", &["-W", "-f", format, "linux-image-[0-9]*"]);
    let mut listed: Vec<_> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("installed linux-image-"))
        .filter(|line| !line.contains("-dbg"))
        .map(str::to_owned)
        .collect();
    listed.sort();
    let installed = kernel.installed.expect("a database");
    let installed: Vec<_> =
        installed.iter().map(|image| format!("{} {}", image.release, image.version)).collect();
    assert_eq!(installed, listed);
}

#[test]
fn weaknesses_are_those_that_lscpu_lists() {
    let Some(found) = collected().cpu_vulnerabilities else {
        // A kernel that tells nobody tells lscpu nothing either.
        return assert!(!out("lscpu", &[]).contains("Vulnerability "));
    };
    let document: Value = serde_json::from_str(&out("lscpu", &["-J"])).expect("JSON");
    let mut listed = BTreeMap::new();
    fields(&document["lscpu"], &mut listed);
    assert_eq!(found.len(), listed.len());
    for one in found {
        let name = one.name.replace('_', " ");
        let said = listed
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(&name))
            .unwrap_or_else(|| panic!("{name} is not in {listed:?}"));
        let not_affected = said.1.starts_with("Not affected");
        assert_eq!(
            one.state == VulnerabilityState::NotAffected,
            not_affected,
            "{name}: {}",
            said.1
        );
        let open = said.1.starts_with("Vulnerable") || said.1.starts_with("KVM: Vulnerable");
        assert_eq!(one.state == VulnerabilityState::Vulnerable, open, "{name}: {}", said.1);
    }
}

/// `Vulnerability NAME:` → what is said of it; some releases nest these lines.
fn fields(value: &Value, found: &mut BTreeMap<String, String>) {
    for entry in value.as_array().into_iter().flatten() {
        let field = entry["field"].as_str().unwrap_or_default();
        if let Some(name) = field.strip_prefix("Vulnerability ") {
            let data = entry["data"].as_str().unwrap_or_default();
            found.insert(name.trim_end_matches(':').to_owned(), data.to_owned());
        }
        fields(&entry["children"], found);
    }
}
