//! pam.conf(5) as Linux-PAM 1.5 reads it, with the `@include` of Debian: lines, words, control
//! words. [`stack`] puts lines of several files together, [`walk`] goes through them.

pub mod stack;
pub mod walk;

/// Longest line: older releases read no longer one.
const MAX_LINE_BYTES: usize = 1000;

/// Names of return codes in their order, pam.conf(5); the index is the code.
pub const CODES: [&str; 32] = [
    "success",
    "open_err",
    "symbol_err",
    "service_err",
    "system_err",
    "buf_err",
    "perm_denied",
    "auth_err",
    "cred_insufficient",
    "authinfo_unavail",
    "user_unknown",
    "maxtries",
    "new_authtok_reqd",
    "acct_expired",
    "session_err",
    "cred_unavail",
    "cred_expired",
    "cred_err",
    "no_module_data",
    "conv_err",
    "authtok_err",
    "authtok_recover_err",
    "authtok_lock_busy",
    "authtok_disable_aging",
    "try_again",
    "ignore",
    "abort",
    "authtok_expired",
    "module_unknown",
    "bad_item",
    "conv_again",
    "incomplete",
];
pub const SUCCESS: usize = 0;
pub const PERM_DENIED: usize = 6;
pub const AUTH_ERR: usize = 7;
pub const NEW_AUTHTOK_REQD: usize = 12;
pub const IGNORE: usize = 25;
pub const MODULE_UNKNOWN: usize = 28;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Facility {
    Auth,
    Account,
    Password,
    Session,
}

/// What becomes of a return code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    Ignore,
    Ok,
    Done,
    Bad,
    Die,
    Reset,
    Jump(u32),
}

/// One action for each return code.
pub type Actions = [Action; CODES.len()];

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Only in /etc/pam.conf.
    pub service: Option<String>,
    /// `None` is a word that is no facility: the library has such a line fail where it is asked.
    pub facility: Option<Facility>,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Module {
        actions: Box<Actions>,
        path: String,
        arguments: Vec<String>,
    },
    /// Without a name it fails.
    Include(Option<String>),
    Substack(Option<String>),
    /// `@include`: the lines of every facility.
    IncludeAll(Option<String>),
    /// A line that lacks its control or its module.
    Broken(Box<Actions>),
}

/// Reads a file. The first word of a line is its service where `names_services`, as in
/// /etc/pam.conf. Err is the first line (from 1) that releases of the library read differently.
pub fn parse(text: &str, names_services: bool) -> Result<Vec<Line>, usize> {
    let mut lines = Vec::new();
    let mut joined: Option<String> = None;
    for (index, raw) in text.lines().enumerate() {
        let number = index + 1;
        if raw.len() > MAX_LINE_BYTES || raw.contains("\\#") {
            return Err(number);
        }
        let start = raw.trim_start_matches([' ', '\t']);
        if start.is_empty() || start.starts_with('#') {
            if joined.is_some() {
                return Err(number);
            }
            continue;
        }
        let (kept, has_comment) = match start.split_once('#') {
            Some((kept, _)) => (kept, true),
            None => (start, false),
        };
        let whole = joined.take().unwrap_or_default() + kept;
        let trimmed = whole.trim_end_matches([' ', '\t', '\r']);
        if let Some(part) = trimmed.strip_suffix('\\').filter(|_| !has_comment) {
            joined = Some(format!("{part} "));
            continue;
        }
        if raw.contains('\r') || whole.len() > MAX_LINE_BYTES {
            return Err(number);
        }
        lines.extend(line(&whole, names_services));
    }
    joined.map_or(Ok(lines), |_| Err(text.lines().count()))
}

/// `None` is a line of blanks.
fn line(text: &str, names_services: bool) -> Option<Line> {
    let mut words = Words(text);
    let mut first = words.next()?;
    let mut service = None;
    if names_services {
        service = Some(first);
        first = words.next().unwrap_or_default();
    }
    if first.eq_ignore_ascii_case("@include") {
        return Some(Line { service, facility: None, what: What::IncludeAll(words.next()) });
    }
    // A leading `-` only keeps the log quiet about a missing module.
    let facility = match first.strip_prefix('-').unwrap_or(&first).to_ascii_lowercase().as_str() {
        "auth" => Some(Facility::Auth),
        "account" => Some(Facility::Account),
        "password" => Some(Facility::Password),
        "session" => Some(Facility::Session),
        _ => None,
    };
    let what = match words.next() {
        None => What::Broken(Box::new([Action::Bad; CODES.len()])),
        Some(word) if word.eq_ignore_ascii_case("include") => What::Include(words.next()),
        Some(word) if word.eq_ignore_ascii_case("substack") => What::Substack(words.next()),
        Some(word) => {
            let actions = Box::new(control(&word));
            match words.next() {
                Some(path) => What::Module { actions, path, arguments: words.collect() },
                None => What::Broken(actions),
            }
        }
    };
    Some(Line { service, facility, what })
}

/// Words between blanks. `[…]` is one word without its brackets, and `\]` in it is a bracket.
struct Words<'t>(&'t str);

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let text = self.0.trim_start_matches([' ', '\t']);
        let Some(inner) = text.strip_prefix('[') else {
            let end = text.find([' ', '\t']).unwrap_or(text.len());
            let (word, rest) = text.split_at(end);
            self.0 = rest;
            return (!word.is_empty()).then(|| word.to_owned());
        };
        let mut word = String::new();
        let mut characters = inner.char_indices().peekable();
        self.0 = "";
        while let Some((at, c)) = characters.next() {
            match c {
                ']' => {
                    self.0 = inner.get(at + 1..).unwrap_or_default();
                    break;
                }
                '\\' if characters.peek().is_some_and(|(_, next)| *next == ']') => {
                    characters.next();
                    word.push(']');
                }
                other => word.push(other),
            }
        }
        Some(word)
    }
}

/// What a control word, or the contents of `[value=action …]`, does with each code.
pub fn control(word: &str) -> Actions {
    let simple = |good, ignored, other| {
        let mut actions = [other; CODES.len()];
        (actions[SUCCESS], actions[NEW_AUTHTOK_REQD], actions[IGNORE]) = (good, good, ignored);
        actions
    };
    match word.to_ascii_lowercase().as_str() {
        "required" => simple(Action::Ok, Action::Ignore, Action::Bad),
        "requisite" => simple(Action::Ok, Action::Ignore, Action::Die),
        "optional" => simple(Action::Ok, Action::Ignore, Action::Ignore),
        "sufficient" => simple(Action::Done, Action::Ignore, Action::Ignore),
        _ => pairs(word).unwrap_or([Action::Bad; CODES.len()]),
    }
}

/// `success=1 default=ignore`. `default` is for the codes not named before it; what nobody names is
/// bad. `None` where the library finds an error, and takes every code for bad.
fn pairs(word: &str) -> Option<Actions> {
    let mut actions = [None; CODES.len()];
    let mut rest = word.trim_start();
    while !rest.is_empty() {
        // Names are compared by their beginning.
        let code = CODES.iter().position(|name| rest.starts_with(name));
        let name = code.map_or("default", |code| CODES[code]);
        rest = rest.strip_prefix(name)?.trim_start().strip_prefix('=')?.trim_start();
        let (action, after) = action(rest)?;
        match code {
            Some(code) => actions[code] = Some(action),
            None => actions.iter_mut().for_each(|one| *one = one.or(Some(action))),
        }
        rest = after.trim_start();
    }
    Some(actions.map(|action| action.unwrap_or(Action::Bad)))
}

fn action(text: &str) -> Option<(Action, &str)> {
    const WORDS: [(&str, Action); 6] = [
        ("ignore", Action::Ignore),
        ("ok", Action::Ok),
        ("done", Action::Done),
        ("bad", Action::Bad),
        ("die", Action::Die),
        ("reset", Action::Reset),
    ];
    if let Some((word, action)) = WORDS.iter().find(|(word, _)| text.starts_with(word)) {
        return Some((*action, &text[word.len()..]));
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let count: u32 = text[..digits].parse().ok()?;
    (count > 0).then_some((Action::Jump(count), &text[digits..]))
}

#[cfg(test)]
mod tests;
