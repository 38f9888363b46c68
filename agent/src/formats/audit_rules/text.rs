//! audit.rules(7), as `auditctl -R` reads it.

use super::{Arch, Field, List, Rule, Target};
use std::collections::BTreeSet;

/// Longer operators first.
const OPERATORS: [&str; 8] = ["!=", ">=", "<=", "&=", "=", ">", "<", "&"];

/// What a file of rules sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    pub rules: Vec<Rule>,
    /// The last `-e`.
    pub enabled: Option<u32>,
}

/// The rules in their order, or the line (from 1) that auditctl would stop at, as far as can be told.
pub fn parse(text: &str) -> Result<Loaded, usize> {
    let mut loaded = Loaded::default();
    for (line, number) in text.lines().map(str::trim).zip(1usize..) {
        if !line.is_empty() && !line.starts_with('#') {
            add(&mut loaded, line).ok_or(number)?;
        }
    }
    Ok(loaded)
}

/// Files of rules.d in the order of augenrules(8), which takes `-e` for the last line, and `-D` alone
/// for the first.
pub fn augmented<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let (mut lines, mut last) = (Vec::new(), None);
    for line in texts.flat_map(str::lines).map(str::trim) {
        match line {
            "-D" => {}
            line if line.starts_with("-e") => last = Some(line),
            line => lines.push(line),
        }
    }
    lines.extend(last);
    lines.join("\n")
}

fn add(loaded: &mut Loaded, line: &str) -> Option<()> {
    let mut words = line.split_whitespace();
    match words.next()? {
        "-D" => loaded.rules.clear(),
        "-e" => loaded.enabled = Some(words.next()?.parse().ok()?),
        "-b" | "-f" | "-r" | "--backlog_wait_time" | "--reset_backlog_wait_time_actual" => {
            words.next()?.parse::<u32>().ok()?;
        }
        "-i" | "-c" | "--loginuid-immutable" | "--reset-lost" => {}
        "-w" => loaded.rules.push(watch(words.next()?, &mut words)?),
        how @ ("-a" | "-A") => {
            let rule = rule(words.next()?, &mut words)?;
            let at = if how == "-A" { 0 } else { loaded.rules.len() };
            loaded.rules.insert(at, rule);
        }
        _ => return None,
    }
    Some(())
}

/// `-w PATH -p PERMS -k KEY`: of a directory with everything in it.
fn watch<'w>(path: &str, words: &mut impl Iterator<Item = &'w str>) -> Option<Rule> {
    let mut rule = Rule::new(List::Exit, true);
    rule.target = Some(Target { path: clean(path)?, is_tree: true });
    while let Some(option) = words.next() {
        match option {
            "-p" => rule.perm = Some(perms(words.next()?)?),
            "-k" => drop(words.next()?),
            _ => return None,
        }
    }
    Some(rule)
}

fn clean(path: &str) -> Option<String> {
    let path = path.trim_end_matches('/');
    path.starts_with('/').then(|| path.to_owned())
}

fn perms(word: &str) -> Option<String> {
    word.chars().all(|letter| "rwxa".contains(letter)).then(|| word.to_owned())
}

fn rule<'w>(list: &str, words: &mut impl Iterator<Item = &'w str>) -> Option<Rule> {
    let (one, other) = list.split_once(',')?;
    let (list, action) =
        if matches!(one, "always" | "never") { (other, one) } else { (one, other) };
    let list = match list {
        "exit" => List::Exit,
        "exclude" => List::Exclude,
        "task" => List::Task,
        "user" | "filesystem" | "io_uring" => List::Other,
        _ => return None,
    };
    let always = match action {
        "always" => true,
        "never" => false,
        _ => return None,
    };
    let mut rule = Rule::new(list, always);
    while let Some(option) = words.next() {
        match option {
            "-S" => call(&mut rule, words.next()?),
            "-F" => field(&mut rule, words.next()?)?,
            "-C" => compare(&mut rule, words.next()?)?,
            "-k" => drop(words.next()?),
            _ => return None,
        }
    }
    Some(rule)
}

fn call(rule: &mut Rule, names: &str) {
    if names != "all" {
        let calls = rule.calls.get_or_insert_with(BTreeSet::new);
        calls.extend(names.split(',').map(str::to_owned));
    }
}

fn parts(word: &str) -> Option<(&str, &'static str, &str)> {
    let at = word.find(['!', '>', '<', '&', '='])?;
    let (name, rest) = word.split_at(at);
    let operator = OPERATORS.into_iter().find(|operator| rest.starts_with(operator))?;
    Some((name, operator, &rest[operator.len()..]))
}

fn field(rule: &mut Rule, word: &str) -> Option<()> {
    let (name, operator, value) = parts(word)?;
    match (name, operator) {
        ("arch", "=") => {
            rule.arch = Some(match value {
                "b64" | "x86_64" | "aarch64" => Arch::B64,
                "b32" | "i386" | "i686" => Arch::B32,
                _ => Arch::Other,
            });
        }
        ("path", "=") => rule.target = Some(Target { path: clean(value)?, is_tree: false }),
        ("dir", "=") => rule.target = Some(Target { path: clean(value)?, is_tree: true }),
        ("perm", "=") => rule.perm = Some(perms(value)?),
        _ => {
            let name = if name == "loginuid" { "auid" } else { name };
            rule.fields.push(Field { name: name.to_owned(), operator, value: value.to_owned() });
        }
    }
    Some(())
}

/// `-C uid!=euid`
fn compare(rule: &mut Rule, word: &str) -> Option<()> {
    let (one, operator, other) = parts(word)?;
    let name = match (one, other) {
        ("uid", "euid") | ("euid", "uid") => "uid_to_euid".to_owned(),
        _ => format!("{one}_to_{other}"),
    };
    rule.fields.push(Field { name, operator, value: String::new() });
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::Rules;
    use super::*;
    use proptest::prelude::*;

    const BOTH: [Arch; 2] = [Arch::B64, Arch::B32];

    fn watches(text: &str) -> bool {
        let loaded = parse(text).expect("rules");
        let rules = Rules { rules: &loaded.rules, archs: &BOTH, is_arm: false };
        rules.watches("/etc/passwd", false, "wa")
    }

    #[test]
    fn a_file_is_watched_only_for_every_change_by_everybody() {
        for (text, expect) in [
            ("-w /etc/passwd -p wa -k identity", true),
            ("-w /etc/passwd", true),
            ("-w /etc -p wa", true),
            ("-w /etc/passwd -p r", false),
            ("-w /etc/passwd- -p wa", false),
            ("-a always,exit -F path=/etc/passwd -F perm=wa -F key=x", true),
            ("-a exit,always -F arch=b64 -F path=/etc/passwd -F perm=wa", false),
            (
                "-a exit,always -F arch=b64 -F path=/etc/passwd\n-a always,exit -F arch=b32 -F path=/etc/passwd",
                true,
            ),
            ("-a always,exit -F path=/etc/passwd -F perm=wa -F success=0", false),
            ("-a always,exit -F path=/etc/passwd -F perm=wa -F auid>=1000", false),
            ("-a never,exit -F path=/etc/passwd\n-w /etc/passwd -p wa", false),
            ("-a never,exit -F dir=/etc\n-w /etc/passwd -p wa", false),
            ("-a never,exit -F path=/etc/mtab\n-w /etc/passwd -p wa", true),
            ("-w /etc/passwd -p wa\n-a never,exit -F path=/etc/passwd", true),
            ("-w /etc/passwd -p wa\n-A never,exit -F path=/etc/passwd", false),
            ("-a task,never\n-w /etc/passwd -p wa", false),
            ("-a always,exclude -F msgtype=CWD\n-w /etc/passwd -p wa", true),
            ("-a always,exclude -F msgtype=SYSCALL\n-w /etc/passwd -p wa", false),
            ("-w /etc/passwd -p wa\n-D", false),
        ] {
            assert_eq!(watches(text), expect, "{text}");
        }
    }

    #[test]
    fn a_call_is_recorded_only_for_both_kinds_of_programs() {
        for (text, expect) in [
            (
                "-a always,exit -F arch=b64 -S unlink,rename -k x\n-a always,exit -F arch=b32 -S unlink -S rename",
                true,
            ),
            ("-a always,exit -F arch=b64 -S unlink,rename", false),
            ("-a always,exit -F arch=b64 -S all\n-a always,exit -F arch=b32 -S all", true),
            (
                "-a always,exit -F arch=b64 -S unlink\n-a always,exit -F arch=b32 -S unlink,rename",
                false,
            ),
            ("-a always,exit -S unlink,rename -F auid>=1000 -F auid!=unset", true),
            ("-a always,exit -S unlink,rename -F auid>=2000", false),
            ("-a always,exit -S unlink,rename -F success=1", false),
            ("-a never,exit -S rename -F exe=/usr/bin/x\n-a always,exit -S unlink,rename", false),
            ("-a never,exit -S open\n-a always,exit -S unlink,rename", true),
        ] {
            let loaded = parse(text).expect("rules");
            let rules = Rules { rules: &loaded.rules, archs: &BOTH, is_arm: false };
            assert_eq!(rules.records(&["unlink", "rename"]), expect, "{text}");
        }
    }

    #[test]
    fn what_auditctl_would_stop_at_is_told_with_its_line() {
        assert_eq!(parse("-w /etc/passwd\n-w etc/group"), Err(2));
        assert_eq!(parse("-x"), Err(1));
        assert_eq!(parse("-a always,nowhere"), Err(1));
        assert_eq!(parse("-w /etc/passwd -p q"), Err(1));
    }

    #[test]
    fn the_lock_comes_last_wherever_it_stands() {
        let text = augmented(["-D\n-e 2\n-b 8", "# x\n-w /etc/passwd"].into_iter());
        assert_eq!(text, "-b 8\n# x\n-w /etc/passwd\n-e 2");
        assert_eq!(parse(&text).expect("rules").enabled, Some(2));
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in "\\PC{0,200}", rule in "[-a-zA-Z0-9/,=!<>& ]{0,80}") {
            for text in [text, format!("-a always,exit {rule}"), format!("-w /etc {rule}")] {
                if let Ok(loaded) = parse(&text) {
                    let rules = Rules { rules: &loaded.rules, archs: &BOTH, is_arm: false };
                    let _ = (rules.watches("/etc/passwd", false, "wa"), rules.records(&["execve"]));
                }
            }
        }
    }
}
