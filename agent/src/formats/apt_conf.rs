//! The configuration of apt: apt.conf(5). A tree of items whose names differ in more than case;
//! items without a name are the members of a list.
//!
//! Takes text, adds it to what is there, as apt does file after file. A file that apt refuses is
//! refused here.

/// Most items, and the deepest block.
const MAX_ITEMS: usize = 50_000;
const MAX_DEPTH: usize = 100;

/// What the files read so far say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AptConf {
    root: Item,
    items: usize,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Item {
    tag: String,
    value: String,
    children: Vec<Item>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct AptConfError {
    pub line: usize,
    pub fault: AptConfFault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AptConfFault {
    #[error("a block without a name")]
    Nameless,
    #[error("a quotation mark or bracket without its end")]
    Quote,
    #[error("something stands after the value")]
    Junk,
    #[error("a directive that is not `#clear`, or not at the top")]
    Directive,
    #[error("an item without its semicolon at the end")]
    Open,
    #[error("a comment without its end")]
    Comment,
    #[error("more items or deeper blocks than anybody writes")]
    TooMany,
}

impl AptConf {
    /// Adds what a file says. Nothing of it is certain after an error.
    pub fn read(&mut self, text: &str) -> Result<(), AptConfError> {
        let text = without_comments(text)?;
        let (mut parents, mut parent) = (Vec::<String>::new(), String::new());
        let (mut fragment, mut quoted) = (String::new(), false);
        for (number, line) in text.lines().enumerate() {
            let at = |fault| AptConfError { line: number + 1, fault };
            // Fragments of several lines are joined by one blank.
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            if !fragment.is_empty() {
                fragment.push(' ');
            }
            for letter in line.chars() {
                quoted ^= letter == '"';
                if quoted || !matches!(letter, '{' | '}' | ';') {
                    fragment.push(letter);
                    continue;
                }
                let statement = std::mem::take(&mut fragment);
                let statement = statement.trim();
                if statement.is_empty() && letter == '{' {
                    return Err(at(AptConfFault::Nameless));
                }
                if !statement.is_empty() {
                    let (tag, word) = tag_and_word(statement, letter == '{').map_err(at)?;
                    if letter == '{' {
                        if parents.len() == MAX_DEPTH {
                            return Err(at(AptConfFault::TooMany));
                        }
                        parents.push(parent.clone());
                        parent = joined(&parent, &tag);
                        if let Some(word) = word {
                            self.set(&parent, word).map_err(at)?;
                        }
                    } else {
                        self.state(&parent, &tag, word).map_err(at)?;
                    }
                }
                if letter == '}' {
                    parent = parents.pop().unwrap_or_default();
                }
            }
            quoted = false;
        }
        let end = AptConfError { line: text.lines().count(), fault: AptConfFault::Open };
        if fragment.trim().is_empty() && parents.is_empty() { Ok(()) } else { Err(end) }
    }

    /// One statement that ended.
    fn state(&mut self, parent: &str, tag: &str, word: Option<String>) -> Result<(), AptConfFault> {
        let word = word.unwrap_or_default();
        match tag.strip_prefix('#') {
            None => self.set(&joined(parent, tag), word),
            Some("clear") if parent.is_empty() => {
                self.clear(&word);
                Ok(())
            }
            Some(_) => Err(AptConfFault::Directive),
        }
    }

    fn set(&mut self, path: &str, value: String) -> Result<(), AptConfFault> {
        if self.items == MAX_ITEMS {
            return Err(AptConfFault::TooMany);
        }
        let mut item = &mut self.root;
        for tag in path.split("::") {
            let known = item
                .children
                .iter()
                .position(|child| !tag.is_empty() && child.tag.eq_ignore_ascii_case(tag));
            let place = known.unwrap_or_else(|| {
                self.items += 1;
                item.children.push(Item { tag: tag.to_owned(), ..Item::default() });
                item.children.len() - 1
            });
            item = &mut item.children[place];
        }
        item.value = value;
        Ok(())
    }

    /// Takes the value of an item away, and all that is below it.
    fn clear(&mut self, path: &str) {
        let mut item = &mut self.root;
        for tag in path.split("::") {
            let same = |child: &&mut Item| child.tag.eq_ignore_ascii_case(tag);
            match item.children.iter_mut().find(same) {
                Some(child) => item = child,
                None => return,
            }
        }
        item.value.clear();
        item.children.clear();
    }

    fn item(&self, path: &str) -> Option<&Item> {
        path.split("::").try_fold(&self.root, |item, tag| {
            item.children.iter().find(|child| child.tag.eq_ignore_ascii_case(tag))
        })
    }

    /// The value of an item; `None` if it has none or an empty one.
    pub fn value(&self, path: &str) -> Option<&str> {
        self.item(path).map(|item| item.value.as_str()).filter(|value| !value.is_empty())
    }

    /// A switch, as apt reads words and numbers; `None` for anything else.
    pub fn switch(&self, path: &str) -> Option<bool> {
        self.value(path).and_then(switch)
    }

    /// The values below an item, named or not.
    pub fn list(&self, path: &str) -> Vec<&str> {
        let children = self.item(path).map_or(&[][..], |item| &item.children);
        children.iter().map(|child| child.value.as_str()).filter(|v| !v.is_empty()).collect()
    }

    /// Whether anything is said at or below an item.
    pub fn has(&self, path: &str) -> bool {
        self.item(path).is_some_and(|item| !item.value.is_empty() || !item.children.is_empty())
    }

    /// Every item as `apt-config dump` writes it.
    pub fn dump(&self) -> Vec<String> {
        fn below(item: &Item, path: &str, lines: &mut Vec<String>) {
            for child in &item.children {
                let path =
                    if path.is_empty() { child.tag.clone() } else { joined(path, &child.tag) };
                lines.push(format!("{path} \"{}\";", child.value));
                below(child, &path, lines);
            }
        }
        let mut lines = Vec::new();
        below(&self.root, "", &mut lines);
        lines
    }
}

/// A switch as apt reads it wherever it has one.
pub fn switch(word: &str) -> Option<bool> {
    match word.trim().to_ascii_lowercase().as_str() {
        "no" | "false" | "without" | "off" | "disable" | "0" => Some(false),
        "yes" | "true" | "with" | "on" | "enable" | "1" => Some(true),
        _ => None,
    }
}

/// Whether apt reads a file of one of its directories: names as run-parts has them, and one of the
/// extensions; an empty one stands for none.
pub fn is_part(name: &str, extensions: &[&str]) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"_-:.".contains(&b);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    !name.starts_with('.')
        && !name.ends_with('.')
        && name.bytes().all(good)
        && extensions.contains(&extension)
}

fn joined(parent: &str, tag: &str) -> String {
    if parent.is_empty() { tag.to_owned() } else { format!("{parent}::{tag}") }
}

/// The text without its comments; line ends stay. Neither stands within quotation marks, which end
/// with their line.
fn without_comments(text: &str) -> Result<String, AptConfError> {
    let mut kept = String::with_capacity(text.len());
    let mut open_since = None;
    for (number, line) in text.lines().enumerate() {
        let (mut rest, mut quoted) = (line, false);
        while let Some(letter) = rest.chars().next() {
            if open_since.is_some() {
                let Some((_, after)) = rest.split_once("*/") else { break };
                (open_since, rest) = (None, after);
                continue;
            }
            let directive = rest.starts_with("#clear") || rest.starts_with("#include");
            if !quoted && (rest.starts_with("//") || (letter == '#' && !directive)) {
                break;
            }
            if !quoted && let Some(after) = rest.strip_prefix("/*") {
                (open_since, rest) = (Some(number + 1), after);
                continue;
            }
            quoted ^= letter == '"';
            kept.push(letter);
            rest = &rest[letter.len_utf8()..];
        }
        kept.push('\n');
    }
    match open_since {
        Some(line) => Err(AptConfError { line, fault: AptConfFault::Comment }),
        None => Ok(kept),
    }
}

/// `TAG "VALUE"`; a value alone has an empty tag, and a block need not have a value.
fn tag_and_word(statement: &str, is_block: bool) -> Result<(String, Option<String>), AptConfFault> {
    let (tag, rest) = word(statement)?;
    let rest = rest.trim_start();
    if rest.is_empty() {
        return Ok(if is_block { (tag, None) } else { (String::new(), Some(tag)) });
    }
    if let Some(value) = quoted(rest) {
        return Ok((tag, Some(value)));
    }
    let (value, rest) = word(rest)?;
    if rest.trim().is_empty() { Ok((tag, Some(value))) } else { Err(AptConfFault::Junk) }
}

/// A value that is all in quotation marks, in one part or several: `%` is then itself, and parts
/// are joined by one blank.
fn quoted(text: &str) -> Option<String> {
    let (mut value, mut rest) = (String::new(), text);
    while let Some(letter) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix('"') {
            let (part, after) = after.split_once('"')?;
            value.push_str(part);
            rest = after;
        } else if letter.is_whitespace() {
            value.push(' ');
            rest = rest.trim_start();
        } else {
            return None;
        }
    }
    Some(value)
}

/// The next word: quotation marks and brackets hold blanks together, and `%XX` is a letter.
pub(super) fn word(text: &str) -> Result<(String, &str), AptConfFault> {
    let text = text.trim_start();
    let (mut end, mut until) = (text.len(), None);
    for (at, letter) in text.char_indices() {
        match (until, letter) {
            (Some(close), letter) if letter == close => until = None,
            (Some(_), _) => {}
            (None, '"') => until = Some('"'),
            (None, '[') => until = Some(']'),
            (None, letter) if letter.is_whitespace() => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    if until.is_some() {
        return Err(AptConfFault::Quote);
    }
    let plain: String = text[..end].chars().filter(|letter| *letter != '"').collect();
    Ok((unescaped(&plain), &text[end..]))
}

fn unescaped(text: &str) -> String {
    let (mut plain, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        let code = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(code) if code.is_ascii_graphic() || code == b' ' => {
                plain.push(char::from(code));
                rest = &after[2..];
            }
            _ => {
                plain.push('%');
                rest = after;
            }
        }
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> AptConf {
        let mut conf = AptConf::default();
        conf.read(text).expect(text);
        conf
    }

    fn fault(text: &str) -> (usize, AptConfFault) {
        let error = AptConf::default().read(text).expect_err(text);
        (error.line, error.fault)
    }

    #[test]
    fn later_files_win_and_lists_grow() {
        let mut conf = read("A::B \"1\"; L { \"x\"; };\n// none\n# none\n");
        conf.read("a { b \"2\"; C { D on; } }\nL:: \"y\"; /* a\nb */ E /**/ yes;").expect("second");
        assert_eq!((conf.value("A::B"), conf.switch("a::c::d")), (Some("2"), Some(true)));
        assert_eq!((conf.list("L"), conf.switch("E")), (vec!["x", "y"], Some(true)));
        conf.read("#clear L;\nL { \"z\"; };\n#clear A;").expect("third");
        assert_eq!((conf.list("l"), conf.value("A::B"), conf.has("A")), (vec!["z"], None, false));
    }

    #[test]
    fn what_apt_refuses_is_refused_with_its_line() {
        assert_eq!(fault("A \"1\";\n{ };"), (2, AptConfFault::Nameless));
        assert_eq!(fault("A \"1\" 2;"), (1, AptConfFault::Junk));
        assert_eq!(read("A \"1\" \"2\";").value("A"), Some("1 2"));
        assert_eq!(fault("A \"1\";\nB \"1\""), (2, AptConfFault::Open));
        assert_eq!(fault("A { B \"1\";\n"), (1, AptConfFault::Open));
        assert_eq!(fault("x;\n/* y"), (2, AptConfFault::Comment));
        assert_eq!(fault("A { #clear B; };"), (1, AptConfFault::Directive));
    }

    #[test]
    fn only_some_names_of_a_directory_are_read() {
        for name in ["50x", "a.conf", "a_b-c:d.conf"] {
            assert!(is_part(name, &["", "conf"]), "{name}");
        }
        for name in [".a.conf", "a.conf~", "a.bak", "a b", "a.", "a.conf.dpkg-new"] {
            assert!(!is_part(name, &["", "conf"]), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([A-c:;{}\"#/* \n%\\[\\]]|::|#clear |//){0,60}") {
            let _ = AptConf::default().read(&text);
        }
    }
}
