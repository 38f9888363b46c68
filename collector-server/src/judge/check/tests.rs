use super::*;
use crate::judge::cel;
use serde_json::json;

fn checked(expression: &str, purpose: Purpose) -> Result<Reads, Fault> {
    let kinds: Vec<String> = evidence::kinds::ALL.iter().map(|kind| kind.name.to_owned()).collect();
    let params =
        json!({"names": ["a"], "max": 3, "states": ["set"], "typos": ["sett"], "odd": 1.5});
    let params = params.as_object().expect("object").clone().into_iter().collect();
    let expr = cel::parse(expression).expect(expression);
    check(&expr, &Names { known: &Known::default(), kinds: &kinds, params: &params }, purpose)
}

#[track_caller]
fn accepts(purpose: Purpose, expressions: &[&str]) {
    for expression in expressions {
        if let Err(fault) = checked(expression, purpose) {
            panic!("{expression}: {}", fault.message);
        }
    }
}

#[track_caller]
fn refuses(purpose: Purpose, because: &str, expressions: &[&str]) {
    for expression in expressions {
        let fault = checked(expression, purpose).expect_err(expression);
        assert!(fault.message.contains(because), "{expression}: {}", fault.message);
    }
}

#[test]
fn reads_end_at_values_and_at_lists_that_are_counted() {
    let reads = |expression: &str| {
        let reads = checked(expression, Purpose::Passes).expect(expression);
        reads.paths.into_iter().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(reads("size(accounts.users) > 0"), "accounts.users");
    assert_eq!(
        reads("accounts.users.filter(u, u.human).all(v, v.password.state in ['set'])"),
        "accounts.users accounts.users.human accounts.users.password.state"
    );
    assert_eq!(
        reads("accounts.users.all(u, u.groups.all(g, g in accounts.nss_passwd))"),
        "accounts.nss_passwd accounts.users accounts.users.groups"
    );
    assert_eq!(
        reads("ssh_server.matches.all(m, m.settings['x11forwarding'] == 'no')"),
        "ssh_server.matches ssh_server.matches.settings.x11forwarding"
    );
    assert!(checked("today > p.max", Purpose::Passes).expect("today").today);
}

#[test]
fn a_variable_hides_neither_a_kind_nor_a_parameter() {
    refuses(
        Purpose::Passes,
        "is taken",
        &["accounts.users.all(packages, packages.human)", "accounts.users.all(p, p.human)"],
    );
}

#[test]
fn types_are_checked_through_lists_parameters_and_branches() {
    accepts(
        Purpose::Passes,
        &[
            "accounts.legacy_plus_entries + 1 <= p.max * 2",
            "accounts.hashes_in_passwd.all(n, n in p.names)",
            "accounts.users.all(u, u.name.startsWith('a') ? u.uid > 0 : u.human)",
            "'x' + string(packages.count) == 'x1'",
            "ssh_server.global.ports == [22]",
            "host_os.id.matches('^debian$')",
            "-packages.count < 0",
        ],
    );
    refuses(
        Purpose::Passes,
        "cannot be matched",
        &[
            "ssh_server.global.maxauthtries == '6'",
            "accounts.users.all(u, u.name in [1])",
            "p.max == 'a'",
            "accounts.nss_passwd == 'files'",
            "ssh_server.global.ports == ['22']",
            "packages.count + 'a' == 'b'",
            "accounts.duplicates == accounts.duplicates",
            "accounts.users + accounts.users == []",
        ],
    );
    refuses(Purpose::Passes, "an int is needed", &["host_os.id < 1", "packages.count > 'a'"]);
    refuses(Purpose::Passes, "a bool is needed", &["accounts.users.exists(u, u.uid)", "!p.max"]);
    refuses(Purpose::Passes, "branch", &["(packages.count > 0 ? 1 : 'a') == 1"]);
    refuses(Purpose::Passes, "not a list", &["accounts.duplicates.all(d, true)"]);
    refuses(Purpose::Passes, "has no field", &["accounts.users.uid == 0"]);
    refuses(Purpose::Passes, "even list", &["p.odd == 1"]);
}

#[test]
fn keys_cannot_be_counted_listed_or_asked_for() {
    refuses(
        Purpose::Passes,
        "",
        &[
            "size(accounts.duplicates) == 3",
            "'users' in accounts",
            "ssh_server.matches.all(m, size(m.settings) == 0)",
            "ssh_server.matches.all(m, !('x' in m.settings))",
            "ssh_server.matches.all(m, m.settings.all(k, true))",
            "has(accounts.nss_passwd)",
            "accounts.nss_passwd == null",
            "{'a': 1}.a == 1",
            "type(accounts) == map",
            "accounts.users[0].human",
            "accounts.users.exists_one(u, u.uid == 0)",
            "dyn(accounts) == dyn(accounts)",
            "(packages.count > 0 ? accounts : accounts).legacy_plus_entries == 0",
            "[accounts].all(a, a.legacy_plus_entries == 0)",
            "1.5 > 1.0",
        ],
    );
}

#[test]
fn an_unknown_value_can_neither_pass_nor_make_a_rule_not_apply() {
    accepts(
        Purpose::Passes,
        &[
            "accounts.users.all(u, u.password.state in ['set', 'locked'])",
            "accounts.users.all(u, u.password.state == 'locked')",
            "accounts.users.all(u, u.password.state in p.states)",
            "!accounts.users.exists(u, u.password.state != 'locked')",
            "accounts.users.filter(u, u.password.state != 'locked').all(u, u.uid > 0)",
            "accounts.users.all(u, !(u.password.state in ['empty', 'unknown']))",
        ],
    );
    refuses(
        Purpose::Passes,
        "can be `unknown`",
        &[
            "accounts.users.all(u, u.password.state != 'empty')",
            "accounts.users.all(u, !(u.password.state in ['empty']))",
            "!accounts.users.exists(u, u.password.state == 'empty')",
            "accounts.users.filter(u, u.password.state == 'set').all(u, u.uid > 0)",
            "size(accounts.users.filter(u, u.password.state == 'empty')) == 0",
            "accounts.users.all(u, (u.password.state == 'empty') == false)",
            "accounts.users.all(u, u.password.state == 'empty' ? false : true)",
            "accounts.users.all(u, u.password.state.startsWith('s'))",
            "accounts.users.all(u, u.password.state == u.name)",
            "accounts.users.all(u, u.password.state == 'unknown')",
            "!('empty' in accounts.users.map(u, u.password.state))",
        ],
    );
    refuses(
        Purpose::Offenders,
        "can be `unknown`",
        &[
            "accounts.users.filter(u, u.password.state == 'empty').map(u, u.name)",
            "accounts.users.map(u, u.password.state in ['empty'], u.name)",
            "accounts.users.exists(u, u.password.state == 'set') ? ['a'] : []",
        ],
    );
    accepts(
        Purpose::Offenders,
        &[
            "accounts.users.filter(u, u.password.state != 'set').map(u, u.name)",
            "packages.held + accounts.users.filter(u, u.password.state != 'set').map(u, u.name)",
            "packages.count > 0 ? [] : ['none']",
            "[] + packages.held",
        ],
    );
    refuses(
        Purpose::Offenders,
        "can be `unknown`",
        &["packages.held + accounts.users.filter(u, u.password.state == 'empty').map(u, u.name)"],
    );
    refuses(Purpose::Applies, "can be `unknown`", &["host_os.chassis == 'server'"]);
    accepts(Purpose::Applies, &["host_os.chassis != 'server'"]);
    accepts(Purpose::Guard, &["host_os.chassis == 'server'"]);
}

#[test]
fn an_enum_is_only_compared_with_its_own_values() {
    let expression = "accounts.users.all(u, u.password.state == 'sett')";
    let fault = checked(expression, Purpose::Passes).expect_err("typo");
    assert_eq!(fault.suggestion.as_deref(), Some("set"));
    refuses(
        Purpose::Passes,
        "never `sett`",
        &["accounts.users.all(u, u.password.state in p.typos)", "packages.manager == 'sett'"],
    );
}

#[test]
fn patterns_are_short_literals_without_counted_repetition() {
    let long = format!("host_os.id.matches('{}')", "a".repeat(65));
    refuses(
        Purpose::Passes,
        "a pattern is a literal",
        &["host_os.id.matches(host_os.id)", "host_os.id.matches('(a{0,500}){0,40}b')", &long],
    );
}

#[test]
fn a_wrong_name_comes_with_the_right_one() {
    let suggestion = |expression: &str| {
        checked(expression, Purpose::Passes).expect_err(expression).suggestion.expect("suggestion")
    };
    assert_eq!(suggestion("ssh_server.global.maxauthtris == 6"), "maxauthtries");
    assert_eq!(suggestion("packages.count < p.mx"), "max");
    assert_eq!(suggestion("host_os.id.startWith('d')"), "startsWith");
    refuses(Purpose::Passes, "there is no `now`", &["now > 1"]);
}
