//! Every page of the example, as a browser and an attacker would read it.

#[path = "../examples/pages/catalogue.rs"]
mod catalogue;
#[path = "../examples/pages/data.rs"]
mod data;
#[path = "../examples/pages/decisions.rs"]
mod decisions;
#[path = "../examples/pages/drifts.rs"]
mod drifts;
#[path = "../examples/pages/people.rs"]
mod people;
#[path = "../examples/pages/records.rs"]
mod records;
#[path = "../examples/pages/render.rs"]
mod render;
#[path = "../examples/pages/rules.rs"]
mod rules;
#[path = "../examples/pages/scope.rs"]
mod scope;
#[path = "../examples/pages/statements.rs"]
mod statements;

use std::collections::BTreeSet;

/// Elements that have no end tag (HTML, section 13.1.2).
const VOID: &[&str] = &["meta", "link", "input", "br", "hr", "img"];

/// A tag as it stands in the text: its name, its attributes, whether it opens, closes or both.
struct Tag<'a> {
    name: &'a str,
    attributes: Vec<(&'a str, &'a str)>,
    closes: bool,
    alone: bool,
}

/// Reads all tags; anything that is not strictly written is an error.
fn tags(html: &str) -> Result<Vec<Tag<'_>>, String> {
    let mut tags = Vec::new();
    let mut rest = html.strip_prefix("<!doctype html>").ok_or("no doctype")?;
    while let Some((text, after)) = rest.split_once('<') {
        if text.contains('>') {
            return Err(format!("a bare `>` near `{text}`"));
        }
        let (tag, after) = after.split_once('>').ok_or("a tag that does not end")?;
        tags.push(read(tag)?);
        rest = after;
    }
    Ok(tags)
}

fn read(tag: &str) -> Result<Tag<'_>, String> {
    let closes = tag.starts_with('/');
    let alone = tag.ends_with('/');
    let body = tag.trim_start_matches('/').trim_end_matches('/');
    let (name, mut rest) = body.split_once(' ').unwrap_or((body, ""));
    let mut attributes = Vec::new();
    while !rest.trim().is_empty() {
        let end = rest.find(['=', ' ']).unwrap_or(rest.len());
        let (key, after) = rest.trim_start().split_at(end.min(rest.trim_start().len()));
        match after.strip_prefix("=\"") {
            Some(value) => {
                let (value, after) = value.split_once('"').ok_or(format!("no end quote: {tag}"))?;
                attributes.push((key, value));
                rest = after.trim_start();
            }
            None => return Err(format!("an attribute without a quoted value: {tag}")),
        }
    }
    Ok(Tag { name, attributes, closes, alone })
}

fn well_formed(html: &str) -> Result<Vec<Tag<'_>>, String> {
    let tags = tags(html)?;
    let mut open: Vec<&str> = Vec::new();
    for tag in &tags {
        if tag.closes {
            match open.pop() {
                Some(name) if name == tag.name => {}
                other => return Err(format!("</{}> closes {other:?}", tag.name)),
            }
        } else if !tag.alone && !VOID.contains(&tag.name) {
            open.push(tag.name);
        }
    }
    if open.is_empty() { Ok(tags) } else { Err(format!("never closed: {open:?}")) }
}

fn pages() -> Vec<(String, String)> {
    let pages = render::all().expect("pages");
    assert!(pages.len() > 50, "{}", pages.len());
    pages
}

#[test]
fn every_page_is_well_formed_and_obeys_the_content_security_policy() {
    for (name, html) in pages() {
        let tags = well_formed(&html).unwrap_or_else(|error| panic!("{name}: {error}"));
        for tag in tags {
            assert!(!["script", "style", "img", "b onclick"].contains(&tag.name), "{name}");
            for (key, value) in &tag.attributes {
                assert!(!key.starts_with("on") && *key != "style", "{name}: {key}");
                if ["href", "src", "action"].contains(key) {
                    assert!(value.starts_with('/') || value.starts_with('#'), "{name}: {value}");
                    assert!(!value.starts_with("//"), "{name}: {value}");
                }
            }
        }
    }
}

#[test]
fn what_a_host_says_is_text_and_never_markup() {
    let pages = pages();
    let of = |wanted: &str| {
        pages.iter().find(|(name, _)| name == wanted).map(|(_, html)| html.as_str()).expect("page")
    };
    for name in [
        "result",
        "overview",
        "hosts",
        "host-2",
        "control-A.8.5",
        "facts-2-ssh_server",
        "drift-one",
        "exceptions",
        "exception-active",
        "list",
    ] {
        assert!(
            of(name).contains("&#60;script&#62;alert("),
            "{name} does not show the host's words"
        );
        assert!(!of(name).contains("<script"), "{name}");
    }
    assert!(of("host-2").contains("toor&#39; style=&#39;color:red"));
    assert!(of("host-2").contains("{{ 7*7 }}"));
    // What people say is text too.
    assert!(of("applicability").contains("&#60;script&#62;alert("));
    for name in ["isms", "isms-one", "people-list", "control-said", "groups"] {
        let escaped = ["&#60;b&#62;", "&#60;i&#62;"].iter().any(|text| of(name).contains(text));
        assert!(escaped && !of(name).contains("<i>"), "{name}");
    }
}

#[test]
fn ids_are_unique_and_every_fragment_and_label_finds_its_place() {
    for (name, html) in pages() {
        let tags = well_formed(&html).expect("well formed");
        let all = |wanted: &str| {
            tags.iter()
                .flat_map(|tag| &tag.attributes)
                .filter(|(key, _)| *key == wanted)
                .map(|(_, value)| *value)
                .collect::<Vec<_>>()
        };
        let ids = all("id");
        let unique: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(unique.len(), ids.len(), "{name}");
        for label in all("aria-labelledby") {
            assert!(unique.contains(label), "{name}: {label}");
        }
        for fragment in all("href").into_iter().filter_map(|href| href.strip_prefix('#')) {
            assert!(unique.contains(fragment), "{name}: #{fragment}");
        }
    }
}

#[test]
fn no_heading_and_no_table_is_empty() {
    for (name, html) in pages() {
        let dense: String = html.split('\n').collect();
        for empty in [
            "<h1></h1>",
            "<h2></h2>",
            "<tbody role=\"rowgroup\"></tbody>",
            "<ul></ul>",
            "<dl class=\"dl\"></dl>",
        ] {
            assert!(!dense.contains(empty), "{name}: {empty}");
        }
        assert_eq!(html.matches("<h1>").count(), 1, "{name}");
    }
}

#[test]
fn pages_are_the_same_on_every_run() {
    assert!(pages() == pages());
}

#[test]
fn the_checker_finds_what_it_looks_for() {
    for bad in [
        "<!doctype html><p>",
        "<!doctype html><p></b></p>",
        "<!doctype html><p><b></p></b>",
        "<!doctype html><p class=x></p>",
        "<p></p>",
    ] {
        assert!(well_formed(bad).is_err(), "{bad}");
    }
    assert!(
        well_formed("<!doctype html><p class=\"a b\" id=\"c\">x<br></p><path d=\"M0 0\"/>").is_ok()
    );
}

#[test]
fn the_style_names_its_contents_and_the_pages_ask_for_it() {
    let (path, style) = evidenced_collector::web::stylesheet();
    let digest = evidence::Digest::of(style).to_string();
    assert_eq!(path, format!("/assets/style.{}.css", &digest[..16]));
    for (name, html) in pages() {
        assert!(html.contains(&format!("<link rel=\"stylesheet\" href=\"{path}\">")), "{name}");
    }
}
