//! The tags of an XML text with their attributes, in order; comments, declarations and what stands
//! between tags are passed over. What has no end, or attributes of another form, is refused.

/// `<name a="1">` or `<name a="1"/>`; of `</name>` the name has its slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag<'t> {
    pub name: &'t str,
    pub attributes: Vec<(&'t str, &'t str)>,
}

impl Tag<'_> {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value)
    }
}

/// Every tag; `None` where the text is cut or is no XML of this simple kind.
pub fn tags(text: &str) -> Option<Vec<Tag<'_>>> {
    let mut tags: Vec<Tag<'_>> = Vec::new();
    let mut open = Vec::new();
    let mut rest = text;
    while let Some((_, behind)) = rest.split_once('<') {
        if let Some(comment) = behind.strip_prefix("!--") {
            rest = comment.split_once("-->")?.1;
            continue;
        }
        if let Some(declaration) = behind.strip_prefix('?') {
            rest = declaration.split_once("?>")?.1;
            continue;
        }
        let length = end_of(behind)?;
        let inner = &behind[..length];
        rest = &behind[length + 1..];
        let (inner, is_closed) = match inner.strip_suffix('/') {
            Some(inner) => (inner, true),
            None => (inner, false),
        };
        let tag = tag(inner)?;
        match tag.name.strip_prefix('/') {
            Some(name) if open.pop() != Some(name) => return None,
            None if !is_closed => open.push(tag.name),
            _ => {}
        }
        tags.push(tag);
    }
    (open.is_empty() && !tags.is_empty()).then_some(tags)
}

/// Where a tag ends: at the first `>` outside of quotes.
fn end_of(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '>') => return Some(at),
            (None, '<') => return None,
            _ => {}
        }
    }
    None
}

fn tag(inner: &str) -> Option<Tag<'_>> {
    let end = inner.find(char::is_whitespace).unwrap_or(inner.len());
    let (name, mut rest) = inner.split_at(end);
    let is_name = |c: char| c.is_ascii_alphanumeric() || "/-_:.".contains(c);
    if name.is_empty() || !name.chars().all(is_name) {
        return None;
    }
    let mut attributes = Vec::new();
    while !rest.trim().is_empty() {
        let (key, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| ['"', '\''].contains(c))?;
        let (value, behind) = after[1..].split_once(quote)?;
        attributes.push((key.trim(), value));
        rest = behind;
    }
    Some(Tag { name, attributes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Option<Vec<String>> {
        let tags = tags(text)?;
        let attributes = |tag: &Tag<'_>| {
            let all = tag.attributes.iter().map(|(name, value)| format!(" {name}={value}"));
            all.collect::<String>()
        };
        Some(tags.iter().map(|tag| format!("{}{}", tag.name, attributes(tag))).collect())
    }

    #[test]
    fn tags_have_names_and_attributes() {
        let text = "<?xml version=\"1.0\"?>\n<!-- <b/> -->\n<a x='1>2' y = \"z\">text<c/></a>\n";
        let expected = ["a x=1>2 y=z", "c", "/a"].map(str::to_owned);
        assert_eq!(names(text), Some(expected.to_vec()));
    }

    #[test]
    fn what_is_cut_or_crossed_is_refused() {
        for text in [
            "",
            "text",
            "<a>",
            "<a",
            "<a></b>",
            "<a x=1/>",
            "<a x/>",
            "<a x=\"1/>",
            "<!-- <a/>",
            "<a><b></a></b>",
        ] {
            assert_eq!(names(text), None, "{text}");
        }
    }
}
