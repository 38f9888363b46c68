//! What applies: to everybody, to whom a `Match` block selects, and at worst.

use super::load::{Block, Config, Directive};
use super::worst;
use crate::formats::sshd_config::defaults::{Lists, Table};
use crate::formats::sshd_config::keywords::Scope;
use crate::formats::sshd_config::{Release, algorithms, values};
use evidence::kinds::ssh_server::{Algorithms, MatchBlock, Settings, Worst};
use std::collections::BTreeMap;

/// Defaults that all proven releases share.
const DEFAULTS: &[(&str, &str)] = &[
    ("permitrootlogin", "prohibit-password"),
    ("passwordauthentication", "yes"),
    ("kbdinteractiveauthentication", "yes"),
    ("pubkeyauthentication", "yes"),
    ("permitemptypasswords", "no"),
    ("hostbasedauthentication", "no"),
    ("ignorerhosts", "yes"),
    ("permituserenvironment", "no"),
    ("usepam", "no"),
    ("x11forwarding", "no"),
    ("allowtcpforwarding", "yes"),
    ("allowagentforwarding", "yes"),
    ("permittunnel", "no"),
    ("gatewayports", "no"),
    ("strictmodes", "yes"),
    ("loglevel", "INFO"),
    ("syslogfacility", "AUTH"),
    ("banner", "none"),
    ("authorizedkeyscommand", "none"),
    ("maxauthtries", "6"),
    ("maxsessions", "10"),
    ("logingracetime", "120"),
    ("clientaliveinterval", "0"),
    ("clientalivecountmax", "3"),
    ("addressfamily", "any"),
    ("gssapiauthentication", "no"),
];

/// A configuration without problems.
pub(super) struct Effective<'c> {
    pub(super) config: &'c Config,
    pub(super) release: Release,
    /// `-p` on the command line: the files' ports do not count.
    pub(super) ports: &'c [i64],
}

impl<'c> Effective<'c> {
    fn block(&self, directive: &Directive) -> Option<&'c Block> {
        directive.block.map(|block| &self.config.blocks[block])
    }

    fn named(&self, name: &str) -> impl Iterator<Item = &'c Directive> {
        self.config.directives.iter().filter(move |d| d.keyword.name == name)
    }

    /// What decides a keyword for a connection that meets no block but `Match all`: such a block
    /// beats the lines outside, and among equals the first wins. Accumulating keywords give all.
    fn deciding(&self, name: &str) -> Vec<&'c Directive> {
        let always = |d: &&Directive| self.block(d).is_some_and(|block| block.always);
        let mut found: Vec<_> = self.named(name).filter(always).collect();
        if found.is_empty() {
            found = self.named(name).filter(|d| d.block.is_none()).collect();
        } else if found[0].keyword.scope == Scope::Global {
            // Read once, when sshd starts: the blocks' lines stand among the others.
            found = self.first_read(name);
        }
        if found.first().is_some_and(|first| !first.keyword.accumulates) {
            found.truncate(1);
        }
        found
    }

    /// What sshd's first reading of its files gives, before there is a connection: lines outside
    /// of blocks and in `Match all`, in the order they stand.
    pub(super) fn first_read(&self, name: &str) -> Vec<&'c Directive> {
        self.named(name).filter(|d| self.block(d).is_none_or(|block| block.always)).collect()
    }

    pub(super) fn first_value(&self, name: &str) -> String {
        if name == "kbdinteractiveauthentication" && self.release < Release::new(8, 9) {
            return self.kbdinteractive_of_old(false);
        }
        self.or_default(name, self.first_read(name).first().copied())
    }

    fn value(&self, name: &str) -> String {
        if name == "kbdinteractiveauthentication" && self.release < Release::new(8, 9) {
            return self.kbdinteractive_of_old(true);
        }
        self.or_default(name, self.deciding(name).first().copied())
    }

    fn or_default(&self, name: &str, deciding: Option<&Directive>) -> String {
        let default = DEFAULTS.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        match deciding {
            Some(directive) => directive.words.join(" "),
            None => default.unwrap_or_default().to_owned(),
        }
    }

    /// Until 8.4 `ChallengeResponseAuthentication` (by default yes) switches it on, but a `Match
    /// all` block has the last word when there is a connection.
    fn kbdinteractive_of_old(&self, connected: bool) -> String {
        let challenge = self.first_read("challengeresponseauthentication");
        let refused = challenge.first().is_some_and(|d| d.words[0] == "no");
        let own = self.deciding("kbdinteractiveauthentication").first().copied();
        let first = self.first_read("kbdinteractiveauthentication").first().copied();
        match (own, first) {
            (Some(own), _) if connected && own.block.is_some() => own.words[0].clone(),
            (_, Some(first)) if refused => first.words[0].clone(),
            _ if refused => "no".to_owned(),
            _ => "yes".to_owned(),
        }
    }

    fn number(&self, name: &str) -> i64 {
        values::integer(&self.value(name)).unwrap_or_default()
    }

    fn list(&self, name: &str, default: &[&str]) -> Vec<String> {
        let words: Vec<_> = self.deciding(name).iter().flat_map(|d| d.words.clone()).collect();
        if words.is_empty() { default.iter().map(|s| (*s).to_owned()).collect() } else { words }
    }

    pub(super) fn settings(&self) -> Settings {
        let value = |name| self.value(name);
        let ports = self.ports();
        Settings {
            permitrootlogin: value("permitrootlogin"),
            passwordauthentication: value("passwordauthentication"),
            kbdinteractiveauthentication: value("kbdinteractiveauthentication"),
            pubkeyauthentication: value("pubkeyauthentication"),
            permitemptypasswords: value("permitemptypasswords"),
            hostbasedauthentication: value("hostbasedauthentication"),
            ignorerhosts: value("ignorerhosts"),
            permituserenvironment: value("permituserenvironment"),
            usepam: value("usepam"),
            x11forwarding: value("x11forwarding"),
            allowtcpforwarding: value("allowtcpforwarding"),
            allowagentforwarding: value("allowagentforwarding"),
            permittunnel: value("permittunnel"),
            gatewayports: value("gatewayports"),
            strictmodes: value("strictmodes"),
            loglevel: value("loglevel"),
            syslogfacility: value("syslogfacility"),
            banner: value("banner"),
            authorizedkeysfile: self
                .list("authorizedkeysfile", &[".ssh/authorized_keys", ".ssh/authorized_keys2"]),
            authorizedkeyscommand: command(&value("authorizedkeyscommand")),
            authenticationmethods: self.list("authenticationmethods", &["any"]),
            maxauthtries: self.number("maxauthtries"),
            maxsessions: self.number("maxsessions"),
            maxstartups: self.startups(),
            logingracetime_s: self.number("logingracetime"),
            clientaliveinterval_s: self.number("clientaliveinterval"),
            clientalivecountmax: self.number("clientalivecountmax"),
            listenaddresses: self.addresses(&ports),
            ports,
            allowusers: self.list("allowusers", &[]),
            allowgroups: self.list("allowgroups", &[]),
            denyusers: self.list("denyusers", &[]),
            denygroups: self.list("denygroups", &[]),
        }
    }

    /// The one keyword whose last line wins; a lone `BEGIN` keeps the rate given before.
    fn startups(&self) -> String {
        let (mut begin, mut rate, mut full) = (10, 30, 100);
        for directive in self.named("maxstartups") {
            match values::startups(&directive.words[0]) {
                Some((b, Some((r, f)))) => (begin, rate, full) = (b, r, f),
                Some((b, None)) => (begin, full) = (b, b),
                None => {}
            }
        }
        format!("{begin}:{rate}:{full}")
    }

    fn ports(&self) -> Vec<i64> {
        let mut ports = self.ports.to_vec();
        if ports.is_empty() {
            ports = self.list("port", &["22"]).iter().filter_map(|p| values::port(p)).collect();
        }
        ports
    }

    fn addresses(&self, ports: &[i64]) -> Vec<String> {
        let named = self.deciding("listenaddress");
        let mut written: Vec<&str> = named.iter().map(|d| d.words[0].as_str()).collect();
        if written.is_empty() {
            written = match self.value("addressfamily").as_str() {
                "inet" => vec!["0.0.0.0"],
                "inet6" => vec!["::"],
                _ => vec!["0.0.0.0", "::"],
            };
        }
        let mut addresses = Vec::new();
        for (host, port) in written.iter().filter_map(|text| values::address_and_port(text)) {
            let host = match host.parse::<std::net::Ipv6Addr>() {
                Ok(address) => format!("[{address}]"),
                Err(_) => host.to_owned(),
            };
            let own = port.map(|port| vec![port]);
            let ports = own.as_deref().unwrap_or(ports);
            addresses.extend(ports.iter().map(|port| format!("{host}:{port}")));
        }
        addresses
    }

    pub(super) fn worst(&self) -> Worst {
        let worst = |name: &str| {
            let (blocks, decided) = self.met(name);
            let mut met: Vec<&str> = blocks.iter().map(|d| d.words[0].as_str()).collect();
            let global = self.value(name);
            if !decided {
                met.push(&global);
            }
            worst::of(name, &met)
        };
        Worst {
            permitrootlogin: worst("permitrootlogin"),
            passwordauthentication: worst("passwordauthentication"),
            kbdinteractiveauthentication: worst("kbdinteractiveauthentication"),
            permitemptypasswords: worst("permitemptypasswords"),
            hostbasedauthentication: worst("hostbasedauthentication"),
            x11forwarding: worst("x11forwarding"),
            allowtcpforwarding: worst("allowtcpforwarding"),
            allowagentforwarding: worst("allowagentforwarding"),
            permittunnel: worst("permittunnel"),
            gatewayports: worst("gatewayports"),
            maxauthtries: values::integer(&worst("maxauthtries")).unwrap_or(i64::from(i32::MAX)),
        }
    }

    /// The lines in `Match` blocks that some connection may meet, and whether the last of them
    /// decides for everybody who met none before: a `Match all` hides what comes after it and the
    /// lines outside. Blocks are taken as if any of them could match, which is never too good.
    fn met(&self, name: &str) -> (Vec<&'c Directive>, bool) {
        let mut met = Vec::new();
        for directive in self.named(name) {
            let Some(block) = self.block(directive) else { continue };
            met.push(directive);
            if block.always {
                return (met, true);
            }
        }
        (met, false)
    }

    pub(super) fn matches(&self) -> Vec<MatchBlock> {
        let block = |(index, block): (usize, &Block)| {
            let mut settings: BTreeMap<String, String> = BTreeMap::new();
            for d in self.config.directives.iter().filter(|d| d.block == Some(index)) {
                let name = d.keyword.name.to_owned();
                match settings.get_mut(&name) {
                    Some(value) if d.keyword.accumulates => *value += &format!(" {}", shown(d)),
                    Some(_) => {}
                    None => drop(settings.insert(name, shown(d))),
                }
            }
            MatchBlock {
                criteria: block.criteria.clone(),
                location: block.location.clone(),
                settings,
            }
        };
        self.config.blocks.iter().enumerate().map(block).collect()
    }

    /// The lists offered; an error names the directive that sshd refuses.
    pub(super) fn algorithms(&self, table: &Table) -> Result<Algorithms, &'c Directive> {
        let lists = |name: &str| match name {
            "ciphers" => (table.ciphers, false),
            "macs" => (table.macs, false),
            "kexalgorithms" => (table.kex, false),
            _ => (table.keys, true),
        };
        let assemble = |d: &'c Directive| {
            let (lists, wildcards) = lists(d.keyword.name);
            let names = algorithms::assemble(&d.words[0], &lists, wildcards);
            // An edit that leaves nothing: sshd -T shows the defaults, key exchange fails.
            names.filter(|names| !names.is_empty()).ok_or(d)
        };
        let offered = |name: &str, lists: Lists| {
            // Every line is checked, also where another one wins.
            self.named(name).try_for_each(|d| assemble(d).map(drop))?;
            match self.deciding(name).first() {
                Some(directive) => assemble(directive),
                None => Ok(lists.default().map(str::to_owned).collect()),
            }
        };
        self.named("hostbasedacceptedalgorithms").try_for_each(|d| assemble(d).map(drop))?;
        let mut pubkey = offered("pubkeyacceptedalgorithms", table.keys)?;
        for directive in self.met("pubkeyacceptedalgorithms").0 {
            for name in assemble(directive)? {
                if !pubkey.contains(&name) {
                    pubkey.push(name);
                }
            }
        }
        Ok(Algorithms {
            ciphers: offered("ciphers", table.ciphers)?,
            macs: offered("macs", table.macs)?,
            kex: offered("kexalgorithms", table.kex)?,
            hostkey: offered("hostkeyalgorithms", table.keys)?,
            pubkey,
        })
    }

    /// The lists as they are written, where every one is, and whole: without names to be added to or
    /// taken from the defaults, and without patterns.
    pub(super) fn written_algorithms(&self) -> Option<Algorithms> {
        let names = |d: &Directive| {
            let written = &d.words[0];
            let is_whole =
                !written.starts_with(['+', '-', '^']) && !written.contains(['*', '?', '!']);
            is_whole.then(|| written.split(',').map(str::to_owned).collect::<Vec<_>>())
        };
        let list = |name| names(self.deciding(name).first().copied()?);
        let mut pubkey = list("pubkeyacceptedalgorithms")?;
        for directive in self.met("pubkeyacceptedalgorithms").0 {
            for name in names(directive)? {
                if !pubkey.contains(&name) {
                    pubkey.push(name);
                }
            }
        }
        Some(Algorithms {
            ciphers: list("ciphers")?,
            macs: list("macs")?,
            kex: list("kexalgorithms")?,
            hostkey: list("hostkeyalgorithms")?,
            pubkey,
        })
    }

    /// Whether a line decides the keyword for a connection that meets no block.
    pub(super) fn is_written(&self, name: &str) -> bool {
        !self.deciding(name).is_empty()
    }

    pub(super) fn origins(&self) -> BTreeMap<String, String> {
        let mut origins = BTreeMap::new();
        for directive in &self.config.directives {
            let name = directive.keyword.name;
            let decided = match name {
                // The command line has no line to point at.
                "port" if !self.ports.is_empty() => None,
                "maxstartups" => self.named(name).last(),
                name => self.deciding(name).first().copied(),
            };
            if let Some(directive) = decided {
                origins.insert(name.to_owned(), directive.location.clone());
            }
        }
        origins
    }

    /// Private host keys named, or `None` for the default ones.
    pub(super) fn host_keys(&self) -> Option<Vec<String>> {
        let named = self.deciding("hostkey");
        let paths = named.iter().map(|d| d.words[0].clone());
        (!named.is_empty()).then(|| paths.filter(|path| path != "none").collect())
    }
}

/// A command without its arguments, which may hold secrets.
fn command(text: &str) -> String {
    text.split_whitespace().next().unwrap_or_default().to_owned()
}

/// The value of a line in a block, without what may hold secrets: arguments of commands, values
/// of environment variables.
fn shown(directive: &Directive) -> String {
    match directive.keyword.name {
        "authorizedkeyscommand" | "authorizedprincipalscommand" => command(&directive.written),
        "forcecommand" => {
            let mut words = directive.written.split_whitespace();
            words.find(|word| !word.contains('=')).unwrap_or_default().to_owned()
        }
        "setenv" => {
            let names = directive.words.iter().map(|word| word.split('=').next().unwrap_or(word));
            names.collect::<Vec<_>>().join(" ")
        }
        "subsystem" => directive.words[..2].join(" "),
        _ => directive.written.clone(),
    }
}
