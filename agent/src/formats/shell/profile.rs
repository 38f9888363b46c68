//! What bash(1) makes of the variable TMOUT in the files that a login shell reads before anybody
//! types: /etc/profile, the scripts it runs, and what those run.
//!
//! Every command is run for certain, perhaps, or not at all. Conditions that are the same in every
//! interactive login shell are known, the others are not; what only perhaps happens to the variable,
//! or happens in a way that is not one of the plain ones, leaves it unknown: unless it was made
//! readonly before, for that cannot be undone.

use super::{Token, Unclear, tokens};

mod condition;

/// Scripts that run each other deeper than this are not followed.
const MAX_DEPTH: usize = 8;
const NAME: &str = "TMOUT";
/// What profiles write for their directory of scripts.
const SCRIPTS: [&str; 3] = [
    "/etc/profile.d/*.sh",
    "\"/etc/profile.d/\"*.sh",
    r"$(run-parts --list --regex '^[a-zA-Z0-9_][a-zA-Z0-9._-]*\.sh$' /etc/profile.d)",
];

/// The variable as the first prompt finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Variable {
    /// `None` where nothing sets it.
    pub seconds: Option<i64>,
    pub is_readonly: bool,
}

/// A file that the shell is asked to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Script {
    Absent,
    /// Nobody knows what is in it.
    Closed,
    Text {
        text: String,
        /// Whether everybody may read it; whoever may not does without it.
        for_all: bool,
    },
}

/// The files of a machine.
pub trait Scripts {
    fn open(&mut self, path: &str) -> Script;
    /// What `/etc/profile.d/*.sh` stands for, sorted bytewise; `None` if that is not known.
    fn listed(&mut self) -> Option<Vec<String>>;
    /// Whether there is a file or a directory of this name.
    fn is_there(&mut self, path: &str) -> Option<bool>;
}

/// The variable after `/etc/profile`.
pub fn variable(scripts: &mut dyn Scripts) -> Result<Variable, Unclear> {
    let mut run =
        Run { scripts, variable: Variable::default(), unclear: false, depth: 0, ran: vec![] };
    run.file("/etc/profile", Reach::Certain);
    run.leftover();
    match run.unclear {
        true => Err(Unclear),
        false => Ok(run.variable),
    }
}

/// Whether a command is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Never,
    Perhaps,
    Certain,
}

impl Reach {
    fn when(self, truth: Option<bool>) -> Self {
        match truth {
            Some(true) => self,
            Some(false) => Self::Never,
            None => self.min(Self::Perhaps),
        }
    }
}

struct Run<'s> {
    scripts: &'s mut dyn Scripts,
    variable: Variable,
    unclear: bool,
    depth: usize,
    /// Scripts that ran for certain.
    ran: Vec<String>,
}

/// One file while it is run.
struct Place {
    tokens: Vec<Token>,
    at: usize,
    /// What follows a `return` is run as much as it was not.
    limit: Reach,
    /// The variable of the loop over scripts, and those scripts.
    each: Option<(String, Vec<String>)>,
    in_function: bool,
}

/// Whether the variable is named, and not another whose name contains its own.
pub fn mentions(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(NAME).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + NAME.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

impl Run<'_> {
    fn doubt(&mut self) {
        self.unclear |= !self.variable.is_readonly;
    }

    fn file(&mut self, path: &str, reach: Reach) {
        if reach == Reach::Never {
            return;
        }
        if self.depth == MAX_DEPTH {
            return self.doubt();
        }
        let (text, reach) = match self.scripts.open(path) {
            Script::Absent => return,
            Script::Closed => return self.doubt(),
            Script::Text { text, for_all } => (text, reach.when(for_all.then_some(true))),
        };
        if reach == Reach::Certain {
            self.ran.push(path.to_owned());
        }
        self.depth += 1;
        if self.text(&text, reach).is_err() && (mentions(&text) || text.contains("profile.d")) {
            self.doubt();
        }
        self.depth -= 1;
    }

    fn text(&mut self, text: &str, reach: Reach) -> Result<(), Unclear> {
        let tokens = tokens(text)?;
        let mut place = Place { tokens, at: 0, limit: reach, each: None, in_function: false };
        self.list(&mut place, reach, &[])?;
        // What ended the list and is none of the file's own.
        if place.at < place.tokens.len() { Err(Unclear) } else { Ok(()) }
    }

    /// Scripts that name the variable, and that nobody is known to run. Two of them may be run in
    /// the order of another language.
    fn leftover(&mut self) {
        let Some(listed) = self.scripts.listed() else { return self.doubt() };
        let mut naming = Vec::new();
        for path in listed {
            let names_it = match self.scripts.open(&path) {
                Script::Text { text, .. } => mentions(&text),
                _ => false,
            };
            if names_it {
                naming.push(path);
            }
        }
        let other_order = |path: &String| {
            let letters = path.chars().filter(char::is_ascii_alphanumeric);
            letters.map(|c| c.to_ascii_lowercase()).collect::<String>()
        };
        self.unclear |= !naming.is_sorted_by_key(other_order);
        if naming.iter().any(|path| !self.ran.contains(path)) {
            self.doubt();
        }
    }

    /// Commands up to one of the words; what the last one says.
    fn list(
        &mut self,
        place: &mut Place,
        reach: Reach,
        ends: &[&str],
    ) -> Result<Option<bool>, Unclear> {
        let mut truth = None;
        loop {
            match place.peek() {
                Some(Token::End) => place.at += 1,
                None | Some(Token::Close | Token::CaseEnd) => return Ok(truth),
                Some(Token::Word(word)) if ends.contains(&word.as_str()) => return Ok(truth),
                Some(_) => truth = self.and_or(place, reach)?,
            }
        }
    }

    fn and_or(&mut self, place: &mut Place, reach: Reach) -> Result<Option<bool>, Unclear> {
        let before = self.variable;
        let mut truth = self.pipeline(place, reach)?;
        loop {
            let is_and = match place.peek() {
                Some(Token::And) => true,
                Some(Token::Or) => false,
                // In another process: nothing of it is left.
                Some(Token::Background) if self.variable != before => return Err(Unclear),
                Some(Token::Background) => {
                    place.at += 1;
                    return Ok(None);
                }
                _ => return Ok(truth),
            };
            place.at += 1;
            place.skip_ends();
            let due = if is_and { truth } else { truth.map(|truth| !truth) };
            let right = self.pipeline(place, reach.when(due))?;
            truth = match due {
                Some(false) => truth,
                Some(true) => right,
                None => None,
            };
        }
    }

    fn pipeline(&mut self, place: &mut Place, reach: Reach) -> Result<Option<bool>, Unclear> {
        let is_negated = place.take("!");
        let before = self.variable;
        let mut truth = self.command(place, reach.min(place.limit))?;
        while place.peek() == Some(&Token::Pipe) {
            if self.variable != before {
                return Err(Unclear);
            }
            place.at += 1;
            place.skip_ends();
            self.command(place, reach.min(place.limit).min(Reach::Perhaps))?;
            truth = None;
        }
        Ok(truth.map(|truth| truth != is_negated))
    }

    fn command(&mut self, place: &mut Place, reach: Reach) -> Result<Option<bool>, Unclear> {
        let perhaps = reach.min(Reach::Perhaps);
        match place.peek() {
            Some(Token::Open) => {
                place.at += 1;
                self.list(place, perhaps, &[])?;
                place.expect(&Token::Close)?;
            }
            Some(Token::Word(word)) => match word.as_str() {
                "if" => self.branches(place, reach)?,
                "while" | "until" => {
                    place.at += 1;
                    self.list(place, perhaps, &["do"])?;
                    self.closed(place, perhaps, "do", "done")?;
                }
                "for" | "select" => self.each(place, reach)?,
                "case" => self.case(place, reach)?,
                "{" => self.closed(place, reach, "{", "}")?,
                "function" => {
                    place.at += 2;
                    self.function(place, perhaps)?;
                }
                _ => return self.simple(place, reach),
            },
            _ => return Err(Unclear),
        }
        place.skip_redirects();
        Ok(None)
    }

    /// `OPEN commands CLOSE`.
    fn closed(
        &mut self,
        place: &mut Place,
        reach: Reach,
        open: &str,
        close: &str,
    ) -> Result<(), Unclear> {
        place.skip_ends();
        place.expect_word(open)?;
        self.list(place, reach, &[close])?;
        place.expect_word(close)
    }

    fn branches(&mut self, place: &mut Place, reach: Reach) -> Result<(), Unclear> {
        let mut reach = reach;
        // `if` and `elif`.
        loop {
            place.at += 1;
            let truth = self.list(place, reach, &["then"])?;
            place.expect_word("then")?;
            self.list(place, reach.when(truth), &["elif", "else", "fi"])?;
            reach = reach.when(truth.map(|truth| !truth));
            if place.take("else") {
                self.list(place, reach, &["fi"])?;
            }
            if place.take("fi") {
                return Ok(());
            }
            if place.peek() != Some(&Token::Word("elif".to_owned())) {
                return Err(Unclear);
            }
        }
    }

    /// A loop over the scripts of the profile is run once for them all; any other one perhaps.
    fn each(&mut self, place: &mut Place, reach: Reach) -> Result<(), Unclear> {
        place.at += 1;
        let name = place.word().ok_or(Unclear)?;
        place.skip_ends();
        let mut words = Vec::new();
        if place.take("in") {
            while let Some(word) = place.word() {
                words.push(word);
            }
        }
        if mentions(&name) || words.iter().any(|word| mentions(word)) {
            self.doubt();
        }
        let scripts = self.scripts_of(&words);
        let outer = place.each.take();
        let reach = match scripts {
            Some(scripts) => {
                place.each = Some((name, scripts));
                reach
            }
            None => reach.min(Reach::Perhaps),
        };
        self.closed(place, reach, "do", "done")?;
        place.each = outer;
        Ok(())
    }

    /// The scripts among the words of a loop, where there are some and nothing else.
    fn scripts_of(&mut self, words: &[String]) -> Option<Vec<String>> {
        let mut paths = Vec::new();
        if !words.iter().any(|word| SCRIPTS.contains(&word.as_str())) {
            return None;
        }
        for word in words {
            match SCRIPTS.contains(&word.as_str()) {
                true => paths.extend(self.scripts.listed()?),
                false => paths.push(condition::literal(word)?.to_owned()),
            }
        }
        Some(paths)
    }

    /// Known is only the question whether the shell is interactive.
    fn case(&mut self, place: &mut Place, reach: Reach) -> Result<(), Unclear> {
        place.at += 1;
        let subject = place.word().ok_or(Unclear)?;
        if mentions(&subject) {
            self.doubt();
        }
        let of_flags = condition::plain(&subject) == "$-";
        place.skip_ends();
        place.expect_word("in")?;
        let mut left = reach;
        loop {
            place.skip_ends();
            if place.take("esac") {
                return Ok(());
            }
            let mut patterns = Vec::new();
            while place.peek() != Some(&Token::Close) {
                match place.next().ok_or(Unclear)? {
                    Token::Word(word) => patterns.push(word),
                    Token::Open | Token::Pipe => {}
                    _ => return Err(Unclear),
                }
            }
            place.at += 1;
            let is_it = of_flags && patterns == ["*i*"];
            self.list(place, left.when(is_it.then_some(true)), &["esac"])?;
            if is_it {
                left = Reach::Never;
            }
            if place.peek() == Some(&Token::CaseEnd) {
                place.at += 1;
            }
        }
    }

    /// Its body is run when it is called, which nobody follows.
    fn function(&mut self, place: &mut Place, perhaps: Reach) -> Result<(), Unclear> {
        if place.peek() == Some(&Token::Open) {
            place.at += 1;
            place.expect(&Token::Close)?;
        }
        place.skip_ends();
        let outer = std::mem::replace(&mut place.in_function, true);
        self.command(place, perhaps)?;
        place.in_function = outer;
        Ok(())
    }

    fn simple(&mut self, place: &mut Place, reach: Reach) -> Result<Option<bool>, Unclear> {
        let mut words = Vec::new();
        let is_test = place.peek() == Some(&Token::Word("[[".to_owned()));
        let mut is_plain = true;
        loop {
            match place.peek() {
                Some(Token::Redirect) => place.skip_redirects(),
                Some(Token::Word(word)) => {
                    words.push(word.clone());
                    place.at += 1;
                    if is_test && words.last().is_some_and(|word| word == "]]") {
                        break;
                    }
                }
                Some(Token::Open) if words.len() == 1 && !is_test => {
                    self.function(place, reach.min(Reach::Perhaps))?;
                    return Ok(None);
                }
                None | Some(Token::CaseEnd) if is_test => return Err(Unclear),
                // `&&`, `(` … within `[[`.
                Some(_) if is_test => {
                    is_plain = false;
                    place.at += 1;
                }
                Some(Token::Open) => return Err(Unclear),
                _ => break,
            }
        }
        let is_apart = matches!(place.peek(), Some(Token::Pipe | Token::Background));
        let reach = if is_apart { reach.min(Reach::Perhaps) } else { reach };
        if !is_plain {
            self.look(&words, reach);
            return Ok(None);
        }
        Ok(self.perform(place, &words, reach))
    }

    fn perform(&mut self, place: &mut Place, words: &[String], reach: Reach) -> Option<bool> {
        if reach == Reach::Never {
            return None;
        }
        match words.first().map(String::as_str) {
            Some("." | "source") => self.source(place, words, reach),
            Some("return" | "exit" | "logout" | "exec") if place.in_function => {}
            // A shell that ended waits for nobody.
            Some("return" | "exit" | "logout") => {
                place.limit = if reach == Reach::Certain { Reach::Never } else { Reach::Perhaps };
            }
            // Another program in its place; redirections alone are none.
            Some("exec") if words.len() > 1 => self.doubt(),
            Some("break" | "continue") if place.each.is_some() => self.doubt(),
            Some("[" | "[[" | "test" | "shopt" | "true" | ":") => {
                self.look(words, reach);
                let each = place.each.as_ref().map(|(name, _)| name.as_str());
                return condition::holds(words, each, self.scripts);
            }
            _ => self.assign(place, words, reach),
        }
        None
    }

    fn source(&mut self, place: &Place, words: &[String], reach: Reach) {
        let Some(target) = words.get(1) else { return };
        if words.iter().any(|word| mentions(word)) {
            self.doubt();
        }
        match &place.each {
            Some((name, scripts)) if condition::plain(target) == format!("${name}") => {
                for path in scripts {
                    self.file(path, reach);
                }
            }
            _ => {
                if let Some(path) = condition::literal(target) {
                    self.file(path, reach);
                }
            }
        }
    }

    /// What reads the variable changes nothing.
    fn look(&mut self, words: &[String], reach: Reach) {
        let only_read = |word: &&String| condition::plain(word) == "$TMOUT" || !mentions(word);
        if reach != Reach::Never && !words.iter().all(|word| only_read(&word)) {
            self.doubt();
        }
    }

    fn assign(&mut self, place: &Place, words: &[String], reach: Reach) {
        if !words.iter().any(|word| mentions(word)) {
            return;
        }
        let effect = if words.first().is_some_and(|word| word == "echo") {
            return self.look(words, reach);
        } else {
            effect(words)
        };
        match effect {
            // Nothing changes it any more, and who tries fails.
            _ if self.variable.is_readonly => {}
            Some(effect) if reach == Reach::Certain && place.each.is_none() => {
                effect(&mut self.variable);
            }
            _ => self.doubt(),
        }
    }
}

type Effect = Box<dyn Fn(&mut Variable)>;

/// `TMOUT=900`, `readonly TMOUT`, `declare -xr TMOUT=900`, `export TMOUT`, `unset TMOUT`, with other
/// variables beside it; `None` for every other command.
fn effect(words: &[String]) -> Option<Effect> {
    let (command, rest) = match words.first()?.as_str() {
        first if first.contains('=') => ("", words),
        first => (first, words.get(1..)?),
    };
    let flags = rest.iter().take_while(|word| word.starts_with('-')).count();
    let (flags, names) = rest.split_at(flags);
    let flags: String = flags.iter().map(|flag| flag.trim_start_matches('-')).collect();
    let is_readonly = match (command, flags.as_str()) {
        ("" | "export", "") => false,
        ("readonly", "") => true,
        ("declare" | "typeset", flags) if flags.chars().all(|flag| "rxg".contains(flag)) => {
            flags.contains('r')
        }
        ("unset", "" | "v") if names.iter().all(|name| is_name(name)) => {
            return Some(Box::new(|variable| variable.seconds = None));
        }
        _ => return None,
    };
    let mut value = None;
    for word in names {
        let (name, given) = match word.split_once('=') {
            Some((name, given)) => (name, Some(given)),
            None => (word.as_str(), None),
        };
        let is_assignment = command.is_empty();
        if !is_name(name) || (is_assignment && given.is_none()) {
            return None;
        }
        match (name == NAME, given) {
            (true, Some(given)) => value = Some(seconds(given)?),
            // Something that is computed of it.
            (false, Some(given)) if mentions(given) => return None,
            _ => {}
        }
    }
    let is_it = names.iter().any(|word| word.split('=').next() == Some(NAME));
    is_it.then_some(())?;
    Some(Box::new(move |variable| {
        variable.seconds = value.or(variable.seconds);
        variable.is_readonly |= is_readonly;
    }))
}

fn is_name(word: &str) -> bool {
    !word.is_empty()
        && !word.starts_with(|c: char| c.is_ascii_digit())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Digits alone, in quotes or not.
fn seconds(text: &str) -> Option<i64> {
    let bare = ['"', '\''].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
    let digits = bare.unwrap_or(text);
    let is_number = !digits.is_empty() && digits.len() < 10;
    (is_number && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

impl Place {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += 1;
        token
    }

    /// The next one, if it is a word.
    fn word(&mut self) -> Option<String> {
        let Some(Token::Word(word)) = self.peek() else { return None };
        let word = word.clone();
        self.at += 1;
        Some(word)
    }

    fn take(&mut self, word: &str) -> bool {
        let is_it = matches!(self.peek(), Some(Token::Word(found)) if found == word);
        self.at += usize::from(is_it);
        is_it
    }

    fn expect_word(&mut self, word: &str) -> Result<(), Unclear> {
        if self.take(word) { Ok(()) } else { Err(Unclear) }
    }

    fn expect(&mut self, token: &Token) -> Result<(), Unclear> {
        if self.next().as_ref() == Some(token) { Ok(()) } else { Err(Unclear) }
    }

    fn skip_ends(&mut self) {
        while self.peek() == Some(&Token::End) {
            self.at += 1;
        }
    }

    fn skip_redirects(&mut self) {
        while self.peek() == Some(&Token::Redirect) {
            self.at += 2;
        }
    }
}
