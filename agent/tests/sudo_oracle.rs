//! Checked against sudo itself: visudo(8) says which files follow the grammar, cvtsudoers(1) what
//! they say, and `sudo -l` whom the running machine lets run anything. Needs the package sudo.

use evidence::Status;
use evidence::kinds::Sudo;
use evidence::kinds::sudo::Arguments;
use evidenced_agent::collectors::{self, Collected};
use evidenced_agent::formats::sudoers::{self, Value as Setting, What};
use evidenced_agent::host::Host;
use proptest::prelude::*;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const DPKG: &str = "Package: sudo\nStatus: install ok installed\nArchitecture: amd64\n\
                    Version: 1.9.13p3-1+deb12u1\nDescription: x\n\n";

/// A machine with one sudoers file.
fn machine(sudoers: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("directory");
    for (path, text) in [
        ("etc/sudoers", sudoers),
        ("etc/passwd", "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/:/bin/sh\n"),
        ("etc/group", "root:x:0:\nwheel:x:10:alice\n"),
        ("var/lib/dpkg/status", DPKG),
    ] {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("directory");
        std::fs::write(path, text).expect("file");
    }
    root
}

fn collect(root: &Path) -> Collected {
    collectors::find("sudo").expect("registered").collect(&Host::rooted(root).expect("root"))
}

fn typed(collected: &Collected) -> Sudo {
    let facts = collected.facts.as_ref().expect("facts");
    serde_json::from_value(facts.data.clone()).expect("typed")
}

fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env("LC_ALL", "C").env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

/// What visudo has against a file; empty where it takes it.
fn visudo_says(file: &Path) -> String {
    let output = tool("visudo").args(["-c", "-f"]).arg(file).output().expect("visudo");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { String::new() } else { format!("refused: {text}") }
}

/// What cvtsudoers says with aliases expanded; `None` where it leaves out a comma, as 1.9.13 does
/// before some options.
fn cvtsudoers(file: &Path) -> Option<Value> {
    let output = tool("cvtsudoers").args(["-e", "-f", "json"]).arg(file).output();
    let output = output.expect("cvtsudoers");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    if output.stdout.is_empty() {
        return Some(Value::Null); // Nothing but aliases.
    }
    serde_json::from_slice(&output.stdout).ok()
}

/// An element of a list as the facts write it.
fn member(value: &Value) -> String {
    const KEYS: [(&str, &str); 9] = [
        ("username", ""),
        ("userid", "#"),
        ("usergroup", "%"),
        ("usergid", "%#"),
        ("nonunixgroup", "%:"),
        ("netgroup", "+"),
        ("hostname", ""),
        ("networkaddr", ""),
        ("command", ""),
    ];
    let (key, sign) = KEYS.iter().find(|(key, _)| value.get(*key).is_some()).expect("known key");
    let text = match &value[*key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let negated = if value["negated"] == true { "!" } else { "" };
    format!("{negated}{sign}{text}")
}

fn members(list: &Value) -> Vec<String> {
    let items = list.as_array().into_iter().flatten().map(member);
    // cvtsudoers writes `()` as a user without a name.
    items.filter(|name| !name.is_empty()).collect()
}

/// One command: who, where, as whom, asked for a password, NOEXEC, command.
type Row = (Vec<String>, Vec<String>, Vec<String>, bool, bool, String);

fn option(spec: &Value, name: &str) -> Option<bool> {
    spec["Options"].as_array().into_iter().flatten().find_map(|option| option[name].as_bool())
}

fn their_rows(json: &Value) -> Vec<(Row, Option<bool>)> {
    let mut rows = Vec::new();
    for grant in json["User_Specs"].as_array().into_iter().flatten() {
        for spec in grant["Cmnd_Specs"].as_array().expect("commands") {
            for command in spec["Commands"].as_array().expect("commands") {
                let row = (
                    members(&grant["User_List"]),
                    members(&grant["Host_List"]),
                    members(&spec["runasusers"]),
                    option(spec, "authenticate") == Some(false),
                    option(spec, "noexec") == Some(true),
                    without_arguments(&member(command)),
                );
                rows.push((row, option(spec, "setenv")));
            }
        }
    }
    rows
}

fn without_arguments(command: &str) -> String {
    match command.split_once(' ') {
        None => command.to_owned(),
        Some((path, "\"\"")) => format!("{path} ()"),
        Some((path, text)) if text.contains(['*', '?', '[']) => format!("{path} (pattern)"),
        Some((path, _)) => format!("{path} (pinned)"),
    }
}

fn our_rows(sudo: &Sudo) -> Vec<(Row, bool)> {
    let entries = sudo.entries.as_ref().expect("entries");
    let rows = entries.iter().flat_map(|entry| {
        entry.commands.iter().map(|command| {
            let sign = if command.negated { "!" } else { "" };
            let arguments = match command.arguments {
                Arguments::Any => "",
                Arguments::None => " ()",
                Arguments::Pinned => " (pinned)",
                Arguments::Pattern => " (pattern)",
            };
            let row = (
                entry.principals.clone(),
                entry.hosts.clone(),
                entry.runas.clone(),
                entry.nopasswd,
                entry.noexec,
                format!("{sign}{}{arguments}", command.path),
            );
            (row, entry.setenv)
        })
    });
    rows.collect()
}

fn assert_same_entries(sudo: &Sudo, json: &Value, text: &str) {
    let (ours, theirs) = (our_rows(sudo), their_rows(json));
    let bare = |row: &(Row, bool)| row.0.clone();
    let expect: Vec<_> = theirs.iter().map(|row| row.0.clone()).collect();
    assert_eq!(ours.iter().map(bare).collect::<Vec<_>>(), expect, "{text}");
    for ((row, ours), (_, theirs)) in ours.iter().zip(&theirs) {
        // An entry with ALL in it lets the caller set the environment of all of it.
        assert!(*theirs != Some(true) || *ours, "setenv of {row:?} in {text}");
    }
}

/// Settings of every line, as `name=value`.
fn their_settings(json: &Value) -> Vec<String> {
    let lines = json["Defaults"].as_array().into_iter().flatten();
    let options = lines.flat_map(|line| line["Options"].as_array().expect("options"));
    let settings = options.flat_map(|option| option.as_object().expect("object"));
    settings
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}={text}"),
            other => format!("{name}={other}"),
        })
        .collect()
}

fn our_settings(text: &str) -> Vec<String> {
    let mut settings = Vec::new();
    for statement in sudoers::parse(text).expect("parsed") {
        let What::Defaults { settings: lines, .. } = statement.what else { continue };
        settings.extend(lines.into_iter().map(|line| match line.value {
            Setting::On => format!("{}=true", line.name),
            Setting::Off => format!("{}=false", line.name),
            Setting::Set(text) => format!("{}={text}", line.name),
            Setting::Edit => format!("{}=edit", line.name),
        }));
    }
    settings
}

fn words(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(words).prop_map(str::to_owned)
}

fn list(
    element: impl Strategy<Value = String>,
    signs: &'static [&'static str],
) -> impl Strategy<Value = String> {
    let item =
        (prop::sample::select(signs), element).prop_map(|(sign, word)| format!("{sign}{word}"));
    let commas = prop::sample::select(&[",", ", ", " , ", ",\\\n  "][..]);
    (prop::collection::vec(item, 1..4), commas).prop_map(|(items, comma)| items.join(comma))
}

const SIGNS: &[&str] = &["", "", "", "!", "! ", "!!"];

fn users() -> impl Strategy<Value = String> {
    const USERS: &[&str] = &[
        "alice",
        "ALL",
        "ADMINS",
        "OTHERS",
        "%wheel",
        "%#10",
        "#1000",
        "+net",
        "%:ads",
        "do\\,e",
        "a\\x20b",
        "\"with space\"",
        "\"%domain users\"",
        "j.doe-1",
        "Admins",
    ];
    list(words(USERS), SIGNS)
}

fn hosts() -> impl Strategy<Value = String> {
    list(
        words(&["ALL", "web", "FARM", "192.0.2.0/24", "2001:db8::1", "*.example.org", "+rack"]),
        SIGNS,
    )
}

fn runas() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just(String::new()),
        1 => Just("()".to_owned()),
        1 => Just("( :adm) ".to_owned()),
        3 => list(words(&["root", "ALL", "DBA", "#0", "%wheel", "postgres"]), SIGNS)
            .prop_map(|users| format!("({users})")),
        1 => Just("(ALL : ALL) ".to_owned()),
    ]
}

fn command() -> impl Strategy<Value = String> {
    const COMMANDS: &[&str] = &[
        "ALL",
        "SHELLS",
        "/bin/ls",
        "/bin/ls \"\"",
        "/bin/ls -l \\=x",
        "/usr/bin/vi /etc/*",
        "/usr/bin/",
        "/bin/l[s]",
        "sudoedit /etc/motd",
        "sudoedit",
        "list",
        "/bin/a\\=b",
    ];
    words(COMMANDS)
}

fn granted() -> impl Strategy<Value = String> {
    const TAGS: &[&str] = &[
        "",
        "",
        "",
        "NOPASSWD: ",
        "NOPASSWD:",
        "PASSWD :",
        "NOEXEC:SETENV: ",
        "EXEC:",
        "NOSETENV: LOG_OUTPUT: ",
        "NOMAIL:FOLLOW:",
    ];
    (runas(), words(TAGS), prop::sample::select(SIGNS), command())
        .prop_map(|(runas, tags, sign, command)| format!("{runas}{tags}{sign}{command}"))
}

fn grant() -> impl Strategy<Value = String> {
    let privilege = (hosts(), prop::collection::vec(granted(), 1..4))
        .prop_map(|(hosts, commands)| format!("{hosts} = {}", commands.join(", ")));
    (users(), prop::collection::vec(privilege, 1..3), words(&["", " # a comment", " \\\n"]))
        .prop_map(|(users, privileges, end)| format!("{users} {}{end}", privileges.join(" : ")))
}

fn defaults() -> impl Strategy<Value = String> {
    const SCOPES: &[&str] = &["", "", "", ":alice", "@web", ">root", "!/bin/ls", ":alice,%wheel"];
    const SETTINGS: &[&str] = &[
        "use_pty",
        "!use_pty",
        "!authenticate",
        "env_reset",
        "timestamp_timeout=5",
        "timestamp_timeout = -1",
        "!timestamp_timeout",
        "secure_path=\"/bin:/usr/bin\"",
        "!secure_path",
        "logfile=/var/log/sudo",
        "!syslog",
        "syslog=auth",
        "targetpw",
        "exempt_group=wheel",
    ];
    let settings = prop::collection::vec(words(SETTINGS), 1..3);
    (words(SCOPES), settings)
        .prop_map(|(scope, settings)| format!("Defaults{scope} {}", settings.join(", ")))
}

const ALIASES: &str = "User_Alias ADMINS = alice, !bob : OTHERS = %wheel, ADMINS\n\
                       Runas_Alias DBA = postgres, !root\nHost_Alias FARM = web, !192.0.2.9\n\
                       Cmnd_Alias SHELLS = /bin/sh, !/bin/bash -c *, NESTED\nCmd_Alias NESTED = /bin/x\n";

fn file() -> impl Strategy<Value = String> {
    let line = prop_oneof![3 => grant(), 2 => defaults(), 1 => words(&["# comment \\", "", "  "])];
    prop::collection::vec(line, 1..6).prop_map(|lines| format!("{}\n{ALIASES}", lines.join("\n")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_file_says_what_cvtsudoers_says(text in file()) {
        let root = machine(&text);
        let path = root.path().join("etc/sudoers");
        prop_assert_eq!(visudo_says(&path), "", "the generator writes what sudo refuses: {}", text);
        let collected = collect(root.path());
        prop_assert_eq!(collected.status, Status::Ok, "{:?} {}", collected.sources, text);
        let json = cvtsudoers(&path);
        prop_assume!(json.is_some());
        let json = json.unwrap_or_default();
        // With PASSWD as the one default, tags alone say who is asked.
        let plain = text.lines().all(|line| !line.contains("!authenticate"));
        if plain {
            assert_same_entries(&typed(&collected), &json, &text);
        }
        prop_assert_eq!(our_settings(&text), their_settings(&json), "{}", text);
    }

    /// A setting that sudo passes over is none. An unknown one it ignores, and so do we. (A damaged
    /// grant that sudo passes over may be listed: more than it grants, not less.)
    #[test]
    fn a_damaged_setting_is_refused_where_visudo_refuses_it(
        text in prop::collection::vec(defaults(), 1..3).prop_map(|lines| lines.join("\n")), at in 0usize..400, with in prop::sample::select(&["", "!", ",", "=", ":", "(", "\"", "%", "#", "\\", " ", "\n"][..]),
    ) {
        let at = at % text.len();
        prop_assume!(text.is_char_boundary(at) && text.is_char_boundary(at + 1));
        let damaged = format!("{}{with}{}", &text[..at], &text[at + 1..]);
        let root = machine(&damaged);
        if visudo_says(&root.path().join("etc/sudoers")).contains("syntax error") {
            let collected = collect(root.path());
            prop_assert_ne!(collected.status, Status::Ok, "visudo refuses {}", damaged);
        }
    }
}

/// `sudo -l -U` of every local user of this machine.
#[test]
fn this_machine_grants_what_sudo_says() {
    let collected =
        collectors::find("sudo").expect("registered").collect(&Host::live().expect("root"));
    if std::fs::File::open("/etc/sudoers").is_err() {
        return assert_eq!(collected.status, Status::Denied);
    }
    let sudo = typed(&collected);
    let granted = sudo.resolved_principals.expect("principals");
    let passwd = std::fs::read_to_string("/etc/passwd").expect("passwd");
    let mut allowed = 0;
    for name in passwd.lines().filter_map(|line| line.split(':').next()) {
        let output = tool("sudo").args(["-n", "-l", "-U", name]).output().expect("sudo");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let refused = text.contains("is not allowed to run sudo");
        assert!(refused || text.contains("may run the following commands"), "{name}: {output:?}");
        assert_eq!(granted.iter().any(|known| known == name), !refused, "{name}");
        allowed += usize::from(!refused);
    }
    assert!(allowed > 0, "sudo allows nobody anything");
}
