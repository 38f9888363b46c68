//! `docs/evidence/` and `docs/privacy.md` are written from the contract, the schedules and the
//! rules. `UPDATE_EXPECT=1 cargo test -p evidenced-agent --test docs` rewrites them; without it the
//! test fails where they are stale.

use evidence::kinds::KindInfo;
use evidenced_agent::collectors::{self, Collector};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const MARK: &str =
    "<!-- Written by `UPDATE_EXPECT=1 cargo test -p evidenced-agent --test docs`. -->\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn info(collector: &Collector) -> &'static KindInfo {
    collector.info().expect("contract")
}

fn list(text: &mut String, items: impl IntoIterator<Item = String>, none: &str) {
    let mut any = false;
    for item in items {
        let _ = writeln!(text, "- {item}");
        any = true;
    }
    if !any {
        let _ = writeln!(text, "{none}");
    }
    text.push('\n');
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// A fact: its dotted path, its type, and the doc comment of the contract.
struct Field {
    path: String,
    shape: String,
    about: String,
}

/// The fields of a JSON Schema, depth first. `[]` marks the members of a list, `.*` those of a map.
fn fields(schema: &Value) -> Vec<Field> {
    let mut found = Vec::new();
    walk(schema, schema, "", &mut found);
    found
}

fn walk(schema: &Value, node: &Value, path: &str, found: &mut Vec<Field>) {
    let Some(properties) = node["properties"].as_object() else { return };
    for (name, property) in properties {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        field(schema, property, path, found);
    }
}

fn field(schema: &Value, property: &Value, mut path: String, found: &mut Vec<Field>) {
    let own = property["description"].as_str();
    let mut node = resolved(schema, property);
    let mut shape = String::new();
    if is_a(node, "array") {
        path.push_str("[]");
        shape.push_str("list of ");
        node = resolved(schema, &node["items"]);
    } else if node["additionalProperties"].is_object() {
        path.push_str(".*");
        shape.push_str("map of ");
        node = resolved(schema, &node["additionalProperties"]);
    }
    let about = own.or_else(|| node["description"].as_str()).unwrap_or_default();
    shape.push_str(&shape_of(node));
    // Links of rustdoc lead nowhere here.
    let about = about.replace("[`", "`").replace("`]", "`");
    let about = about.split_whitespace().collect::<Vec<_>>().join(" ");
    found.push(Field { path: path.clone(), shape, about });
    walk(schema, node, &path, found);
}

/// Whether a node is of a type, or absent.
fn is_a(node: &Value, word: &str) -> bool {
    let all = node["type"].as_array().map(Vec::as_slice).unwrap_or_default();
    node["type"] == word || all.iter().any(|one| one == word)
}

/// Through references, and through what an optional field adds: absent is no value of its own.
fn resolved<'s>(schema: &'s Value, node: &'s Value) -> &'s Value {
    if let Some(reference) = node["$ref"].as_str() {
        let target = schema.pointer(reference.trim_start_matches('#')).expect("a definition");
        return resolved(schema, target);
    }
    let choices = node["anyOf"].as_array().map(Vec::as_slice).unwrap_or_default();
    match choices.iter().find(|choice| choice["type"] != "null") {
        Some(choice) => resolved(schema, choice),
        None => node,
    }
}

fn shape_of(node: &Value) -> String {
    let words: Vec<_> = words(node).iter().map(|word| code(word)).collect();
    if !words.is_empty() {
        return words.join(" ");
    }
    match &node["type"] {
        Value::String(word) => word.replace("object", "record"),
        Value::Array(all) => {
            let word = all.iter().filter_map(Value::as_str).find(|word| *word != "null");
            word.unwrap_or("value").to_owned()
        }
        _ => "value".to_owned(),
    }
}

/// The words of an enumeration.
fn words(node: &Value) -> Vec<&str> {
    let own = node["enum"].as_array().map(Vec::as_slice).unwrap_or_default();
    let choices = node["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
    let nested = choices.iter().flat_map(words);
    let constant = node["const"].as_str();
    own.iter().filter_map(Value::as_str).chain(constant).chain(nested).collect()
}

/// Rules that read a kind: id, severity, title.
fn rules() -> BTreeMap<String, Vec<[String; 3]>> {
    let mut rules: BTreeMap<String, Vec<[String; 3]>> = BTreeMap::new();
    for entry in std::fs::read_dir(root().join("config/rules")).expect("rules") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a rule file");
        let file: toml::Table = text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for rule in file["rule"].as_array().expect("rules") {
            let word = |key: &str| rule[key].as_str().expect("text").to_owned();
            for kind in rule["evidence"].as_array().expect("kinds") {
                let kind = kind.as_str().expect("a kind").to_owned();
                rules.entry(kind).or_default().push([word("id"), word("severity"), word("title")]);
            }
        }
    }
    rules.values_mut().for_each(|rules| rules.sort());
    rules
}

fn kind_page(collector: &Collector, rules: &[[String; 3]]) -> String {
    let (kind, about) = (info(collector), info(collector).about);
    let mut text =
        format!("{MARK}\n# {}: {}\n\n{}\n\n", code(kind.name), kind.title, about.purpose);
    let live = if collector.live_only {
        "The running system only: `unsupported` with `--root`."
    } else {
        "The running system, and another root file system with `--root`."
    };
    let _ = writeln!(
        text,
        "Version {} · schedule `{}` (UTC) · cost {} · {}\n\n{live}\n",
        kind.v,
        collector.schedule,
        about.cost.as_str(),
        if kind.personal { "personal, see [privacy](../privacy.md)" } else { "not personal" },
    );
    text.push_str("## What is read\n\n");
    let more = Some(about.also_reads).filter(|more| !more.is_empty()).map(str::to_owned);
    list(&mut text, about.reads.iter().map(|path| code(path)).chain(more), "");
    text.push_str("## What never leaves the host\n\n");
    list(
        &mut text,
        about.stays.iter().map(|it| (*it).to_owned()),
        "What is read holds nothing that would have to stay.",
    );
    text.push_str("## What needs a privilege\n\n");
    let need = |(privilege, what): &(evidence::kinds::about::Privilege, &str)| {
        format!(
            "{}: {what}. Without it that is `unread`, and rules over it are unknown.",
            code(privilege.as_str())
        )
    };
    list(&mut text, about.needs.iter().map(need), "Nothing.");
    text.push_str("## Facts\n\nA fact that was not read is an absent key.\n\n| fact | type | meaning |\n|---|---|---|\n");
    for field in fields(kind.schema().as_value()) {
        let about = field.about.replace('|', "\\|");
        let _ = writeln!(text, "| {} | {} | {about} |", code(&field.path), field.shape);
    }
    text.push_str("\n## Rules that read it\n\n");
    list(
        &mut text,
        rules.iter().map(|[id, severity, title]| format!("`{id}` ({severity}): {title}")),
        "None yet.",
    );
    text.trim_end().to_owned() + "\n"
}

fn index() -> String {
    let mut text = format!(
        "{MARK}\n# Kinds of evidence\n\nWhat the agent gathers. Each page says what is read, what \
         never leaves the host, what needs a privilege, and what every fact means. \
         `evidenced-agent kinds --format json` says the same on a host, with the kinds that its \
         operator declared (see [own evidence](../own-evidence.md)).\n\nCost is processor time of \
         one collection on a usual server with warm caches: light up to 10 ms, moderate up to \
         100 ms, heavy more, at the lowest priority and within a budget.\n\n\
         | kind | title | schedule (UTC) | cost | personal |\n|---|---|---|---|---|\n"
    );
    for collector in collectors::ALL {
        let kind = info(collector);
        let personal = if kind.personal { "yes" } else { "" };
        let (name, cost) = (kind.name, kind.about.cost.as_str());
        let (title, schedule) = (kind.title, collector.schedule);
        let _ = writeln!(
            text,
            "| [`{name}`]({name}.md) | {title} | `{schedule}` | {cost} | {personal} |"
        );
    }
    text
}

fn privacy() -> String {
    let personal = || collectors::ALL.iter().filter(|collector| info(collector).personal);
    let mut text = format!(
        "{MARK}\n# What is collected about people\n\nEvidenced proves that controls work. Some \
         controls are about who may do what, so some kinds of evidence name accounts. This page \
         says which, why, for how long, and how to switch each off. No kind reads contents of \
         files, messages or logs of people, what they type, when or from where they work.\n\n"
    );
    for collector in personal() {
        let (kind, about) = (info(collector), info(collector).about);
        let _ = writeln!(text, "## {}: {}\n\n{}\n", code(kind.name), kind.title, about.people);
        text.push_str("What never leaves the host:\n\n");
        list(&mut text, about.stays.iter().map(|it| (*it).to_owned()), "nothing more.");
        let _ = writeln!(
            text,
            "Switched off by `{} = \"off\"` under `[schedule]` in the agent's configuration. Every fact: [reference](evidence/{}.md).\n",
            kind.name, kind.name
        );
    }
    let names: Vec<_> = collectors::ALL
        .iter()
        .map(|collector| info(collector))
        .filter(|kind| !kind.personal)
        .map(|kind| code(kind.name))
        .collect();
    let _ = write!(
        text,
        "## The other kinds\n\n{} describe the machine. Names of accounts can still stand in some of \
         them, as in the name of a service or the owner of a file.\n\n\
         ## How long\n\nUntil the collector's data are removed: this version keeps all evidence, and \
         removes none by itself. The intended limit for personal kinds is 13 months.\n\n\
         ## Lists of people\n\nA list of people that an organisation imports (`people-list import`) \
         holds what its columns say: a name or number, accounts, unit, first and last day; other \
         columns are not kept. A new list takes its place. Of those who are on it no more the last \
         line is kept for 13 months, so that an account they left behind is found, and removed with \
         the first list after that. The unit before a move is kept until somebody reviewed it. The \
         log holds digests and counts, and no name. Without a list nothing of this is kept.\n\n\
         ## What switching off costs\n\nRules that read a kind which is off are unknown, never \
         pass: the controls they support say so.\n\n\
         ## What an operator declares\n\nOwn kinds can be marked `personal = true` \
         ([own evidence](own-evidence.md)); whether they are is the operator's to decide and to \
         document.\n",
        names.join(", ")
    );
    text
}

fn pages() -> BTreeMap<PathBuf, String> {
    let rules = rules();
    let page = |collector: &Collector| {
        let rules = rules.get(collector.kind).map(Vec::as_slice).unwrap_or_default();
        let path = format!("docs/evidence/{}.md", collector.kind);
        (PathBuf::from(path), kind_page(collector, rules))
    };
    let mut pages: BTreeMap<_, _> = collectors::ALL.iter().map(page).collect();
    pages.insert("docs/evidence/README.md".into(), index());
    pages.insert("docs/privacy.md".into(), privacy());
    pages
}

#[test]
fn the_reference_of_the_kinds_is_what_the_contract_says() {
    let (pages, update) = (pages(), std::env::var_os("UPDATE_EXPECT").is_some());
    let mut stale = Vec::new();
    for (path, text) in &pages {
        let whole = root().join(path);
        if std::fs::read_to_string(&whole).is_ok_and(|found| found == *text) {
            continue;
        }
        if update {
            std::fs::create_dir_all(whole.parent().expect("a directory")).expect("made");
            std::fs::write(&whole, text).expect("written");
        }
        stale.push(path.display().to_string());
    }
    for entry in std::fs::read_dir(root().join("docs/evidence")).expect("docs/evidence") {
        let path = Path::new("docs/evidence").join(entry.expect("an entry").file_name());
        if !pages.contains_key(&path) {
            stale.push(format!("{} (no such kind)", path.display()));
        }
    }
    assert!(update || stale.is_empty(), "stale, run the test with UPDATE_EXPECT=1: {stale:?}");
}

#[test]
fn every_fact_has_a_meaning_a_person_can_read_or_a_name_that_needs_none() {
    for collector in collectors::ALL {
        let all = fields(info(collector).schema().as_value());
        assert!(!all.is_empty(), "{}", collector.kind);
        for field in all {
            assert!(field.shape != "value", "{}: {} has no type", collector.kind, field.path);
        }
    }
}
