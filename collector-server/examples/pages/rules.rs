//! The rules, one of them, and one result explained, under an overlay of the example's own.

use crate::data::{Data, NOW};
use crate::render::frame;
use anyhow::{Context, anyhow};
use askama::Template;
use evidence::{Digest, Facts, Source, Status};
use evidenced_collector::catalogue::Catalogue;
use evidenced_collector::config;
use evidenced_collector::explained::Explained;
use evidenced_collector::judge::{HostState, KindState, Profile, RuleSet};
use evidenced_collector::store::{OverlayVersion, Statement};
use evidenced_collector::web::input::{self, Now};
use evidenced_collector::web::page::Room;
use evidenced_collector::web::{result, rule, rules};
use serde_json::json;
use std::sync::Arc;

const OVERLAY: &str = r#"
[[off]]
rule = "acc-uid0-only-root"
reason = "A break-glass account <b>with</b> a second name; risk R-1."
groups = ["plant"]

[[off]]
rule = "acc-no-empty-password"
reason = "Nobody has one."

[[param]]
rule = "upd-os-supported"
name = "tier"
value = "standard"
policy_ref = "POL-9, section 2"
groups = ["plant"]
"#;

fn active() -> anyhow::Result<RuleSet> {
    let profiles = vec![Profile::Essential, Profile::Standard];
    let chosen = config::Rules { profiles, directory: Default::default() };
    let overlay = [("overlay/own.toml".to_owned(), OVERLAY.to_owned())];
    RuleSet::with_overlay(&chosen, &overlay, &Catalogue::builtin()?)
        .map_err(|errors| anyhow!("{errors:?}"))
}

/// Names and pages.
pub(crate) fn all(data: &Data) -> anyhow::Result<Vec<(String, String)>> {
    let active = active()?;
    let shown = input::rules(&active);
    let now = Now { rules: &shown, ..data.now() };
    let version = OverlayVersion {
        version: 2,
        overlay: Digest::of(OVERLAY.as_bytes()).to_string(),
        at_us: NOW - 3_600_000_000,
        actor: "operator".to_owned(),
        log_index: 1_204_000,
    };
    let versions = [version.clone(), OverlayVersion { version: 1, ..version }];
    let page = |overlay, refused, versions| {
        let input = rules::Input { now, rules: &active, overlay, refused, versions };
        rules::page(frame(Some(Room::Rules), data), &input).render()
    };
    let mut pages = vec![
        ("rules".to_owned(), page(versions.first(), None, versions.as_slice())?),
        ("rules-refused".to_owned(), page(None, Some("version 3: unknown rule `x`"), &[])?),
    ];
    for id in ["upd-os-supported", "acc-no-empty-password", "acc-uid0-only-root"] {
        let last = [("fail".to_owned(), 2)];
        let page = rule::page(frame(Some(Room::Rules), data), &now, &active, id, &last);
        pages.push((format!("rule-{id}"), page.context("rule")?.render()?));
    }
    pages.push(("result".to_owned(), explained(data, &active, "acc-uid0-only-root")?));
    pages.push(("result-unknown".to_owned(), explained(data, &active, "upd-os-supported")?));
    Ok(pages)
}

fn explained(data: &Data, active: &RuleSet, id: &str) -> anyhow::Result<String> {
    let users = json!({"users": [
        {"name": "root", "uid": 0}, {"name": "<script>alert(1)</script>", "uid": 0}]});
    let facts = Some(Arc::new(Facts::new("accounts", 1, users)?));
    let kind = KindState { status: Status::Ok, unread: vec!["users.locked".into()], facts };
    let state = HostState { kinds: [("accounts".to_owned(), kind)].into() };
    let source = Source {
        path: "/etc/passwd".into(),
        status: Status::Ok,
        size_bytes: Some(2048),
        modified_s: None,
        note: None,
    };
    let sources = [("accounts".to_owned(), vec![source])].into();
    let rule = active.get(id).context("rule")?;
    let found = Explained {
        host: data.hosts.first().context("host")?.clone(),
        explanation: active.explain(rule, &state, &sources, 20_780),
        recorded: None,
        statement: Statement {
            index: 1_204_800,
            observed_us: NOW - 60_000_000,
            manifest: Digest::of(b"manifest"),
            complete: true,
        },
        accepted: vec![],
        judged_rules: Some(active.id()),
    };
    Ok(result::page(frame(Some(Room::Hosts), data), &found, NOW).render()?)
}
