//! OSCAL 1.2 (NIST), as canonical JSON: a catalogue of ids and titles, a profile from the Statement
//! of Applicability, a plan, and the results, with exceptions as risks. Identifiers are UUIDs of
//! version 5, so that equal contents are equal bytes.
//!
//! An outcome that is not known is never `satisfied`: the state has two words, so that the finding
//! says `not-satisfied`, and why. Controls of which no rule speaks have no finding, and are named in
//! an observation.

mod plan;
mod results;

use super::fleet::Fleet;
use super::{Output, put, time};
use crate::applicability::Entry;
use crate::catalogue::Control;
use crate::snapshot::SnapshotError;
use aws_lc_rs::digest as sha;
use evidence::canonical;
use serde_json::{Map, Value, json};

const OSCAL_VERSION: &str = "1.2.1";
/// Of properties that are ours.
const NAMESPACE: &str = "https://evidenced.example/ns/oscal";
/// The namespace of our identifiers.
const UUIDS: [u8; 16] = *b"\x5c\x1d\x0f\x52\x9e\x0b\x4b\x0e\x8a\x5d\x6f\x1c\x2d\x7e\x90\x31";

/// Makes the five documents.
pub(super) fn write(fleet: &Fleet, out: &mut dyn Output) -> Result<(), SnapshotError> {
    document(out, "oscal/catalog.json", &catalogue(fleet))?;
    document(out, "oscal/profile.json", &plan::profile(fleet))?;
    document(out, "oscal/assessment-plan.json", &plan::plan(fleet))?;
    results::write(fleet, out)
}

fn document(out: &mut dyn Output, name: &str, value: &Value) -> Result<(), SnapshotError> {
    let mut bytes = canonical::to_vec(value)?;
    bytes.push(b'\n');
    put(out, name, &bytes)
}

/// A UUID of version 5 (RFC 9562 section 5.5) for a thing of this snapshot.
fn uuid(fleet: &Fleet, what: &str) -> String {
    let pins = &fleet.head.pins;
    let name =
        format!("{} {} {} {} {what}", fleet.head.origin, pins.known_size, pins.from_us, pins.at_us);
    let mut context = sha::Context::new(&sha::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(&UUIDS);
    context.update(name.as_bytes());
    let hash = context.finish();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_ref()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x50;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex::encode(bytes);
    let parts = [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]];
    parts.join("-")
}

fn metadata(fleet: &Fleet, title: &str) -> Value {
    let head = &fleet.head;
    let of = if head.organisation.is_empty() { "this organisation" } else { &head.organisation };
    let mut metadata = json!({
        "title": format!("{title} of {of}"), "last-modified": time(head.pins.at_us),
        "version": format!("{} leaves", head.pins.known_size), "oscal-version": OSCAL_VERSION,
    });
    let asked = &head.asked;
    let said =
        [("label", &asked.label), ("recipient", &asked.recipient), ("purpose", &asked.purpose)];
    let props: Vec<_> =
        said.into_iter().filter_map(|(name, text)| Some(prop(name, one_line(text)?))).collect();
    if !props.is_empty() {
        metadata["props"] = props.into();
    }
    metadata
}

fn prop(name: &str, value: impl Into<String>) -> Value {
    json!({"name": name, "ns": NAMESPACE, "value": value.into()})
}

/// A value of a property: one line with something in it.
fn one_line(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// A control's identifier as a token: `a.8.5`.
fn token(control: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '_' };
    control.chars().map(|c| plain(c.to_ascii_lowercase())).collect()
}

fn objective(control: &str) -> String {
    format!("{}_obj", token(control))
}

fn catalogue(fleet: &Fleet) -> Value {
    let mut groups: Vec<(String, Vec<Value>)> = vec![];
    for control in fleet.catalogue.controls() {
        let theme = control.theme.as_str().to_owned();
        match groups.iter_mut().find(|(name, _)| *name == theme) {
            Some((_, controls)) => controls.push(catalogue_control(control)),
            None => groups.push((theme, vec![catalogue_control(control)])),
        }
    }
    let groups: Vec<_> = groups
        .into_iter()
        .map(|(theme, controls)| json!({"id": theme, "title": capital(&theme), "controls": controls}))
        .collect();
    let title = format!("Controls ({}), ids and titles only, as used", fleet.catalogue.standard);
    json!({"catalog": {
        "uuid": uuid(fleet, "catalog"), "metadata": metadata(fleet, &title), "groups": groups,
    }})
}

fn catalogue_control(control: &Control) -> Value {
    json!({
        "id": token(&control.id), "title": control.title,
        "props": [{"name": "label", "value": control.id}],
        "parts": [{"id": objective(&control.id), "name": "assessment-objective"}],
    })
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|c| c.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
}

/// What an entry of a Statement of Applicability says, as properties.
fn said(isms: &str, entry: &Entry) -> Vec<Value> {
    let grounds: Vec<_> = entry.grounds.iter().map(|ground| ground.word()).collect();
    let implementation = entry.implementation.map(|word| word.word()).unwrap_or_default();
    let texts = [
        ("isms", isms.to_owned()),
        ("applicable", entry.applicable_word().to_owned()),
        ("grounds", grounds.join(" ")),
        ("justification", entry.justification.clone()),
        ("implementation-status", implementation.to_owned()),
        ("owner", entry.owner.clone()),
        ("references", entry.references.join("; ")),
    ];
    texts.iter().filter_map(|(name, text)| Some(prop(name, one_line(text)?))).collect()
}

/// An object without its empty lists: OSCAL has none.
fn without_empty(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(_, member)| match member {
                Value::Array(items) => !items.is_empty(),
                Value::Null => false,
                _ => true,
            });
            Value::Object(
                kept.map(|(key, member)| (key, without_empty(member))).collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => items.into_iter().map(without_empty).collect(),
        other => other,
    }
}
