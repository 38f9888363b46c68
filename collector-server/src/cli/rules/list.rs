//! `rules list`.

use super::super::hosts::printable;
use super::{At, Format, say};
use crate::judge::{Off, ParamShown, Rule};
use comfy_table::{Table, presets};
use serde_json::json;

pub(super) async fn rules(at: &At, group: Option<&str>, format: Format) -> anyhow::Result<()> {
    let rules = at.rules();
    let of_group: Vec<&Rule> = match group {
        Some(group) => rules.rules_of(group).collect(),
        None => rules.rules().iter().collect(),
    };
    let off: Vec<&Off> = match group {
        Some(group) => rules.off_of(group).iter().collect(),
        None => rules.off(),
    };
    if format == Format::Json {
        say(&json!({
            "rules": of_group.iter().map(|rule| rule.described()).collect::<Vec<_>>(), "off": off,
            "set": rules.id_of(group.unwrap_or_default()), "overlay": at.judging.overlay,
            "refused": at.judging.refused,
        })
        .to_string());
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["RULE", "SEVERITY", "PROFILE", "CONTROLS", "PARAMETERS"]);
    for rule in of_group {
        let param =
            |param: ParamShown| format!("{} = {} ({})", param.name, param.value, param.origin);
        let params: Vec<_> = ParamShown::of(rule).into_iter().map(param).collect();
        table.add_row([
            rule.id.clone(),
            rule.severity.as_str().to_owned(),
            rule.profile.as_str().to_owned(),
            rule.controls.join(" "),
            printable(&params.join("; ")),
        ]);
    }
    say(&table.trim_fmt());
    if !off.is_empty() {
        say("\nSwitched off:");
    }
    for off in off {
        let hosts = off.group.as_ref().map_or("all hosts".to_owned(), |g| format!("group {g}"));
        say(&printable(&format!("  {} for {hosts}: {}", off.rule, off.reason)));
    }
    Ok(())
}

pub(super) async fn versions(at: &At, format: Format) -> anyhow::Result<()> {
    let versions = at.store.overlay_versions(1000).await?;
    if format == Format::Json {
        versions.iter().for_each(|version| say(&json!(version).to_string()));
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["VERSION", "SINCE", "BY", "LOG", "FILES"]);
    for version in versions {
        let at = jiff::Timestamp::from_microsecond(version.at_us)?;
        table.add_row([
            version.version.to_string(),
            at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            printable(&version.actor),
            version.log_index.to_string(),
            version.overlay,
        ]);
    }
    say(&table.trim_fmt());
    Ok(())
}
