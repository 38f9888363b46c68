//! `updateinfo.xml`: what was fixed, how grave it was, and by which packages.

use super::{evr, is_word};
use crate::formats::xml::{Step, XmlError, walk};
use jiff::Unit;
use jiff::civil::Date;
use std::io::Read;
use std::rc::Rc;

/// One advisory, without its packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advice {
    pub id: String,
    /// It fixes a weakness.
    pub security: bool,
    pub rating: Rating,
    /// Day on which it was issued, counted from the epoch.
    pub issued_day: Option<i64>,
}

/// As its author rates it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rating {
    #[default]
    None,
    Low,
    Moderate,
    Important,
    Critical,
}

/// A package of an advisory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advised {
    pub name: String,
    pub arch: String,
    /// `[EPOCH:]VERSION-RELEASE`.
    pub evr: String,
    /// It is one of a stream of a module.
    pub modular: bool,
    pub advice: Rc<Advice>,
}

/// Shows `take` every package of an advisory whose name is `wanted`; says how many bytes there
/// were.
pub fn advisories(
    from: impl Read,
    max: u64,
    wanted: impl Fn(&str) -> bool,
    mut take: impl FnMut(Advised),
) -> Result<u64, XmlError> {
    let mut advice = Advice::default();
    let mut packages: Vec<(String, String, String, bool)> = Vec::new();
    let mut modular = false;
    walk(from, max, &mut |step| {
        match step {
            Step::Open { depth: 1, name, .. } if name != "updates" => {
                return Err(XmlError::Other("advisories"));
            }
            Step::Open { depth: 2, name: "update", attributes } => {
                let kind = attributes.get("type").filter(|kind| is_word(kind));
                let Some(kind) = kind else {
                    return Err(XmlError::Invalid("an advisory without a type".to_owned()));
                };
                advice = Advice { security: kind == "security", ..Advice::default() };
            }
            Step::Open { depth: 3, name: "issued", attributes } => {
                advice.issued_day = attributes.get("date").and_then(|date| day(&date));
            }
            Step::Close { depth: 3, name: "id", text } => text.clone_into(&mut advice.id),
            Step::Close { depth: 3, name: "severity", text } => advice.rating = rating(text),
            Step::Open { depth: 4, name: "collection", .. } => modular = false,
            Step::Open { depth: 5, name: "module", .. } => modular = true,
            Step::Open { depth: 5, name: "package", attributes } => {
                let name = attributes.get("name").filter(|name| is_word(name));
                let arch = attributes.get("arch").filter(|arch| is_word(arch));
                let (Some(name), Some(arch)) = (name, arch) else {
                    return Err(XmlError::Invalid("a package of an advisory is none".to_owned()));
                };
                let evr = evr(attributes, ["epoch", "version", "release"])?;
                if wanted(&name) {
                    packages.push((name, arch, evr, modular));
                }
            }
            Step::Close { depth: 2, name: "update", .. } => {
                if !is_word(&advice.id) {
                    return Err(XmlError::Invalid("an advisory without a name".to_owned()));
                }
                let advice = Rc::new(std::mem::take(&mut advice));
                for (name, arch, evr, modular) in packages.drain(..) {
                    take(Advised { name, arch, evr, modular, advice: advice.clone() });
                }
            }
            _ => {}
        }
        Ok(())
    })
}

/// Words of Red Hat, Fedora and SUSE.
fn rating(text: &str) -> Rating {
    match text.to_ascii_lowercase().as_str() {
        "critical" => Rating::Critical,
        "important" | "high" | "urgent" => Rating::Important,
        "moderate" | "medium" => Rating::Moderate,
        "low" => Rating::Low,
        _ => Rating::None,
    }
}

/// `2026-11-20`, with a time after it or none, or seconds since the epoch (SUSE).
fn day(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(seconds.div_euclid(86_400));
    }
    let date: Date = text.get(..10)?.parse().ok()?;
    let since = date.since((Unit::Day, jiff::civil::date(1970, 1, 1))).ok()?;
    Some(i64::from(since.get_days()))
}
