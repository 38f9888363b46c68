use super::*;

const TODAY: i64 = 20_800;

fn host(n: u128) -> HostId {
    HostId::from(n)
}

fn account(n: u128, name: &str) -> Account {
    Account {
        host: host(n),
        name: name.into(),
        uid: 1000,
        human: Some(true),
        live: Some(true),
        privileged: Some(false),
    }
}

fn held(person: &str, account: &str) -> Held {
    let listed = Listed {
        person: person.into(),
        accounts: [account.to_owned()].into(),
        unit: "platform".into(),
        ..Listed::default()
    };
    Held { listed, unit_before: None, moved_us: None, gone_us: None }
}

fn leaves(person: &str, account: &str, day: i64) -> Held {
    let held = held(person, account);
    Held { listed: Listed { leave_day: Some(day), ..held.listed }, ..held }
}

fn found(list: &[Held], accounts: Vec<Account>) -> Vec<(Sort, String, usize)> {
    let accounts = Accounts { accounts, ..Accounts::default() };
    let found = findings(list, &accounts, TODAY).into_iter();
    found.map(|finding| (finding.sort, finding.account, finding.hosts.len())).collect()
}

#[test]
fn a_leaver_is_one_whose_last_day_is_over_and_whose_account_works() {
    let list =
        [leaves("one", "one", TODAY - 1), leaves("two", "two", TODAY), held("three", "three")];
    let accounts = || ["one", "two", "three"].map(|name| account(1, name));
    assert_eq!(found(&list, accounts().into()), [(Sort::Leaver, "one".into(), 1)]);
    let mut closed = accounts();
    closed[0].live = Some(false);
    assert!(found(&list, closed.into()).is_empty());
    let mut unsure = accounts();
    unsure[0].live = None;
    let accounts = Accounts { accounts: unsure.into(), ..Accounts::default() };
    let finding = findings(&list, &accounts, TODAY).remove(0);
    assert_eq!(finding.unsure, [host(1)].into(), "what is not known is no closed account");
    assert_eq!(finding.since_day, Some(TODAY));
}

#[test]
fn who_is_on_the_list_no_more_is_a_leaver_and_no_account_without_a_person() {
    let gone = Held { gone_us: Some(TODAY * 86_400_000_000), ..held("one", "one") };
    assert_eq!(found(&[gone], vec![account(1, "one")]), [(Sort::Leaver, "one".into(), 1)]);
}

#[test]
fn an_account_of_people_without_a_person_is_found_and_one_of_the_system_is_not() {
    let system = Account { human: Some(false), uid: 33, ..account(1, "www-data") };
    let root = Account { human: None, uid: 0, ..account(1, "root") };
    let unknown = Account { human: None, uid: 1500, ..account(1, "x") };
    let accounts = vec![account(1, "ghost"), account(2, "ghost"), system, root, unknown];
    assert_eq!(
        found(&[held("one", "one")], accounts),
        [(Sort::NoPerson, "ghost".into(), 2), (Sort::NoPerson, "x".into(), 1)]
    );
}

#[test]
fn a_mover_waits_for_a_review_and_leaving_comes_before_it() {
    let moved = Held { unit_before: Some("sales".into()), moved_us: Some(0), ..held("one", "one") };
    assert_eq!(
        found(std::slice::from_ref(&moved), vec![account(1, "one")]),
        [(Sort::Mover, "one".into(), 1)]
    );
    let left = Listed { leave_day: Some(TODAY - 9), ..moved.listed.clone() };
    let both = Held { listed: left, ..moved };
    assert_eq!(found(&[both], vec![account(1, "one")])[0].0, Sort::Leaver);
    let early = held("two", "two");
    let early = Held { listed: Listed { start_day: Some(TODAY + 1), ..early.listed }, ..early };
    assert_eq!(found(&[early], vec![account(1, "two")])[0].0, Sort::Early);
}

#[test]
fn privileged_accounts_come_first_and_unknown_privilege_counts_as_one() {
    let list = [leaves("a", "a", 1), leaves("b", "b", 1), leaves("c", "c", 1)];
    let mut accounts = ["a", "b", "c"].map(|name| account(1, name));
    accounts[1].privileged = Some(true);
    accounts[2].privileged = None;
    let names: Vec<_> = found(&list, accounts.into()).into_iter().map(|f| f.1).collect();
    assert_eq!(names, ["b", "c", "a"]);
}

#[test]
fn a_file_is_read_and_every_bad_line_is_named_with_its_remedy() {
    let text = "person;accounts;unit;start;leave;badge\n\
                One Person;one;platform;2020-01-01;2026-11-30;17\n\
                Team;deploy build;;;;\n";
    let file = parse(text.as_bytes()).map_err(|bad| bad.to_string()).expect("a list");
    assert_eq!(file.ignored, ["badge"]);
    assert_eq!((file.people[0].start_day, file.people[0].leave_day), (Some(18_262), Some(20_787)));
    assert_eq!(file.people[1].accounts, ["build".to_owned(), "deploy".to_owned()].into());

    let text = "person,accounts,unit,start,leave\n\
                ,one,,,\n\
                One,one,,30.11.2026,\n\
                Two,two,,2026-11-30,2026-11-29\n\
                Three,three,,,\n\
                THREE,other,,,\n\
                Four,three,,,\n\
                Five,a/b,,,\n";
    let error = parse(text.as_bytes()).map(|_| ()).expect_err("refused").to_string();
    let lines: Vec<&str> = error.lines().collect();
    let expected = [
        "line 2: `person` is empty; give the name",
        "line 3: `30.11.2026` is no day; write days as 2026-11-30",
        "line 4: they leave before they start; correct",
        "line 6: this person is in line 5 already",
        "line 7: the account three is that of line 5; give a shared account",
        "line 8: `a/b` is no name of an account; write names",
    ];
    assert_eq!(lines.len(), expected.len(), "{error}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}\nis not\n{expected}");
    }
}
