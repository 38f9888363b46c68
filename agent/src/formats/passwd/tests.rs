use super::*;

/// Checked against `getent passwd` of glibc 2.36 in agent/tests/accounts_oracle.rs.
#[test]
fn a_uid_that_the_library_takes_for_zero_is_zero() {
    for uid in ["0", "00", "+0", "-0", " 0", "\t000"] {
        let records = passwd(format!("a:x:{uid}:1::/:/bin/sh\n").as_bytes());
        assert_eq!(records.lines.first().map(|line| line.uid), Some(0), "{uid:?}");
    }
    for uid in ["", "a", "0x0", "0 ", "--0", "-1", "4294967296", "99999999999999999999999"] {
        let records = passwd(format!("a:x:{uid}:1::/:/bin/sh\n").as_bytes());
        let faults = records.faults.expect("fault");
        assert_eq!((faults.line, faults.first), (1, Fault::Number("uid")), "{uid:?}");
    }
}

#[test]
fn missing_last_fields_are_empty_and_a_shell_keeps_its_colons() {
    let records =
        passwd(b"short:x:0:0\n  lead:x:1:2::/home/lead:/bin/a:b\nlast:x:3:4::/:/bin/sh\n");
    let seen: Vec<_> = records.lines.iter().map(|l| (shown(&l.home), shown(&l.shell))).collect();
    let want = [("", ""), ("/home/lead", "/bin/a:b"), ("/", "/bin/sh")];
    assert_eq!(seen, want.map(|(home, shell)| (home.to_owned(), shell.to_owned())));
    assert!(records.faults.is_none());
}

#[test]
fn comments_blank_and_plus_lines_are_no_accounts_and_nul_is_a_fault() {
    let records = passwd(b"\n  \n#root:x:0:0::/:\n+\n +@admins\n-mallory:::::\na:x:1:1::/:\0\n");
    assert_eq!((records.lines.len(), records.legacy), (0, 3));
    let faults = records.faults.expect("fault");
    assert_eq!(faults.to_string(), "line 7: a NUL byte");
}

#[test]
fn faults_are_counted_and_name_no_contents() {
    let records = shadow(b"alice:$6$salt$invented\nbob:secret:x:::::\ncarol:*:1:0:9:7:::\n");
    let faults = records.faults.expect("fault");
    assert_eq!(faults.to_string(), "line 1: too few fields (2 lines are malformed)");
    assert_eq!(records.lines.len(), 1);
}

#[test]
fn ageing_is_absent_when_off_and_carriage_returns_break_a_shadow_line() {
    let records = shadow(b"a:*:0::4294967295::::\nold:*:1:2:3\nzero:*:1:2:3:4:5:0:\n");
    let days: Vec<_> = records
        .lines
        .iter()
        .map(|l| (l.last_change_day, l.max_days, l.inactive_days, l.expire_day))
        .collect();
    let want = [
        (Some(0), None, None, None),
        (Some(1), Some(3), None, None),
        (Some(1), Some(3), Some(5), Some(0)),
    ];
    assert_eq!(days, want);
    for line in ["a:*:1:2:3:4:5:6:\r", "a:*:1:2:3:4:5:2147483648:", "a:*: :2:3:4:5:6:"] {
        assert!(shadow(format!("{line}\n").as_bytes()).lines.is_empty(), "{line:?}");
    }
}

#[test]
fn members_are_names_between_commas() {
    let records = group(b"g:x:5: a,b ,,c\nempty:x:6:\nshort:x:7\nbroken:x\n");
    let members: Vec<Vec<String>> =
        records.lines.iter().map(|l| l.members.iter().map(|m| shown(m)).collect()).collect();
    assert_eq!(members, [vec!["a", "b ", "c"], vec![], vec![]]);
    assert_eq!(records.faults.map(|faults| faults.line), Some(4));
    let records = gshadow(b"g:!:boss, deputy:a,b\nshort\n");
    let seen: Vec<_> =
        records.lines.iter().map(|l| (l.administrators.len(), l.members.len())).collect();
    assert_eq!(seen, [(2, 2), (0, 0)]);
}

#[test]
fn names_and_paths_that_are_no_text_are_faults_and_a_comment_field_may_hold_anything() {
    let fault = |bytes: &[u8]| passwd(bytes).faults.map(|faults| faults.first);
    assert_eq!(fault(b"\xFF:x:1:1::/:\n"), Some(Fault::NotText("name")));
    assert_eq!(fault(b"a\x07:x:1:1::/:\n"), Some(Fault::NotText("name")));
    assert_eq!(fault(b"a:x:1:1::/h\xE9:\n"), Some(Fault::NotText("home directory")));
    assert_eq!(fault(b"a:x:1:1::/:/bin/\x01\n"), Some(Fault::NotText("shell")));
    assert_eq!(fault("\u{e9}:x:1:1:M\u{fc}ller:/:\n".as_bytes()), None);
    assert_eq!(fault(b"a:x:1:1:M\xFCller:/:\n"), None);
    let faults = group(b"sudo:x:27:al\xE9ce\n").faults.expect("fault");
    assert_eq!(faults.first, Fault::NotText("member"));
}

#[test]
fn a_file_that_was_cut_is_a_fault() {
    let faults = passwd(b"a:x:1:1::/:\nb:x:0:0::/:/bin/s").faults.expect("fault");
    assert_eq!((faults.line, faults.first), (2, Fault::Open));
    assert!(passwd(b"a:x:1:1::/:\n").faults.is_none());
    assert_eq!(passwd(b"").faults.expect("fault").to_string(), "line 1: there is no entry in it");
    assert_eq!(shadow(b"# nobody\n").faults.map(|faults| faults.first), Some(Fault::Empty));
}
