use super::*;

const NOW: i64 = 1_000_000_000_000;

fn host(n: u128, name: &str, state: HostState, ago_s: Option<i64>) -> HostRow {
    HostRow {
        id: HostId::from(n),
        name: name.to_owned(),
        group: "web".to_owned(),
        state,
        enrolled_us: 0,
        last_received_us: ago_s.map(|ago| NOW - ago * 1_000_000),
        next_due_s: ago_s.map(|_| 60),
        agent: None,
        manifest: None,
        revoked_us: None,
    }
}

fn list(text: &str) -> Vec<Expected> {
    parse_hosts(text.as_bytes()).unwrap_or_else(|bad| panic!("{bad}")).entries
}

fn refused(text: &[u8]) -> Vec<(u64, String)> {
    let BadFile(bad) = parse_hosts(text).expect_err("a bad file");
    bad.into_iter().map(|bad| (bad.line, format!("{}; {}", bad.reason, bad.remedy))).collect()
}

#[test]
fn every_expected_host_is_counted_once_and_the_terms_add_up() {
    use HostState::{Active, Ended, Enrolling, Maintenance, Retired};
    let expected = list("name,group\na,web\nb,web\nc,web\nd,web\ne,web\nf,web\ng,web\n");
    let hosts = [
        host(1, "a", Active, Some(5)),
        host(2, "b", Active, Some(500)),
        host(3, "c", Enrolling, None),
        host(4, "d", Ended, Some(5)),
        host(5, "e", Retired, Some(5)),
        host(6, "f", Maintenance, Some(5)),
        host(7, "stranger", Active, Some(5)),
        host(8, "gone", Retired, Some(5)),
    ];
    let reconciled = reconcile(&expected, &hosts, NOW);
    let counts = Found::ALL.map(|state| reconciled.count(state));
    assert_eq!(counts, [2, 1, 1, 1, 1, 1, 1]);
    assert_eq!(reconciled.expected(), 7);
    assert_eq!(counts[..6].iter().sum::<usize>(), reconciled.expected());
    assert_eq!(
        reconciled.says(),
        "7 expected = 2 reporting + 1 silent + 1 enrolling + 1 missing + 1 ended + 1 retired"
    );
    let all: BTreeSet<_> = reconciled.lines.iter().filter_map(|line| line.host).collect();
    assert_eq!(all.len(), 7, "nobody twice; a stranger that left is nobody's");
}

#[test]
fn names_are_matched_without_case_and_across_domains_only_when_one_can_be_meant() {
    let active = |n, name| host(n, name, HostState::Active, Some(5));
    let check = |csv: &str, hosts: &[HostRow]| {
        let reconciled = reconcile(&list(csv), hosts, NOW);
        let line = |line: &Line| {
            format!("{} {} {}", line.name, line.state.word(), line.note.as_deref().unwrap_or("-"))
        };
        reconciled.lines.iter().map(line).collect::<Vec<_>>()
    };
    let fqdn = [active(1, "web-01.example.org")];
    assert_eq!(
        check("name,group\nWEB-01.Example.org.,web\n", &fqdn),
        ["WEB-01.Example.org. reporting -"]
    );
    assert_eq!(
        check("name,group\nweb-01,web\n", &fqdn),
        ["web-01 reporting the host calls itself web-01.example.org"]
    );
    // The near misses: two could be meant; another domain is another host.
    let two = [active(1, "web-01.example.org"), active(2, "web-01.example.net")];
    assert_eq!(
        check("name,group\nweb-01,web\n", &two),
        [
            "web-01 missing could be web-01.example.net or web-01.example.org: write the full name",
            "web-01.example.net unlisted -",
            "web-01.example.org unlisted -",
        ]
    );
    assert_eq!(
        check("name,group\nweb-01.example.com,web\n", &fqdn),
        ["web-01.example.com missing -", "web-01.example.org unlisted -",]
    );
    let short = [active(1, "web-01")];
    assert_eq!(
        check("name,group\nweb-01.a.org,web\nweb-01.b.org,web\n", &short),
        [
            "web-01.a.org missing could be web-01: write the full name",
            "web-01.b.org missing could be web-01: write the full name",
            "web-01 unlisted -",
        ]
    );
}

#[test]
fn of_two_hosts_of_one_name_the_one_that_reports_is_meant_and_the_other_is_shown() {
    let hosts = [
        host(1, "web-01", HostState::Active, Some(5000)),
        host(2, "WEB-01", HostState::Active, Some(5)),
        host(3, "web-01", HostState::Retired, Some(5)),
    ];
    let reconciled = reconcile(&list("name,group\nweb-01,db\n"), &hosts, NOW);
    let lines: Vec<_> =
        reconciled.lines.iter().map(|l| (l.state, l.host, l.note.clone())).collect();
    assert_eq!(
        lines,
        [
            (Found::Reporting, Some(HostId::from(2)), Some("the host is in the group web".into())),
            (
                Found::Unlisted,
                Some(HostId::from(1)),
                Some("another host of this name is the expected one".into())
            ),
        ]
    );
}

#[test]
fn what_spreadsheets_write_is_read() {
    let plain = list("name,group,owner,tags\nweb-01,web,Team A,role=front;site=zrh\n");
    assert_eq!(plain[0].owner.as_deref(), Some("Team A"));
    assert_eq!(
        plain[0].tags,
        [("role", "front"), ("site", "zrh")].map(|(k, v)| (k.into(), v.into())).into()
    );
    for same in [
        "\u{feff}name,group,owner,tags\r\nweb-01,web,Team A,role=front;site=zrh\r\n",
        "Name , GROUP,Owner,Tags\n\"web-01\",\"web\",\"Team A\",\"role=front; site=zrh\"",
        "name;group;owner;tags\nweb-01;web;Team A;\"role=front;site=zrh\"\n;;;\n\n",
        "rack,tags,owner,group,name\n7,role=front;site=zrh,Team A,web,web-01\n",
    ] {
        assert_eq!(list(same), plain, "{same:?}");
    }
    let ignored = parse_hosts(b"rack,name,group\n7,web-01,web\n").expect("a list").ignored;
    assert_eq!(ignored, ["rack"]);
    let quoted = list("name,group\nweb-01,\"a, \"\"b\"\"\"\n");
    assert_eq!(quoted[0].group, "a, \"b\"");
}

#[test]
fn every_bad_line_is_named_with_reason_and_remedy() {
    let text = "name,group,tags\n\
                ok-1,web,\n\
                OK-1.,web,\n\
                ,web,\n\
                no group,web,\n\
                x,,\n\
                y,web\n\
                ok-1.example.org,web,\n\
                z,web,role\n\
                a..b,web,\n";
    let lines: Vec<_> = refused(text.as_bytes());
    let expected = [
        (3, "OK-1. is in line 2 already"),
        (4, "`name` is empty"),
        (5, "`no group` is no host name"),
        (6, "`group` is empty"),
        (7, "it has 2 fields, the first line 3"),
        (8, "ok-1.example.org and ok-1 of line 2 may be one host"),
        (9, "the tag `role` has no `=`"),
        (10, "`a..b` is no host name"),
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for ((line, said), (at, words)) in lines.iter().zip(expected) {
        assert_eq!(*line, at);
        assert!(said.starts_with(words) && said.contains("; "), "{said}");
    }
}

#[test]
fn a_file_that_is_no_list_is_refused_in_words() {
    let one = |bytes: &[u8]| refused(bytes).remove(0).1;
    assert!(one(b"").contains("empty"));
    assert!(one(b"host,team\nweb-01,web\n").contains("no column `name`, only host, team"));
    assert!(one(b"name,group,name\n").contains("twice"));
    assert!(one(b"\xff\xfen\0a\0").contains("UTF-16"));
    assert_eq!(refused(b"name,group\nweb-01,w\xfcrfel\n")[0].0, 2);
    // A quote that never ends swallows the rest; it must not be taken for a shorter list.
    assert!(!refused(b"name,group\nweb-01,\"web\nweb-02,web\n").is_empty());
}

#[test]
fn groups_are_read_with_closed_words() {
    let groups = parse_groups(
        b"name,environment,criticality,owner,ttl\nci,test,low,Platform,24h\nweb,,,,\n",
    );
    let groups = groups.expect("groups");
    assert_eq!(groups[0].ttl_s, Some(86_400));
    assert_eq!((&groups[1].environment, groups[1].ttl_s), (&None, None));
    let BadFile(bad) =
        parse_groups(b"name,environment,ttl\nci,prod,24h\nweb,test,long\nci,test,\n")
            .expect_err("bad");
    assert_eq!(bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [2, 3]);
    assert!(bad[0].remedy.contains("production"), "{bad:?}");
}
