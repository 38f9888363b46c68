//! Walks the main file and what it includes, into directives in the order sshd reads them.

use super::start::Options;
use crate::formats::sshd_config::criteria::{self, Condition};
use crate::formats::sshd_config::keywords::{self, Keyword, Scope};
use crate::formats::sshd_config::lexer::{self, Line};
use crate::formats::sshd_config::values::{self, Shape};
use crate::formats::sshd_config::{Malformed, Release, pattern};
use crate::host::{FileKind, ReadError, Reading};

/// sshd gives up below this many nested includes.
const MAX_DEPTH: usize = 16;
/// More files than this are not read: no host has them, and the walk must end.
const MAX_FILES: usize = 1_000;

/// One directive with a value that sshd accepts.
#[derive(Debug, Clone)]
pub(super) struct Directive {
    pub(super) keyword: Keyword,
    /// In the spelling of `sshd -T`.
    pub(super) words: Vec<String>,
    /// The rest of the line as it stands in the file.
    pub(super) written: String,
    /// `path:line`.
    pub(super) location: String,
    /// Index of the `Match` block it stands in.
    pub(super) block: Option<usize>,
}

#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) criteria: String,
    pub(super) location: String,
    /// Applies to every connection: `Match all`, inside nothing but such blocks.
    pub(super) always: bool,
}

/// A line that does not let the configuration be known.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) path: String,
    pub(super) line: usize,
    pub(super) keyword: String,
    pub(super) cause: Cause,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// sshd refuses to start on it, so what runs was configured by something else.
    Malformed(Malformed),
    UnknownKeyword,
    Unreadable(ReadError),
    /// Depends on what cannot be read: the build of sshd, its working directory.
    Undecidable,
}

#[derive(Debug, Default)]
pub(super) struct Config {
    pub(super) directives: Vec<Directive>,
    pub(super) blocks: Vec<Block>,
    pub(super) problems: Vec<Problem>,
}

/// Reads the configuration that `options` begin and `main` continues. The error is that of the
/// main file alone; all else is a [`Problem`].
pub(super) fn load(
    reading: &mut Reading<'_>,
    main: &str,
    options: &Options,
    release: Release,
) -> Result<Config, ReadError> {
    let text = reading.config(main)?;
    let mut walk = Walk { reading, release, config: Config::default(), files: 0, stopped: false };
    for (source, line) in &options.lines {
        walk.line(line, &Place { path: source, line: 0, depth: 0 }, None);
    }
    walk.file(main, &text, None, 0);
    Ok(walk.config)
}

struct Walk<'r, 'h> {
    reading: &'r mut Reading<'h>,
    release: Release,
    config: Config,
    files: usize,
    /// sshd would have given up here.
    stopped: bool,
}

struct Place<'a> {
    path: &'a str,
    /// From 1; 0 on the command line.
    line: usize,
    depth: usize,
}

impl Place<'_> {
    fn location(&self) -> String {
        if self.line == 0 { self.path.to_owned() } else { format!("{}:{}", self.path, self.line) }
    }
}

impl Walk<'_, '_> {
    /// A `Match` in a file ends with that file.
    fn file(&mut self, path: &str, text: &str, outer: Option<usize>, depth: usize) {
        let mut block = outer;
        for (index, line) in text.split('\n').enumerate() {
            let place = Place { path, line: index + 1, depth };
            if self.stopped {
                return;
            }
            match lexer::line(line, self.release) {
                Ok(Some(Line { keyword, rest })) if keyword == "match" => {
                    block = self.block(rest, &place, outer).or(block);
                }
                _ if line.contains('\0') => {
                    self.problem(&place, "", Cause::Malformed(Malformed::Value));
                }
                _ => self.line(line, &place, block),
            }
        }
    }

    fn line(&mut self, line: &str, place: &Place<'_>, block: Option<usize>) {
        let parsed = match lexer::line(line, self.release) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return,
            Err(error) => return self.problem(place, first_word(line), Cause::Malformed(error)),
        };
        let word = parsed.keyword.as_str();
        let Some(keyword) = keywords::find(word, self.release) else {
            return self.problem(place, word, Cause::UnknownKeyword);
        };
        let conditional = block.is_some_and(|block| !self.config.blocks[block].always);
        if conditional && keyword.scope == Scope::Global {
            return self.problem(place, word, Cause::Malformed(Malformed::NotInMatch));
        }
        let words = match values::read(keyword.shape, parsed.rest, self.release) {
            Ok(words) => words,
            Err(error) => return self.problem(place, word, Cause::Malformed(error)),
        };
        match keyword.shape {
            // Neither may be given on the command line.
            Shape::Include | Shape::Match if place.line == 0 => {
                self.problem(place, word, Cause::Malformed(Malformed::Value));
            }
            Shape::Include => self.include(&words, place, block),
            Shape::Ignored => {}
            _ if self.repeats_subsystem(&keyword, &words) || self.comes_late(&keyword, &words) => {
                self.problem(place, word, Cause::Malformed(Malformed::Value));
            }
            _ => self.config.directives.push(Directive {
                keyword,
                words,
                written: parsed.rest.trim_start().to_owned(),
                location: place.location(),
                block,
            }),
        }
    }

    /// Until 9.2 a second subsystem of a name stops sshd.
    fn repeats_subsystem(&self, keyword: &Keyword, words: &[String]) -> bool {
        let subsystem = |directive: &&Directive| directive.keyword.name == "subsystem";
        keyword.name == "subsystem"
            && self.release < Release::new(9, 6)
            && self.config.directives.iter().filter(subsystem).any(|d| d.words[0] == words[0])
    }

    /// `AuthenticationMethods any` stops some releases when another line came before, wherever it
    /// stands itself.
    fn comes_late(&self, keyword: &Keyword, words: &[String]) -> bool {
        let before = |directive: &Directive| {
            directive.keyword.name == "authenticationmethods"
                && directive.block.is_none_or(|block| self.config.blocks[block].always)
        };
        keyword.name == "authenticationmethods"
            && words == ["any"]
            && (Release::new(8, 9)..=Release::new(9, 6)).contains(&self.release)
            && self.config.directives.iter().any(before)
    }

    fn block(&mut self, rest: &str, place: &Place<'_>, outer: Option<usize>) -> Option<usize> {
        let condition = match criteria::read(rest, self.release) {
            Ok(condition) => condition,
            Err(error) => {
                self.problem(place, "match", Cause::Malformed(error));
                return None;
            }
        };
        if condition == Condition::Build {
            self.problem(place, "match", Cause::Undecidable);
        }
        let own = rest.split_whitespace().collect::<Vec<_>>().join(" ");
        let enclosing = outer.map(|outer| &self.config.blocks[outer]);
        let criteria = match enclosing {
            Some(outer) => format!("{}; {own}", outer.criteria),
            None => own,
        };
        let always = condition == Condition::Always && enclosing.is_none_or(|outer| outer.always);
        self.config.blocks.push(Block { criteria, location: place.location(), always });
        Some(self.config.blocks.len() - 1)
    }

    fn include(&mut self, patterns: &[String], place: &Place<'_>, block: Option<usize>) {
        for pattern in patterns {
            if pattern.starts_with('~') {
                // Not expanded by sshd: a name below its working directory.
                self.problem(place, "include", Cause::Undecidable);
                continue;
            }
            let absolute = match pattern.starts_with('/') {
                true => pattern.clone(),
                false => format!("/etc/ssh/{pattern}"),
            };
            match self.expand(&absolute) {
                Ok(paths) => paths.iter().for_each(|path| self.included(path, place, block)),
                Err(error) => self.problem(place, "include", Cause::Unreadable(error)),
            }
        }
    }

    fn included(&mut self, path: &str, place: &Place<'_>, block: Option<usize>) {
        if self.stopped {
            return;
        }
        self.files += 1;
        if place.depth == MAX_DEPTH || self.files > MAX_FILES {
            self.stopped = true;
            return self.problem(place, "include", Cause::Malformed(Malformed::TooDeep));
        }
        // A directory reads as an empty file, for sshd does not look at the error.
        if self.reading.stat(path).is_ok_and(|meta| meta.kind == FileKind::Directory) {
            return;
        }
        // So does the null device, by which people switch a drop-in off.
        let is_link = self.reading.lstat(path).is_ok_and(|meta| meta.kind == FileKind::Link);
        if is_link && self.reading.link(path).as_deref() == Ok("/dev/null") {
            return;
        }
        match self.reading.config(path) {
            Ok(text) => self.file(path, &text, block, place.depth + 1),
            Err(error) => self.problem(place, "include", Cause::Unreadable(error)),
        }
    }

    /// glob(3): the paths that exist, sorted bytewise. Nothing found is no error.
    fn expand(&mut self, pattern: &str) -> Result<Vec<String>, ReadError> {
        let mut paths = vec![String::new()];
        for component in pattern.split('/').filter(|component| !component.is_empty()) {
            let mut next = Vec::new();
            for path in &paths {
                if !pattern::is_magic(component) {
                    let path = format!("{path}/{component}");
                    match self.reading.lstat(&path) {
                        Ok(_) => next.push(path),
                        Err(ReadError::Absent) => {}
                        Err(error) => return Err(error),
                    }
                    continue;
                }
                let directory = if path.is_empty() { "/" } else { path };
                match self.reading.list(directory) {
                    Ok(names) => {
                        let names = names.iter().filter(|name| pattern::glob(component, name));
                        next.extend(names.map(|name| format!("{path}/{name}")));
                    }
                    Err(ReadError::Absent) => {}
                    Err(error) => return Err(error),
                }
            }
            paths = next;
        }
        paths.sort_unstable();
        Ok(paths)
    }

    fn problem(&mut self, place: &Place<'_>, keyword: &str, cause: Cause) {
        self.config.problems.push(Problem {
            path: place.path.to_owned(),
            line: place.line,
            keyword: keyword.to_owned(),
            cause,
        });
    }
}

fn first_word(line: &str) -> &str {
    line.split_whitespace().next().unwrap_or("")
}
