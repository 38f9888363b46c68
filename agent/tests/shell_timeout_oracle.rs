//! TMOUT of the kind `session_lock` against bash(1) itself: profiles are put in the place of /etc in
//! a mount namespace, and a login shell says what it made of them. Needs unshare(1) and bash.

use evidence::kinds::SessionLock;
use evidenced_agent::collectors;
use evidenced_agent::host::Host;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use std::path::Path;
use std::process::{Command, Stdio};

/// How distributions run the scripts of /etc/profile.d.
const PROFILES: [&str; 6] = [
    // Debian.
    "if [ \"$(id -u)\" -eq 0 ]; then\n PATH=/usr/sbin:/usr/bin:/sbin:/bin\nelse\n PATH=/usr/bin:/bin\nfi\nexport PATH\n\
     if [ \"${PS1-}\" ]; then\n  if [ \"${BASH-}\" ] && [ \"$BASH\" != \"/bin/sh\" ]; then\n    # A comment isn't read\n    if [ -f /etc/bash.bashrc ]; then\n      . /etc/bash.bashrc\n    fi\n  else\n    PS1='$ '\n  fi\nfi\n\
     if [ -d /etc/profile.d ]; then\n  for i in /etc/profile.d/*.sh; do\n    if [ -r $i ]; then\n      . $i\n    fi\n  done\n  unset i\nfi\n",
    // Its later releases.
    r#"if [ -d /etc/profile.d ]; then
  for i in $(run-parts --list --regex '^[a-zA-Z0-9_][a-zA-Z0-9._-]*\.sh$' /etc/profile.d); do
    if [ -r $i ]; then
      . $i
    fi
  done
  unset i
fi
"#,
    // RHEL.
    r#"pathmunge () {
    case ":${PATH}:" in
        *:"$1":*)
            ;;
        *)
            if [ "$2" = "after" ] ; then
                PATH=$PATH:$1
            else
                PATH=$1:$PATH
            fi
    esac
}
if [ -x /usr/bin/id ]; then
    if [ -z "$EUID" ]; then
        EUID=`id -u`
    fi
    USER="`/usr/bin/id -un`"
fi
HISTSIZE=1000
if [ "$HISTCONTROL" = "ignorespace" ] ; then
    export HISTCONTROL=ignoreboth
else
    export HISTCONTROL=ignoredups
fi
export PATH USER
if [ $UID -gt 199 ] && [ "`/usr/bin/id -gn`" = "`/usr/bin/id -un`" ]; then
    umask 002
else
    umask 022
fi
for i in /etc/profile.d/*.sh /etc/profile.d/sh.local ; do
    if [ -r "$i" ]; then
        if [ "${-#*i}" != "$-" ]; then
            . "$i"
        else
            . "$i" >/dev/null
        fi
    fi
done
unset i
if [ -n "${BASH_VERSION-}" ] ; then
    if [ -f /etc/bash.bashrc ] ; then
        . /etc/bash.bashrc
    fi
fi
"#,
    // Arch.
    "if test -d /etc/profile.d/; then\n\tfor profile in /etc/profile.d/*.sh; do\n\t\ttest -r \"$profile\" && . \"$profile\"\n\tdone\n\tunset profile\nfi\nif test \"$BASH\" &&\\\n   test \"$PS1\" &&\\\n   test -r /etc/bash.bashrc; then\n\t. /etc/bash.bashrc\nfi\n",
    // Nobody runs them.
    "PATH=/usr/bin:/bin\n",
    // With conditions of their own.
    "for i in /etc/profile.d/*.sh; do\n [ \"$i\" = /etc/profile.d/b.sh ] && continue\n . $i\ndone\n",
];

/// What people write, and what looks like it.
const LINES: [&str; 66] = [
    "TMOUT=900",
    "TMOUT='600'",
    "TMOUT=\"300\"",
    "TMOUT=0",
    "TMOUT=900 # a comment",
    "readonly TMOUT",
    "readonly TMOUT=1200",
    "readonly TMOUT=0",
    "export TMOUT",
    "export TMOUT=30",
    "export PATH TMOUT",
    "export A=1 TMOUT=45 B=2",
    "declare -xr TMOUT=900",
    "typeset -r TMOUT=60",
    "declare -x TMOUT",
    "TMOUT=900; readonly TMOUT; export TMOUT",
    "unset TMOUT",
    "unset -f TMOUT",
    "# TMOUT=1",
    "# a comment that ends so \\",
    "TMOUT=9\\\n00",
    "if [ -n \"$PS1\" ]; then TMOUT=77; fi",
    "if [ -n \"${SSH_TTY-}\" ]; then TMOUT=5; fi",
    "if [ \"$(id -u)\" -eq 0 ]; then TMOUT=5; else TMOUT=6; fi",
    "if false; then TMOUT=5; fi",
    "if ! shopt -q login_shell; then TMOUT=5; fi",
    "[ -z \"$PS1\" ] && return",
    "[ -z \"${PS1:-}\" ] && return",
    "[[ $- != *i* ]] && return",
    "case $- in *i*) ;; *) return;; esac",
    "case $TERM in x*) TMOUT=5;; esac",
    "return",
    "[ -n \"$NOBODY\" ] || return 0",
    "f() { TMOUT=5; }",
    "f() { return 1; }",
    "function g { return 1; }",
    "(TMOUT=5)",
    "{ TMOUT=55; }",
    "TMOUT=5 true",
    "echo TMOUT=5 >/dev/null",
    "cat <<X >/dev/null\nTMOUT=5\nX",
    "x='TMOUT=5'",
    "true || TMOUT=5",
    "true && TMOUT=66",
    "TMOUT=5 | cat",
    "TMOUT=5 &",
    "for i in 1 2; do TMOUT=$i; done",
    "eval TMOUT=5",
    ": ${TMOUT:=5}",
    "[ -z \"$TMOUT\" ] && TMOUT=5",
    "[ -n \"$TMOUT\" ] && echo $TMOUT >/dev/null",
    "TMOUT=$((15*60))",
    "TMOUT+=5",
    "((TMOUT=5))",
    "printf -v TMOUT 5",
    "read TMOUT <<<5",
    "declare -i TMOUT=010",
    "SSH_TMOUT=5",
    "export SSH_TMOUT TMOUT_OF_SSH",
    ". /etc/other",
    "[ -r /etc/other ] && . /etc/other",
    "[ -r /etc/missing ] && TMOUT=5",
    "[ -e /etc/profile ] || TMOUT=5",
    "exec 3>&1",
    "test -n \"$BASH_VERSION\" && readonly TMOUT=240",
    "command -v nothing >/dev/null 2>&1 || TMOUT=5",
];

#[derive(Debug)]
struct Machine {
    profile: String,
    files: [String; 4],
}

const NAMES: [&str; 4] = ["profile.d/a.sh", "profile.d/b.sh", "bash.bashrc", "other"];

impl Machine {
    fn on_disk(&self) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("directory");
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("directory");
            std::fs::write(path, text).expect("written");
        };
        write("usr/bin/bash", "");
        write("etc/profile", &self.profile);
        for (name, text) in NAMES.iter().zip(&self.files) {
            write(&format!("etc/{name}"), text);
        }
        root
    }
}

/// TMOUT, and whether it is readonly.
type Said = (Option<i64>, bool);

fn bash_says(root: &Path) -> Said {
    let ask = "echo \"said ${TMOUT-none} $(readonly -p | grep -c ' TMOUT')\"";
    let script = format!(
        "mount --bind \"$0\" /etc && exec bash --login -i -c '{}'",
        ask.replace('\'', "'\\''")
    );
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", &script]).arg(root.join("etc"));
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/nonexistent");
    let output = command.stdin(Stdio::null()).output().expect("unshare");
    let text = String::from_utf8(output.stdout).expect("text");
    let line = text.lines().find_map(|line| line.strip_prefix("said "));
    let errors = String::from_utf8_lossy(&output.stderr);
    let (value, readonly) =
        line.and_then(|l| l.split_once(' ')).unwrap_or_else(|| panic!("{errors}"));
    // As atoi(3) reads it.
    let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
    let value = (value != "none").then(|| digits.parse().unwrap_or(0));
    (value, readonly != "0")
}

/// `None` where it is not understood.
fn agent_says(root: &Path) -> Option<(i64, bool)> {
    let host = Host::rooted(root).expect("root");
    let collected = collectors::find("session_lock").expect("registered").collect(&host);
    let facts: SessionLock =
        serde_json::from_value(collected.facts.expect("facts").data).expect("typed");
    facts.tmout_s.zip(facts.tmout_readonly)
}

fn lines(most: usize) -> impl Strategy<Value = String> {
    let line = prop::sample::select(&LINES[..]);
    prop::collection::vec(line, 0..most)
        .prop_map(|lines| lines.into_iter().map(|line| format!("{line}\n")).collect())
}

fn machines() -> impl Strategy<Value = Machine> {
    let profile = (prop::sample::select(&[0, 0, 1, 2, 2, 3, 4, 5][..]), lines(2), lines(2));
    let profile =
        profile.prop_map(|(at, before, after)| format!("{before}{}{after}", PROFILES[at]));
    (profile, lines(4), lines(3), lines(3), lines(2)).prop_map(|(profile, a, b, bashrc, other)| {
        Machine { profile, files: [a, b, bashrc, other] }
    })
}

#[test]
fn what_is_said_of_tmout_is_what_bash_makes_of_it() {
    let (mut understood, mut timeouts) = (0, 0);
    let mut runner = TestRunner::deterministic();
    for _ in 0..400 {
        let machine = machines().new_tree(&mut runner).expect("generated").current();
        let root = machine.on_disk();
        let Some((seconds, readonly)) = agent_says(root.path()) else { continue };
        let bash = bash_says(root.path());
        assert_eq!((seconds, readonly), (bash.0.unwrap_or(0), bash.1), "{machine:#?}");
        understood += 1;
        timeouts += usize::from(seconds > 0 && readonly);
    }
    assert!(understood >= 80 && timeouts >= 20, "{understood} of 400, {timeouts} with a timeout");
}

/// Each line alone, where a script of Debian's, of RHEL's and of Arch's has it.
#[test]
fn every_line_alone_is_understood_or_left_open() {
    let plain: Vec<_> = LINES[..21].iter().map(|line| (*line, true)).collect();
    let all = plain.into_iter().chain(LINES[21..].iter().map(|line| (*line, false)));
    for (line, is_plain) in all {
        for profile in [PROFILES[0], PROFILES[2], PROFILES[3]] {
            let files = [format!("{line}\n"), String::new(), String::new(), String::new()];
            let machine = Machine { profile: profile.to_owned(), files };
            let root = machine.on_disk();
            let Some((seconds, readonly)) = agent_says(root.path()) else {
                assert!(!is_plain || line.contains("-f"), "{line}");
                continue;
            };
            let bash = bash_says(root.path());
            assert_eq!((seconds, readonly), (bash.0.unwrap_or(0), bash.1), "{line}");
        }
    }
}
