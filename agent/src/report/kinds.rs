//! What `evidenced-agent kinds` says: which kinds there are, what each reads and what it keeps to
//! itself.

use super::{plain_table, text};
use crate::kinds::{AnyKind, Kinds};
use evidence::declared::Origin;
use serde_json::{Value, json};

/// One line per kind: name, version of the facts, schedule, whether they are about people, what a
/// collection costs, which capabilities it needs to be whole, title.
pub fn kinds_table(known: &Kinds) -> String {
    let mut table = plain_table();
    table.set_header(["KIND", "V", "SCHEDULE (UTC)", "PERSONAL", "COST", "NEEDS", "TITLE"]);
    for kind in known.all() {
        let personal = if kind.is_personal() { "yes" } else { "no" };
        let (v, cost, needs) = (kind.v().to_string(), cost(kind), needs(kind));
        table.add_row([kind.name(), &v, kind.schedule(), personal, cost, &needs, kind.title()]);
    }
    text(&mut table)
}

/// The same and all that [`evidence::kinds::About`] has: `{"kinds":[…]}`.
pub fn kinds_json(known: &Kinds) -> Value {
    let kinds: Vec<_> = known.all().map(entry).collect();
    json!({ "kinds": kinds })
}

fn entry(kind: AnyKind<'_>) -> Value {
    let mut entry = json!({
        "kind": kind.name(),
        "v": kind.v(),
        "title": kind.title(),
        "schedule": kind.schedule(),
        "personal": kind.is_personal(),
        "live_only": kind.is_live_only(),
    });
    let about = match kind {
        AnyKind::Builtin(collector) => json!(collector.info().map(|info| info.about)),
        // What an operator declared is known by its file; no field, no fact.
        AnyKind::Declared(declared) => match &declared.declaration.origin {
            Origin::File(path) => json!({ "reads": [path] }),
            Origin::Command(name) => {
                json!({ "reads": [], "also_reads": format!("command {name}") })
            }
        },
    };
    if let (Value::Object(entry), Value::Object(about)) = (&mut entry, about) {
        entry.extend(about);
    }
    entry
}

fn cost(kind: AnyKind<'_>) -> &'static str {
    match kind {
        AnyKind::Builtin(collector) => collector.info().map_or("", |info| info.about.cost.as_str()),
        AnyKind::Declared(_) => "",
    }
}

/// As systemd and capabilities(7) name them, without `CAP_`.
fn needs(kind: AnyKind<'_>) -> String {
    let AnyKind::Builtin(collector) = kind else { return String::new() };
    let needs = collector.info().map_or(&[][..], |info| info.about.needs);
    let words = needs.iter().map(|(privilege, _)| privilege.as_str().trim_start_matches("CAP_"));
    words.collect::<Vec<_>>().join(" ").to_lowercase()
}
