//! Seat × address: every address of pages that changes something, with each seat and with nobody,
//! against what is declared here. An address that is not declared fails.

use super::accounts::{Answer, Visitor, WORDS, person};
use evidenced_collector::http::people::posts;
use evidenced_collector::seat::{Right, SEATS};
use evidenced_tests::{Collector, Store};
use std::collections::BTreeSet;

const ADMINISTRATOR: &[&str] = &["administrator"];
const DESCRIBERS: &[&str] = &["administrator", "compliance_lead"];
const KEEPERS: &[&str] = &["administrator", "compliance_lead", "control_owner"];
const WORKERS: &[&str] = &["administrator", "compliance_lead", "control_owner", "operator"];
const RAISERS: &[&str] =
    &["administrator", "compliance_lead", "control_owner", "operator", "internal_auditor"];
const REQUESTERS: &[&str] =
    &["administrator", "compliance_lead", "control_owner", "risk_owner", "operator"];
const WITHDRAWERS: &[&str] = &["administrator", "compliance_lead", "control_owner", "risk_owner"];
const RISK_OWNER: &[&str] = &["risk_owner"];
const INHERITED: &[&str] = &["compliance_lead", "risk_owner"];
const REVIEWERS: &[&str] = &["compliance_lead", "control_owner"];

/// Who may send a form where. Signing in and out and one's own account are everybody's.
const MATRIX: [(&str, &[&str]); 43] = [
    ("/controls/{id}/tolerance", DESCRIBERS),
    ("/drift/{id}/acknowledge", WORKERS),
    ("/enrolment/renewals/{id}/approve", ADMINISTRATOR),
    ("/enrolment/tokens", ADMINISTRATOR),
    ("/enrolment/tokens/{id}/revoke", ADMINISTRATOR),
    ("/exceptions", REQUESTERS),
    ("/exceptions/{id}/decide", RISK_OWNER),
    ("/exceptions/{id}/renew", REQUESTERS),
    ("/exceptions/{id}/withdraw", WITHDRAWERS),
    ("/findings", RAISERS),
    ("/findings/{id}/revise", RAISERS),
    ("/groups", DESCRIBERS),
    ("/inherited", WORKERS),
    ("/inherited/{id}/decide", INHERITED),
    ("/inherited/{id}/end", WORKERS),
    ("/isms", DESCRIBERS),
    ("/isms/{id}", DESCRIBERS),
    ("/isms/{id}/applicability/approve", DESCRIBERS),
    ("/isms/{id}/applicability/import", DESCRIBERS),
    ("/isms/{id}/applicability/return", DESCRIBERS),
    ("/isms/{id}/applicability/submit", DESCRIBERS),
    ("/isms/{id}/applicability/{control}", DESCRIBERS),
    ("/isms/{id}/groups", DESCRIBERS),
    ("/isms/{isms}/records/{register}", REQUESTERS),
    ("/isms/{isms}/records/{register}/records.csv", REQUESTERS),
    ("/isms/{isms}/records/{register}/{record}/decide", INHERITED),
    ("/isms/{isms}/records/{register}/{record}/revise", REQUESTERS),
    ("/isms/{isms}/records/{register}/{record}/withdraw", REQUESTERS),
    ("/lists/{group}/{population}/decide", KEEPERS),
    ("/lists/{group}/{population}/learn", KEEPERS),
    ("/people", ADMINISTRATOR),
    ("/people/list", DESCRIBERS),
    ("/people/list/reviewed", DESCRIBERS),
    ("/people/{id}/disable", ADMINISTRATOR),
    ("/people/{id}/enable", ADMINISTRATOR),
    ("/people/{id}/link", ADMINISTRATOR),
    ("/people/{id}/seat", ADMINISTRATOR),
    ("/reviews", REVIEWERS),
    ("/reviews/{id}/decide", REVIEWERS),
    ("/reviews/{id}/sign", REVIEWERS),
    ("/snapshots", DESCRIBERS),
    ("/windows", WORKERS),
    ("/windows/{id}/cancel", WORKERS),
];

/// Addresses that are everybody's.
const OWN: [&str; 5] = [
    "/login",
    "/logout",
    "/account/password",
    "/account/sessions/end",
    "/account/sessions/end-others",
];

fn address(path: &str) -> String {
    let named =
        ["{id}", "{group}", "{population}", "{control}", "{isms}", "{register}", "{record}"];
    named.iter().fold(path.to_owned(), |path, name| path.replace(name, "x"))
}

const RIGHTS: [Right; 18] = [
    Right::LetIn,
    Right::Acknowledge,
    Right::RequestException,
    Right::DecideException,
    Right::WithdrawException,
    Right::RequestInherited,
    Right::DecideInherited,
    Right::RaiseFinding,
    Right::KeepFindings,
    Right::CloseFinding,
    Right::KeepLists,
    Right::PlanWindow,
    Right::Review,
    Right::Describe,
    Right::Import,
    Right::KeepRecords,
    Right::ApproveRecord,
    Right::ApproveRisk,
];

/// Whether the seat was refused, and not the form: a bad one has the same status in places.
fn is_refused(answer: &Answer) -> bool {
    answer.status == 403 && RIGHTS.iter().any(|right| answer.body.contains(right.refusal()))
}

#[test]
fn every_address_that_changes_something_is_in_the_matrix_and_no_other() {
    let there: BTreeSet<_> = posts().into_iter().map(|(path, _)| path).collect();
    let declared = MATRIX.iter().map(|(path, _)| *path);
    let declared: BTreeSet<_> = declared.chain(OWN).collect();
    assert_eq!(there, declared);
}

#[tokio::test]
async fn each_seat_is_let_through_where_it_is_declared_and_refused_everywhere_else() {
    let collector = Collector::start(Store::Sqlite).await;
    let mut wrong = vec![];
    for seat in SEATS {
        let mut visitor = Visitor::new(&collector);
        let name = format!("the {seat}");
        visitor.sets_password(&person(&collector, &name, seat).await, WORDS).await;
        for (path, seats) in MATRIX {
            let answer = visitor.post(&address(path), &[]).await;
            if is_refused(&answer) == seats.contains(&seat) || answer.status >= 500 {
                wrong.push(format!("{seat} {path}: {}", answer.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    collector.verified_log().await;
}

#[tokio::test]
async fn nobody_is_sent_to_the_login_from_every_address_but_that_of_the_login() {
    let collector = Collector::start(Store::Sqlite).await;
    let mut nobody = Visitor::new(&collector);
    for (path, _) in posts() {
        if path == "/login" {
            continue;
        }
        let answer = nobody.post(&address(path), &[]).await;
        assert_eq!((answer.status, answer.location.as_str()), (303, "/login"), "{path}");
    }
}

#[tokio::test]
async fn all_other_sessions_end_at_once_as_one_act_and_those_of_others_do_not() {
    let collector = Collector::start(Store::Sqlite).await;
    let mut ann = Visitor::new(&collector);
    ann.sets_password(&person(&collector, "ann", "viewer").await, WORDS).await;
    let mut bob = Visitor::new(&collector);
    bob.sets_password(&person(&collector, "bob", "viewer").await, WORDS).await;
    let mut there = Visitor::new(&collector);
    let form = [("name", "ann"), ("password", WORDS)];
    assert_eq!(there.post("/login", &form).await.location, "/");
    assert_eq!(there.get("/account").await.status, 200);
    let answer = ann.post("/account/sessions/end-others", &[]).await;
    assert_eq!(answer.location, "/account?done=sessions");
    assert_eq!(there.get("/account").await.location, "/login");
    assert_eq!(ann.get("/account").await.status, 200, "the one that asked");
    assert_eq!(bob.get("/account").await.status, 200, "of somebody else");
    collector.verified_log().await;
}
