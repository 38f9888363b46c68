//! Which pages there are.

use crate::browser::Browser;
use std::collections::BTreeMap;

/// One page of every shape that links lead to from the overview, each with the most on it that is
/// there, and the pages that no link leads to.
pub(crate) async fn pages(browser: &Browser) -> Vec<String> {
    let mut seen = vec!["/".to_owned()];
    let mut shapes: BTreeMap<String, usize> = BTreeMap::new();
    let mut next = 0;
    while next < seen.len() {
        browser.goto(&seen[next]).await;
        next += 1;
        // A file that is handed out is no page, nor is an answer for programs.
        let is_page = |path: &String| !path.ends_with(".csv") && !path.starts_with("/api/");
        for path in browser.links().await.into_iter().filter(is_page) {
            let count = shapes.entry(shape(&path)).or_default();
            // Of controls three: with a failure, with nothing, with no host evidence.
            let enough = if path.starts_with("/controls/") { 3 } else { 4 };
            if *count < enough && !seen.contains(&path) {
                *count += 1;
                seen.push(path);
            }
        }
    }
    for path in [
        "/controls/A.8.2",
        "/controls/A.5.1",
        "/drift?state=any&severity=low&host=none",
        "/login",
        "/nothing-here",
    ] {
        if !seen.iter().any(|known| known == path) {
            seen.push(path.to_owned());
        }
    }
    seen
}

/// `/hosts/ID/kinds/NAME` → `/hosts/*/kinds/*`.
fn shape(path: &str) -> String {
    let steps = path.split('/').enumerate();
    let steps: Vec<_> =
        steps.map(|(at, step)| if at > 1 && at % 2 == 0 { "*" } else { step }).collect();
    steps.join("/")
}
