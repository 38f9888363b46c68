use super::*;
use crate::catalogue::Catalogue;
use crate::store::model::HostState;
use crate::web::input;
use crate::web::rule;
use crate::web::testing::{NOW, host, log, result};

const OVERLAY: &str = r#"
[[off]]
rule = "acc-uid0-only-root"
reason = "A break-glass account; risk R-1."
groups = ["plant"]

[[off]]
rule = "acc-no-empty-password"
reason = "None has one."

[[param]]
rule = "upd-os-supported"
name = "tier"
value = "standard"
policy_ref = "POL-9"
groups = ["plant"]
"#;

fn rules() -> RuleSet {
    let chosen = crate::config::Rules {
        profiles: vec![judge::Profile::Essential],
        directory: Default::default(),
    };
    let overlay = [("overlay/own.toml".to_owned(), OVERLAY.to_owned())];
    let catalogue = Catalogue::builtin().expect("catalogue");
    RuleSet::with_overlay(&chosen, &overlay, &catalogue).unwrap_or_else(|e| panic!("{}", e[0]))
}

fn frame() -> Frame {
    Frame::inside(None, NOW, log())
}

#[test]
fn hosts_of_a_group_for_which_a_rule_is_off_are_not_counted_by_it() {
    let rules = rules();
    let shown = input::rules(&rules);
    let mut hosts =
        vec![host(1, HostState::Active, Some(NOW)), host(2, HostState::Active, Some(NOW))];
    hosts[1].group = "plant".to_owned();
    let results = [result(1, "acc-uid0-only-root", "fail", 2)];
    let now = Now { at_us: NOW, hosts: &hosts, results: &results, rules: &shown, controls: &[] };
    let input = Input { now, rules: &rules, overlay: None, refused: None, versions: &[] };
    let page = page(frame(), &input);
    let rows: Vec<_> = page.profiles.iter().flat_map(|profile| &profile.rows).collect();
    let row = |id: &str| rows.iter().find(|row| row.id == id);
    let uid0 = row("acc-uid0-only-root").expect("row");
    assert_eq!((uid0.counts.fail.as_str(), uid0.counts.unknown.as_str()), ("1", "0"));
    assert_eq!(uid0.hosts, "not plant");
    assert_eq!(row("upd-os-supported").expect("row").counts.unknown, "2");
    assert!(row("acc-no-empty-password").is_none(), "it judges nobody");
    let off: Vec<_> = page.off.iter().map(|off| (off.id.as_str(), off.hosts.as_str())).collect();
    assert_eq!(off, [("acc-no-empty-password", "all hosts"), ("acc-uid0-only-root", "plant")]);
}

#[test]
fn a_rule_shows_its_parameters_where_they_differ_and_why_it_is_off() {
    let rules = rules();
    let shown = input::rules(&rules);
    let now = Now { at_us: NOW, hosts: &[], results: &[], rules: &shown, controls: &[] };
    let page = |id: &str, last: &[(String, i64)]| rule::page(frame(), &now, &rules, id, last);
    let support = page("upd-os-supported", &[]).expect("page");
    let told: Vec<_> = support
        .forms
        .iter()
        .map(|form| {
            (form.hosts.as_str(), form.params[0].value.as_str(), form.params[0].origin.as_str())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("all other hosts", "\"lts\"", "vendor default, not adopted"),
            ("group plant", "\"standard\"", "POL-9")
        ]
    );
    let off = page("acc-no-empty-password", &[("fail".to_owned(), 3)]).expect("page");
    assert!(off.counts.is_none());
    assert_eq!(off.off, [("all hosts".to_owned(), "None has one.".to_owned())]);
    assert_eq!((off.last[0].0.word, off.last[0].1.as_str()), ("fail", "3 hosts"));
    assert!(page("no-such-rule", &[]).is_none());
}
