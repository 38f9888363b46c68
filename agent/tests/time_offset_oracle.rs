//! How far the clock is off, as `time_sync` says it, against programs that decide: a real chronyd
//! that follows another and chronyc(1), and timedatectl(1) for systemd-timesyncd's property on a
//! real message bus. Each in namespaces of its own. Needs the packages chrony, dbus, iproute2,
//! python3-dbus, python3-gi and systemd.

use evidence::kinds::TimeSync;
use evidence::kinds::time_sync::{Age, ClientName, Offset};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const AGENT: &str = env!("CARGO_BIN_EXE_evidenced-agent");

/// A directory of this test that chronyd takes for one of its own.
fn directory() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().expect("directory");
    let mode = std::fs::Permissions::from_mode(0o770);
    std::fs::set_permissions(directory.path(), mode).expect("mode");
    directory
}

/// What a script prints, in namespaces of its own.
fn apart(namespaces: &[&str], script: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("unshare");
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").arg("--map-root-user").args(namespaces);
    let output = command.args(["sh", "-ec", script]).args(arguments).output().expect("unshare");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The agent's word, after a line of its own in what a script printed.
fn facts(said: &str) -> (TimeSync, Vec<Value>) {
    let (_, document) = said.split_once("AGENT\n").expect("the agent ran");
    let document: Value = serde_json::from_str(document).expect("JSON");
    let kind = &document["kinds"]["time_sync"];
    let facts = serde_json::from_value(kind["facts"]["data"].clone()).expect("typed");
    (facts, kind["unread"].as_array().expect("a list").clone())
}

/// As if a unit ran: this machine may have no systemd.
const CGROUP: &str = "mount -t tmpfs tmpfs /sys/fs/cgroup
    unit() { mkdir -p /sys/fs/cgroup/system.slice/$1; echo $2 >/sys/fs/cgroup/system.slice/$1/cgroup.procs; }
    unit cron.service 1
";

/// A server that takes its own clock for right, and a client of it. `$1` is a directory, `$2` the
/// agent, and `$3` which of both has the command port that is built in.
const CHRONYD: &str = "cd $1
    ip link set lo up
    for name in server client; do
        port=10323; [ $name = $3 ] && port=323
        printf 'cmdport %s\\nbindcmdaddress 127.0.0.1\\nbindcmdaddress /\\npidfile %s.pid\\n' \
            $port $1/$name >$name.conf
    done
    printf 'local stratum 3\\nallow 127.0.0.1\\nport 11123\\n' >>server.conf
    printf 'server 127.0.0.1 port 11123 iburst minpoll 0 maxpoll 0\\nport 0\\n' >>client.conf
    for name in server client; do chronyd -x -d -u root -f $1/$name.conf >$name.log 2>&1 & done
    # The command returns once the client follows and knows how well; a server knows at once.
    port=10323; [ $3 = client ] && port=323
    chronyc -h 127.0.0.1 -p $port waitsync 300 0 1000 0.1 >/dev/null
    unit chrony.service $(cat client.pid)
    chronyc -h 127.0.0.1 -c -n tracking
    echo AGENT
    $2 collect --kind time_sync --format json
    kill $(cat server.pid) $(cat client.pid)
";

fn with_chronyd(asked: &str) -> (String, TimeSync, Vec<Value>) {
    let directory = directory();
    let place = directory.path().to_str().expect("UTF-8");
    let script = format!("{CGROUP}{CHRONYD}");
    let said = apart(&["--mount", "--net"], &script, &["sh", place, AGENT, asked]);
    let (facts, unread) = facts(&said);
    (said, facts, unread)
}

#[test]
fn a_chronyd_that_follows_another_says_how_well_as_chronyc_prints_it() {
    let (said, facts, unread) = with_chronyd("client");
    let line: Vec<&str> = said.lines().next().expect("chronyc's").split(',').collect();
    assert_eq!(line[13], "Normal", "{said}");
    let number = |field: &str| field.parse::<f64>().expect("a number");
    let error_s = number(line[4]).abs() + number(line[11]) + number(line[10]) / 2.0;
    assert!(error_s < 0.1, "two at one machine, and yet {error_s} s: {said}");
    assert_eq!(facts.offset, Some(Offset { by: ClientName::Chrony, within_ms: 100 }), "{said}");
    assert_eq!((facts.synchronised, facts.last_sync_age), (Some(true), Some(Age::UnderThreeHours)));
    assert!(!unread.contains(&"offset".into()), "{unread:?}");
}

#[test]
fn a_chronyd_that_takes_its_own_clock_for_right_says_nothing_of_its_error() {
    // The server is the one that answers at the port.
    let (said, facts, unread) = with_chronyd("server");
    assert_eq!(facts.offset, None, "{said}");
    assert_ne!(facts.synchronised, Some(true), "{said}");
    assert!(unread.contains(&"offset".into()), "{unread:?}");
}

#[test]
fn a_chronyd_without_an_answer_is_not_synchronised() {
    let script = format!(
        "{CGROUP}cd $1
        ip link set lo up
        printf 'server 127.0.0.1 port 9\\nbindcmdaddress 127.0.0.1\\nbindcmdaddress /\\npidfile %s\\n' \
            $1/pid >conf
        chronyd -x -d -u root -f $1/conf >log 2>&1 &
        until chronyc -h 127.0.0.1 -c -n tracking >told; do :; done
        unit chrony.service $(cat pid)
        cat told; echo AGENT
        $2 collect --kind time_sync --format json
        kill $(cat pid)"
    );
    let directory = directory();
    let place = directory.path().to_str().expect("UTF-8");
    let said = apart(&["--mount", "--net"], &script, &["sh", place, AGENT]);
    assert!(said.lines().next().is_some_and(|line| line.contains("Not synchronised")), "{said}");
    assert_eq!((facts(&said).0.synchronised, facts(&said).0.offset), (Some(false), None), "{said}");
}

/// Microseconds of a span as systemd prints it: `+1.500ms`, `400us`, `1min 2.5s`.
fn span_us(text: &str) -> f64 {
    let units = [("min", 60e6), ("ms", 1e3), ("us", 1.0), ("s", 1e6)];
    let of = |word: &str| {
        let unit = units.iter().find_map(|(unit, us)| Some((word.strip_suffix(unit)?, us)));
        let (number, us) = unit.unwrap_or_else(|| panic!("{word:?} in {text:?}"));
        number.trim_start_matches(['+', '-']).parse::<f64>().expect("a number") * us
    };
    text.split(' ').map(of).sum()
}

/// The members of the property; the server is `ahead_us` ahead of a host whose clock says `now_s`.
fn message(now_s: u64, ahead_us: i64, packets: u64) -> String {
    let sent = now_s * 1_000_000;
    let received = sent.checked_add_signed(ahead_us + 200).expect("a time");
    let [sent_back, came] = [received + 50, sent + 450];
    format!("[0,4,4,2,-25,3000,40,[192,0,2,1],{sent},{received},{sent_back},{came},0,{packets},7]")
}

const BUS: &str = r#"<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen>
<auth>EXTERNAL</auth><policy context="default"><allow own="*"/><allow send_destination="*"/>
<allow eavesdrop="true"/></policy></busconfig>"#;

#[test]
fn what_timesyncd_learnt_is_read_as_timedatectl_prints_it() {
    let script = format!(
        "{CGROUP}mount -t tmpfs tmpfs /run
        mkdir -p /run/dbus /run/systemd/system /run/systemd/timesync
        touch /run/systemd/timesync/synchronized
        mount -t tmpfs tmpfs /usr/lib/systemd
        touch /usr/lib/systemd/systemd /usr/lib/systemd/systemd-timesyncd
        mkdir /usr/lib/systemd/system
        touch /usr/lib/systemd/system/systemd-timesyncd.service /usr/lib/systemd/system/chrony.service
        unit systemd-timesyncd.service 1
        echo \"$1\" >/run/bus.conf
        dbus-daemon --config-file=/run/bus.conf --fork --print-pid >/run/bus.pid
        code=0; /usr/bin/python3 \"$2\" \"$3\" sh -ec \
            'timedatectl timesync-status; echo AGENT; exec \"$0\" collect --kind time_sync --format json' \
            \"$4\" || code=$?
        kill $(cat /run/bus.pid); exit $code"
    );
    let peer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/timesyncd.py");
    let peer = peer.to_str().expect("UTF-8");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after");
    let now_s = now.as_secs();
    for (ahead_us, within_ms) in [(1500, 100), (-3_200_000, 5000), (61_000_000, 3_600_000)] {
        let message = message(now_s, ahead_us, 5);
        let said = apart(&["--mount"], &script, &["sh", BUS, peer, &message, AGENT]);
        let printed = |name: &str| {
            let value = said.lines().find_map(|line| line.trim().strip_prefix(name));
            span_us(value.unwrap_or_else(|| panic!("{name} in {said}")).trim())
        };
        let root = said.lines().find_map(|line| line.trim().strip_prefix("Root distance: "));
        let root = span_us(root.and_then(|line| line.split(" (").next()).expect("a distance"));
        let error_us = printed("Offset: ") + printed("Delay: ") / 2.0 + root;
        let (facts, _) = facts(&said);
        let offset = facts.offset.expect(&said);
        assert_eq!(offset, Offset { by: ClientName::Timesyncd, within_ms }, "{said}");
        assert!(within_ms as f64 * 1000.0 >= error_us, "{error_us} {said}");
        assert_eq!(facts.synchronised, Some(true));
    }
    // Of yesterday, or none at all.
    for message in [message(now_s - 86_400, 0, 5), message(now_s, 0, 0)] {
        let said = apart(&["--mount"], &script, &["sh", BUS, peer, &message, AGENT]);
        assert_eq!(facts(&said).0.offset, None, "{said}");
        assert!(facts(&said).1.contains(&"offset".into()), "{said}");
    }
}
