//! rsyslog.conf(5): where rsyslog forwards to, and where it keeps what comes. Reads the legacy form and RainerScript, through
//! includes. Whatever it does not know is an error, for it could be a way out of the host or a
//! filter before one.

mod scan;

use scan::{Params, Scan, value};

/// A forwarding action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    pub protocol: Protocol,
    pub target: String,
    pub port: i64,
    pub tls: bool,
    /// Not every message reaches it.
    pub conditional: bool,
    /// The journal is not read: its messages come only where journald hands them on
    /// (`ForwardToSyslog=`).
    pub needs_handing_on: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Udp,
    Tcp,
    Relp,
}

/// Where the configuration cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct Fault {
    pub path: String,
    pub line: usize,
    pub reason: String,
}

/// Gives the files that an include names, as (path, text), in the order they are read; `true` when
/// it may name none.
pub type Include<'i> = dyn FnMut(&str, bool) -> Result<Vec<(String, String)>, &'static str> + 'i;

const MAX_DEPTH: usize = 10;
/// Outputs and modifiers of messages that send nothing anywhere.
const LOCAL: &[&str] = &[
    "omfile",
    "builtin:omfile",
    "omusrmsg",
    "builtin:omusrmsg",
    "ompipe",
    "builtin:ompipe",
    "omstdout",
    "omjournal",
    "omprog",
];
const OBJECTS: &[&str] = &[
    "action",
    "module",
    "input",
    "global",
    "template",
    "ruleset",
    "main_queue",
    "parser",
    "timezone",
    "dyn_stats",
    "percentile_stats",
    "lookup_table",
    "ratelimit",
    "include",
];
/// Drivers that encrypt.
const TLS_DRIVERS: &[&str] = &["gtls", "ossl"];

/// What becomes of the messages of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ways {
    pub forwards: Vec<Forward>,
    /// Files that all messages go to, but for those of facilities that usually have a file of their
    /// own and those that a filter for a few takes out. `None` where a discard may take out more.
    pub files: Option<Vec<String>>,
    /// Nothing comes in by itself: see [`Forward::needs_handing_on`].
    pub needs_handing_on: bool,
}

/// Every way that starts at the file `path`.
pub fn ways(path: &str, text: &str, include: &mut Include<'_>) -> Result<Ways, Fault> {
    let mut reader = Reader { include, state: State::default(), found: Vec::new() };
    reader.file(path, text, 0)?;
    let default = reader.state.default_driver.clone();
    let encrypts = |driver: &str| TLS_DRIVERS.contains(&driver);
    let (socket, journal) = (reader.state.reads_socket, reader.state.reads_journal);
    let finish = |(mut forward, stream): (Forward, Option<Stream>)| {
        forward.tls |= stream.is_some_and(|stream| {
            let driver = stream.driver.as_ref().or(default.as_ref());
            forward.protocol == Protocol::Tcp
                && stream.mode == 1
                && driver.is_some_and(|driver| encrypts(driver))
        });
        // Without an input of this host there is nothing of it to forward.
        forward.conditional |= !socket && !journal;
        forward.needs_handing_on = !journal;
        forward
    };
    let files = match std::mem::take(&mut reader.state.files) {
        _ if !socket && !journal => Some(Vec::new()),
        files if reader.state.may_miss => files.is_empty().then_some(files),
        files => Some(files),
    };
    let forwards = reader.found.into_iter().map(finish).collect();
    Ok(Ways { forwards, files, needs_handing_on: !journal })
}

/// Every forwarding action that starts at the file `path`.
pub fn forwards(path: &str, text: &str, include: &mut Include<'_>) -> Result<Vec<Forward>, Fault> {
    ways(path, text, include).map(|ways| ways.forwards)
}

/// Which messages a statement sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Seen {
    #[default]
    All,
    /// But for facilities that have files of their own, and for what is for debugging.
    Main,
    /// Those of a program, or with a word in them.
    Few,
    /// Nobody knows.
    Some,
}

/// Facilities that distributions give a file of their own.
const APART: [&str; 8] = ["auth", "authpriv", "cron", "ftp", "lpr", "mail", "news", "uucp"];

fn of_selector(selector: &str) -> Seen {
    let mut parts = selector.split(';').filter(|part| !part.is_empty());
    let is_apart = |name: &str| APART.contains(&name) || name.starts_with("local");
    let is_main = matches!(parts.next(), Some("*.*" | "*.debug" | "*.info"))
        && parts.all(|part| {
            part.strip_suffix(".none").is_some_and(|names| names.split(',').all(is_apart))
        });
    match selector {
        "*.*" => Seen::All,
        _ if is_main => Seen::Main,
        _ => Seen::Some,
    }
}

/// The network stream of a TCP action: driver if named, and its mode.
#[derive(Debug, Clone, Default)]
struct Stream {
    driver: Option<String>,
    mode: i64,
}

#[derive(Default)]
struct State {
    /// `$ActionSendStreamDriver…`, for the legacy actions that follow.
    stream: Stream,
    default_driver: Option<String>,
    relp_loaded: bool,
    /// imuxsock and imjournal are loaded and feed the default rule set.
    reads_socket: bool,
    reads_journal: bool,
    /// What follows does not see every message.
    filtered: bool,
    /// It sees none, or another rule set's.
    is_over: bool,
    /// It may lack more than a few.
    may_miss: bool,
    /// What the last filter let through: `&` goes on with it.
    last: Seen,
    files: Vec<String>,
}

struct Reader<'i, 'f> {
    include: &'i mut Include<'f>,
    state: State,
    found: Vec<(Forward, Option<Stream>)>,
}

/// A fault without its place.
type Outcome = Result<(), String>;

fn fault<T>(reason: impl Into<String>) -> Result<T, String> {
    Err(reason.into())
}

impl Reader<'_, '_> {
    fn file(&mut self, path: &str, text: &str, depth: usize) -> Result<(), Fault> {
        let mut scan = Scan::new(text, depth);
        loop {
            let blank = scan.skip_blank();
            if blank.is_ok() && scan.at_end() {
                return Ok(());
            }
            let line = scan.line();
            if let Err(reason) = blank.and_then(|()| self.statement(&mut scan, Seen::All, path)) {
                // A fault of an included file already has its place.
                let own = Fault { path: path.to_owned(), line, reason };
                return Err(scan.nested.take().unwrap_or(own));
            }
        }
    }

    fn statement(&mut self, scan: &mut Scan<'_>, seen: Seen, path: &str) -> Outcome {
        scan.enter()?;
        scan.skip_blank()?;
        let outcome = match scan.peek() {
            Some('$') => self.directive(scan),
            Some('{') => self.block(scan, seen, path),
            Some('&') => {
                scan.advance(1);
                let last = self.state.last;
                self.statement(scan, seen.max(last), path)
            }
            Some('*') => self.selector(scan, seen, path),
            Some(':') if scan.rest().starts_with(":om") => self.legacy_action(scan, seen),
            Some(':') => {
                let before = scan.rest();
                let line = before.lines().next().unwrap_or_default();
                // `!` turns it round; one for nothing lets all through.
                let is_few =
                    !line.contains('!') && !line.contains("\"\"") && !line.contains("regex");
                scan.property_filter()?;
                let seen = seen.max(if is_few { Seen::Few } else { Seen::Some });
                self.state.last = seen;
                self.statement(scan, seen, path)
            }
            Some('@' | '/' | '|' | '?' | '~') => self.legacy_action(scan, seen),
            Some('-') if scan.rest().starts_with("-/") || scan.rest().starts_with("-?") => {
                self.legacy_action(scan, seen)
            }
            Some(c) if c.is_ascii_alphabetic() => self.word(scan, seen, path),
            _ => fault("a statement that is not known"),
        };
        scan.leave();
        outcome
    }

    fn block(&mut self, scan: &mut Scan<'_>, seen: Seen, path: &str) -> Outcome {
        scan.expect('{')?;
        loop {
            scan.skip_blank()?;
            match scan.peek() {
                Some('}') => {
                    scan.advance(1);
                    return Ok(());
                }
                Some(_) => self.statement(scan, seen, path)?,
                None => return fault("a block without end"),
            }
        }
    }

    fn word(&mut self, scan: &mut Scan<'_>, seen: Seen, path: &str) -> Outcome {
        let word = scan.word().to_ascii_lowercase();
        let after = scan.rest()[word.len()..].trim_start().chars().next();
        if OBJECTS.contains(&word.as_str()) && after == Some('(') {
            scan.advance(word.len());
            return self.object(scan, &word, seen, path);
        }
        match word.as_str() {
            "if" => {
                scan.until_then()?;
                self.statement(scan, Seen::Some, path)?;
                scan.skip_blank()?;
                if scan.word().eq_ignore_ascii_case("else") {
                    scan.advance("else".len());
                    self.statement(scan, Seen::Some, path)?;
                }
                Ok(())
            }
            "stop" => {
                scan.advance(word.len());
                self.discard(seen);
                Ok(())
            }
            "call" => {
                // The other rule set may discard the message, and its actions are conditional.
                scan.rest_of_line();
                self.discard(Seen::Some);
                Ok(())
            }
            "set" | "unset" | "reset" if after == Some('$') => scan.assignment(),
            _ => self.selector(scan, seen, path),
        }
    }

    /// `auth,authpriv.* ACTION`.
    fn selector(&mut self, scan: &mut Scan<'_>, seen: Seen, path: &str) -> Outcome {
        let selector = scan.rest().split(char::is_whitespace).next().unwrap_or_default();
        let known = |c: char| c.is_ascii_alphanumeric() || "*.,;=!_".contains(c);
        if !selector.contains('.') || !selector.chars().all(known) {
            return fault("a statement that is not known");
        }
        let seen = seen.max(of_selector(selector));
        self.state.last = seen;
        scan.advance(selector.len());
        if scan.only_blanks_before_newline() {
            return fault("a selector without action");
        }
        // `*` as an action writes to everybody who is logged in.
        if scan.rest().trim_start().starts_with('*') {
            scan.rest_of_line();
            return Ok(());
        }
        let users = scan.rest().trim_start();
        let names = users.lines().next().unwrap_or_default().trim_end();
        let is_user_list = names.chars().all(|c| c.is_ascii_alphanumeric() || "_,-".contains(c))
            && !names.eq_ignore_ascii_case("stop");
        if is_user_list && !names.is_empty() {
            scan.rest_of_line();
            return Ok(());
        }
        self.statement(scan, seen, path)
    }

    /// What a statement saw is gone for those that follow.
    fn discard(&mut self, seen: Seen) {
        self.state.filtered = true;
        match seen {
            Seen::All | Seen::Main => self.state.is_over = true,
            Seen::Few => {}
            Seen::Some => self.state.may_miss = true,
        }
    }

    /// A file that is written to.
    fn keep(&mut self, path: &str, seen: Seen) {
        if seen <= Seen::Main && !self.state.is_over {
            self.state.files.push(path.to_owned());
        }
    }

    fn directive(&mut self, scan: &mut Scan<'_>) -> Outcome {
        let line = scan.rest_of_line();
        let (name, argument) = line.split_once([' ', '\t']).unwrap_or((&line, ""));
        let argument = argument.split(" #").next().unwrap_or_default().trim();
        match name.to_ascii_lowercase().as_str() {
            "$includeconfig" => self.include(scan, argument, false),
            "$actionsendstreamdrivermode" => {
                let mode = argument.parse().or(Err("not a number: the stream driver's mode"))?;
                self.state.stream.mode = mode;
                Ok(())
            }
            "$actionsendstreamdriver" => {
                self.state.stream.driver = Some(argument.to_owned());
                Ok(())
            }
            "$defaultnetstreamdriver" => {
                self.state.default_driver = Some(argument.to_owned());
                Ok(())
            }
            "$resetconfigvariables" => {
                self.state.stream = Stream::default();
                Ok(())
            }
            "$modload" => {
                self.load(argument.trim_end_matches(".so"));
                Ok(())
            }
            "$omitlocallogging" => {
                self.state.reads_socket &= argument.eq_ignore_ascii_case("off");
                Ok(())
            }
            // What follows belongs to another rule set, or runs only now and then.
            "$ruleset" | "$defaultruleset" => {
                self.state.is_over = true;
                self.state.filtered = true;
                Ok(())
            }
            name if name.starts_with("$actionexeconly") => {
                self.state.is_over = true;
                self.state.filtered = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn include(&mut self, scan: &mut Scan<'_>, name: &str, optional: bool) -> Outcome {
        if scan.depth() >= MAX_DEPTH {
            return fault("includes are nested too deeply");
        }
        for (path, text) in (self.include)(name, optional)? {
            if let Err(fault) = self.file(&path, &text, scan.depth() + 1) {
                scan.nested = Some(fault);
                return Err(String::new());
            }
        }
        Ok(())
    }

    fn object(&mut self, scan: &mut Scan<'_>, name: &str, seen: Seen, path: &str) -> Outcome {
        let params = scan.params()?;
        match name {
            "action" => self.action(&params, seen),
            "include" => {
                let optional = value(&params, "mode").is_some_and(|mode| mode == "optional");
                match value(&params, "file") {
                    Some(file) => self.include(scan, file, optional),
                    None => fault("an include of no file"),
                }
            }
            "module" => {
                let off = value(&params, "syssock.use").is_some_and(|on| on != "on");
                if !off && value(&params, "ruleset").is_none() {
                    self.load(value(&params, "load").unwrap_or_default());
                }
                Ok(())
            }
            "global" => {
                if let Some(driver) = value(&params, "defaultnetstreamdriver") {
                    self.state.default_driver = Some(driver.to_owned());
                }
                match value(&params, "defaultruleset") {
                    Some(_) => fault("another default rule set"),
                    None => Ok(()),
                }
            }
            "ruleset" => {
                // A discard in there ends only what was sent there.
                let state = &self.state;
                let before = (state.filtered, state.is_over, state.may_miss);
                self.block(scan, Seen::Some, path)?;
                let state = &mut self.state;
                (state.filtered, state.is_over, state.may_miss) = before;
                Ok(())
            }
            "template" => scan.skip_block_if_any(),
            _ => Ok(()),
        }
    }

    fn load(&mut self, module: &str) {
        match module {
            "omrelp" => self.state.relp_loaded = true,
            "imuxsock" => self.state.reads_socket = true,
            "imjournal" => self.state.reads_journal = true,
            _ => {}
        }
    }

    fn action(&mut self, params: &Params, seen: Seen) -> Outcome {
        let kind = value(params, "type").ok_or("an action without type")?.to_ascii_lowercase();
        let sometimes = params.iter().any(|(name, _)| name.starts_with("action.execonly"));
        let seen = if sometimes { Seen::Some } else { seen };
        let conditional = seen != Seen::All;
        let port = value(params, "port").unwrap_or("514");
        match kind.as_str() {
            "omfwd" | "builtin:omfwd" => {
                let target = value(params, "target").ok_or("an action without one target")?;
                let protocol = match value(params, "protocol").map(str::to_ascii_lowercase) {
                    None => Protocol::Udp,
                    Some(name) if name == "udp" => Protocol::Udp,
                    Some(name) if name == "tcp" => Protocol::Tcp,
                    Some(_) => return fault("a protocol that is not known"),
                };
                let mode = value(params, "streamdrivermode").unwrap_or("0");
                let stream = Stream {
                    driver: value(params, "streamdriver").map(str::to_owned),
                    mode: mode.parse().or(Err("not a number: the stream driver's mode"))?,
                };
                self.forward(protocol, target, port, Some(stream), conditional)
            }
            "omrelp" => {
                let target = value(params, "target").ok_or("an action without one target")?;
                let tls = value(params, "tls").is_some_and(|tls| tls.eq_ignore_ascii_case("on"));
                self.forward(Protocol::Relp, target, port, None, conditional)?;
                if let Some((forward, _)) = self.found.last_mut() {
                    forward.tls = tls;
                }
                Ok(())
            }
            "omfile" | "builtin:omfile" => {
                if let Some(path) = value(params, "file") {
                    self.keep(path, seen);
                }
                Ok(())
            }
            kind if LOCAL.contains(&kind) || kind.starts_with("mm") => Ok(()),
            _ => fault(format!("an output that is not known: {kind}")),
        }
    }

    /// An action in the legacy form, up to the end of its line.
    fn legacy_action(&mut self, scan: &mut Scan<'_>, seen: Seen) -> Outcome {
        let conditional = seen != Seen::All;
        let line = scan.rest_of_line();
        let action = line.split([' ', '\t', ';']).next().unwrap_or_default();
        if action == "~" {
            self.discard(seen);
            return Ok(());
        }
        let path = action.strip_prefix('-').unwrap_or(action);
        if path.starts_with('/') {
            self.keep(path, seen);
            return Ok(());
        }
        if let Some(relp) = action.strip_prefix(":omrelp:") {
            return self.legacy_forward(Protocol::Relp, relp, conditional);
        }
        if let Some(rest) = action.strip_prefix(':') {
            let module = rest.split(':').next().unwrap_or_default();
            return match LOCAL.contains(&module) {
                true => Ok(()),
                false => fault(format!("an output that is not known: {module}")),
            };
        }
        match (action.strip_prefix("@@"), action.strip_prefix('@')) {
            (Some(tcp), _) => self.legacy_forward(Protocol::Tcp, tcp, conditional),
            (None, Some(udp)) => self.legacy_forward(Protocol::Udp, udp, conditional),
            (None, None) => Ok(()),
        }
    }

    /// `[(options)]host[:port]`, an IPv6 address in brackets.
    fn legacy_forward(&mut self, protocol: Protocol, text: &str, conditional: bool) -> Outcome {
        let text = match text.strip_prefix('(') {
            Some(options) => options.split_once(')').ok_or("options without end")?.1,
            None => text,
        };
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or("an address without end")?;
                (host, port.strip_prefix(':'))
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let stream = self.state.stream.clone();
        self.forward(protocol, host, port.unwrap_or("514"), Some(stream), conditional)
    }

    fn forward(
        &mut self,
        protocol: Protocol,
        target: &str,
        port: &str,
        stream: Option<Stream>,
        conditional: bool,
    ) -> Outcome {
        if protocol == Protocol::Relp && !self.state.relp_loaded {
            return fault("omrelp is not loaded before");
        }
        let is_host = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
        if target.is_empty() || !target.chars().all(is_host) {
            return fault("a target that is no host");
        }
        let port: u16 = port.parse().or(Err("a port that is no number"))?;
        let conditional = conditional || self.state.filtered;
        let target = target.to_owned();
        let port = i64::from(port);
        let forward =
            Forward { protocol, target, port, tls: false, conditional, needs_handing_on: true };
        self.found.push((forward, stream));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
