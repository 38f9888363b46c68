//! Pages of the past: what is said of the moment around them, and how links stay in it.

use super::page::{When, count, segment};
use crate::moment::{Moment, written};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// What the frame says of another moment.
pub struct Past {
    pub at: When,
    /// `as known now (log size 1,204)`.
    pub known: String,
    /// The same, as it was known then; none when that is what is shown.
    pub then: Option<String>,
    /// The same page, now.
    pub now_path: String,
    /// Of the form: `2026-03-31T18:00`, in the organisation's zone.
    pub value: String,
    /// Why the rules are not those of then.
    pub instead: Option<String>,
}

impl Past {
    pub fn of(moment: &Moment, as_known: bool, now_path: &str, zone: &TimeZone) -> Self {
        let size = count(moment.size());
        let joint = if now_path.contains('?') { '&' } else { '?' };
        let at = written(moment.at_us);
        Self {
            at: When::spoken_exactly(moment.at_us),
            known: match as_known {
                true => format!("as it was known at log size {size}"),
                false => format!("as it is known now, log size {size}"),
            },
            then: (!as_known).then(|| format!("{now_path}{joint}at={at}&known={at}")),
            now_path: now_path.to_owned(),
            value: local(moment.at_us, zone),
            instead: None,
        }
    }
}

fn local(us: i64, zone: &TimeZone) -> String {
    let at = Timestamp::from_microsecond(us).map(|at| at.to_zoned(zone.clone()));
    at.map(|at| at.strftime("%Y-%m-%dT%H:%M").to_string()).unwrap_or_default()
}

/// An address without `at` and `known`.
pub fn without_moment(address: &str) -> String {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let is_moment = |pair: &&str| {
        let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
        !matches!(name, "at" | "known")
    };
    let rest: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    let rest: Vec<&str> = rest.into_iter().filter(is_moment).collect();
    if rest.is_empty() { path.to_owned() } else { format!("{path}?{}", rest.join("&")) }
}

/// Puts the moment into every link to another page and every form that looks, and takes out the forms
/// that change something: the past is not acted on. What is marked `data-now` leads back to now.
pub fn carry(html: &str, moment: &[(String, String)]) -> String {
    let query: Vec<String> =
        moment.iter().map(|(name, value)| format!("{name}={}", segment(value))).collect();
    let query = query.join("&amp;");
    let mut out = String::with_capacity(html.len() + html.len() / 8);
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let (text, tag_on) = rest.split_at(start);
        out.push_str(text);
        let end = tag_on.find('>').map_or(tag_on.len(), |end| end + 1);
        let (tag, after) = tag_on.split_at(end);
        rest = after;
        if tag.contains(" data-now") {
            out.push_str(tag);
        } else if tag.starts_with("<a ") {
            out.push_str(&link(tag, &query));
        } else if tag.starts_with("<form ") && tag.contains("method=\"post\"") {
            if tag.contains("action=\"/logout\"") {
                out.push_str(tag);
                continue;
            }
            let over = rest.find("</form>").map_or(rest.len(), |at| at + "</form>".len());
            rest = &rest[over..];
            out.push_str("<p class=\"hint\">Not in the past: do it as of now.</p>");
        } else if tag.starts_with("<form ") {
            out.push_str(tag);
            for (name, value) in moment {
                let value = escaped(value);
                out.push_str(&format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">"));
            }
        } else {
            out.push_str(tag);
        }
    }
    out.push_str(rest);
    out
}

/// A link with the moment; one that leaves, or that has a moment of its own, as it is.
fn link(tag: &str, query: &str) -> String {
    let Some((before, from)) = tag.split_once("href=\"") else { return tag.to_owned() };
    let Some((address, after)) = from.split_once('"') else { return tag.to_owned() };
    let stays = address.starts_with('/') && !address.starts_with("//");
    let own = address.contains("?at=") || address.contains("&amp;at=") || address.contains("&at=");
    if !stays || own || address == "/account" {
        return tag.to_owned();
    }
    let (page, part) = match address.split_once('#') {
        Some((page, part)) => (page, format!("#{part}")),
        None => (address, String::new()),
    };
    let joint = if page.contains('?') { "&amp;" } else { "?" };
    format!("{before}href=\"{page}{joint}{query}{part}\"{after}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(html: &str) -> String {
        carry(html, &[("at".to_owned(), "2026-03-31T18:00:00Z".to_owned())])
    }

    #[test]
    fn every_link_within_keeps_the_moment_and_its_part_of_the_page() {
        for (before, after) in [
            ("/hosts", "/hosts?at=2026-03-31T18%3A00%3A00Z"),
            ("/hosts#expected", "/hosts?at=2026-03-31T18%3A00%3A00Z#expected"),
            ("/controls?scope=x", "/controls?scope=x&amp;at=2026-03-31T18%3A00%3A00Z"),
            ("https://example.org/", "https://example.org/"),
            ("//example.org/", "//example.org/"),
            ("#main", "#main"),
            ("/x?at=now", "/x?at=now"),
        ] {
            let html = format!("<p>a &lt; b</p><a class=\"c\" href=\"{before}\">x</a>");
            let wanted = format!("<p>a &lt; b</p><a class=\"c\" href=\"{after}\">x</a>");
            assert_eq!(carried(&html), wanted);
        }
        let back = "<a data-now href=\"/hosts\">Back</a>";
        assert_eq!(carried(back), back);
    }

    #[test]
    fn what_changes_something_is_not_offered_and_what_looks_keeps_the_moment() {
        let html = "<form method=\"post\" action=\"/x\"><button>Do</button></form>after";
        let shown = carried(html);
        assert!(!shown.contains("<form") && !shown.contains("button"), "{shown}");
        assert!(shown.ends_with("after"));
        let out = "<form method=\"post\" action=\"/logout\"><button>Out</button></form>";
        assert_eq!(carried(out), out);
        let filter = carried("<form method=\"get\" action=\"/drift\"></form>");
        assert!(filter.contains("name=\"at\" value=\"2026-03-31T18:00:00Z\""), "{filter}");
        // What a text of the outside would smuggle in stays a value.
        let hostile = [("at".to_owned(), "\"><script>".to_owned())];
        assert!(!carry("<form method=\"get\"></form>", &hostile).contains("<script"));
    }

    #[test]
    fn the_moment_is_taken_out_of_an_address_and_nothing_else_is() {
        for (with, without) in [
            ("/hosts?at=2026-03-31", "/hosts"),
            ("/hosts?page=2&at=x&known=7", "/hosts?page=2"),
            ("/drift?kind=change&attach=1", "/drift?kind=change&attach=1"),
            ("/", "/"),
        ] {
            assert_eq!(without_moment(with), without);
        }
    }
}
