//! A file of nft(8) as a [`Filter`], as far as it stands in blocks of tables and chains. What is
//! written in another way, and what other files add, is refused: it is not known what it does.

use super::nf_tables::Probe;
use super::packet_filter::{Base, Chain, Filter, Hook, Matches, Rule, Verdict};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotUnderstood {
    #[error("line {0}: not a ruleset in blocks")]
    Line(usize),
    /// It ends within a block, or a text.
    #[error("it ends too early")]
    Cut,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Open,
    Close,
    /// The end of a line, or `;`.
    End,
}

type Tokens = Vec<(Token, usize)>;

/// The chains that packets of the probe's family pass.
pub fn parse(text: &str, probe: &Probe<'_>) -> Result<Filter, NotUnderstood> {
    let tokens = tokens(text)?;
    let mut filter = Filter::default();
    let mut reader = Reader { tokens: &tokens, at: 0 };
    while let Some(words) = reader.head()? {
        match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["flush", "ruleset"] => filter = Filter::default(),
            ["table", name] => table(&mut reader, &mut filter, "ip", name, probe)?,
            ["table", family, name] => table(&mut reader, &mut filter, family, name, probe)?,
            _ => return Err(reader.trouble()),
        }
    }
    Ok(filter)
}

fn tokens(text: &str) -> Result<Tokens, NotUnderstood> {
    let mut tokens = Vec::new();
    for (line, number) in text.replace("\\\n", " ").lines().zip(1..) {
        let mut letters = line.chars().peekable();
        while let Some(letter) = letters.next() {
            let token = match letter {
                '#' => break,
                ' ' | '\t' | '\r' => continue,
                '{' => Token::Open,
                '}' => Token::Close,
                ';' => Token::End,
                ',' => continue,
                '"' => {
                    let text: String =
                        letters.by_ref().take_while(|letter| *letter != '"').collect();
                    if !line.contains(&format!("{text}\"")) {
                        return Err(NotUnderstood::Line(number));
                    }
                    Token::Text(text)
                }
                letter => {
                    let mut word = letter.to_string();
                    while let Some(more) = letters.next_if(|more| !" \t\r{};,#\"".contains(*more)) {
                        word.push(more);
                    }
                    Token::Word(word)
                }
            };
            tokens.push((token, number));
        }
        tokens.push((Token::End, number));
    }
    Ok(tokens)
}

struct Reader<'t> {
    tokens: &'t [(Token, usize)],
    at: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<&Token> {
        let token = self.tokens.get(self.at).map(|(token, _)| token);
        self.at += 1;
        token
    }

    fn trouble(&self) -> NotUnderstood {
        let line = self.tokens.get(self.at.saturating_sub(1)).map(|(_, line)| *line);
        line.map_or(NotUnderstood::Cut, NotUnderstood::Line)
    }

    /// The words before a block or the end of a statement; `None` at the end of the file.
    fn head(&mut self) -> Result<Option<Vec<String>>, NotUnderstood> {
        let mut words = Vec::new();
        loop {
            match self.next() {
                None if words.is_empty() => return Ok(None),
                None => return Ok(Some(words)),
                Some(Token::Word(word) | Token::Text(word)) => words.push(word.clone()),
                Some(Token::End) if words.is_empty() => {}
                Some(Token::End) => return Ok(Some(words)),
                // `table inet filter {`
                Some(Token::Open) if !words.is_empty() => {
                    self.at -= 1;
                    return Ok(Some(words));
                }
                Some(_) => return Err(self.trouble()),
            }
        }
    }

    fn opens(&mut self) -> bool {
        let opens = self.tokens.get(self.at).is_some_and(|(token, _)| *token == Token::Open);
        self.at += usize::from(opens);
        opens
    }

    /// Passes over the rest of a block that was opened.
    fn skip(&mut self) -> Result<(), NotUnderstood> {
        let mut depth = 1;
        while depth > 0 {
            match self.next() {
                None => return Err(NotUnderstood::Cut),
                Some(Token::Open) => depth += 1,
                Some(Token::Close) => depth -= 1,
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// One statement of a block, sets within it as they are; `None` where the block ends.
    fn statement(&mut self) -> Result<Option<Vec<Token>>, NotUnderstood> {
        let (mut statement, mut depth) = (Vec::new(), 0);
        loop {
            let token = self.next().cloned().ok_or(NotUnderstood::Cut)?;
            match token {
                Token::Close if depth == 0 => {
                    // The statement before it ends here too.
                    if statement.is_empty() {
                        return Ok(None);
                    }
                    self.at -= 1;
                    return Ok(Some(statement));
                }
                Token::End if depth == 0 && statement.is_empty() => continue,
                Token::End if depth == 0 => return Ok(Some(statement)),
                Token::End => continue,
                Token::Open => depth += 1,
                Token::Close => depth -= 1,
                Token::Word(_) | Token::Text(_) => {}
            }
            statement.push(token);
        }
    }
}

fn table(
    reader: &mut Reader<'_>,
    filter: &mut Filter,
    family: &str,
    name: &str,
    probe: &Probe<'_>,
) -> Result<(), NotUnderstood> {
    // `table inet filter` alone makes an empty one.
    if !reader.opens() {
        return Ok(());
    }
    let own = if probe.is_ipv6 { "ip6" } else { "ip" };
    let passes = family == own || family == "inet";
    loop {
        // Flags of the table come as statements, blocks with a head.
        let mut words = Vec::new();
        loop {
            match reader.next().ok_or(NotUnderstood::Cut)? {
                Token::Word(word) | Token::Text(word) => words.push(word.clone()),
                Token::End if words.is_empty() => {}
                Token::Close if words.is_empty() => return Ok(()),
                Token::Open if !words.is_empty() => break,
                // `comment "…"`; a table that sleeps (`flags dormant`) is not understood.
                Token::End if words.first().is_some_and(|word| word == "comment") => words.clear(),
                _ => return Err(reader.trouble()),
            }
        }
        match words.as_slice() {
            [kind, chain] if kind == "chain" && passes => {
                let key = (format!("{family} {name}"), chain.clone());
                let mut found = filter.chains.remove(&key).unwrap_or_default();
                self::chain(reader, &mut found, probe)?;
                filter.chains.insert(key, found);
            }
            [kind, _]
                if ["chain", "set", "map", "flowtable", "counter", "quota", "limit"]
                    .contains(&kind.as_str()) =>
            {
                reader.skip()?;
            }
            [kind, kind_of, ..]
                if kind == "ct"
                    && ["helper", "timeout", "expectation"].contains(&kind_of.as_str()) =>
            {
                reader.skip()?;
            }
            _ => return Err(reader.trouble()),
        }
    }
}

fn chain(
    reader: &mut Reader<'_>,
    chain: &mut Chain,
    probe: &Probe<'_>,
) -> Result<(), NotUnderstood> {
    while let Some(statement) = reader.statement()? {
        let words: Vec<&str> = statement.iter().map(word).collect();
        match words.as_slice() {
            ["type", kind, "hook", hook, ..] => chain.base = base(kind, hook),
            ["policy", policy] => {
                let drops = *policy == "drop";
                if !drops && *policy != "accept" {
                    return Err(reader.trouble());
                }
                chain.base = chain.base.map(|base| Base { drops, ..base });
            }
            ["comment", _] => {}
            words if words.iter().any(|word| word.starts_with('$') || *word == "include") => {
                return Err(reader.trouble());
            }
            words => chain.rules.extend(rules(words, probe).ok_or_else(|| reader.trouble())?),
        }
    }
    Ok(())
}

fn word(token: &Token) -> &str {
    match token {
        Token::Word(word) | Token::Text(word) => word,
        Token::Open => "{",
        Token::Close => "}",
        Token::End => ";",
    }
}

fn base(kind: &str, hook: &str) -> Option<Base> {
    let hook = match hook {
        "input" => Hook::Input,
        "forward" => Hook::Forward,
        _ => return None,
    };
    (kind == "filter").then_some(Base { hook, drops: false })
}

/// The rule, or those of a verdict map.
fn rules(words: &[&str], probe: &Probe<'_>) -> Option<Vec<Rule>> {
    if let Some(at) = words.iter().position(|word| *word == "vmap") {
        let key = conditions(&words[..at], probe);
        let (open, rest) = words.get(at + 1..)?.split_first()?;
        // A map with a name: what it says is not read.
        if *open != "{" {
            return Some(vec![Rule { matches: Matches::Unclear, verdict: Verdict::Unclear }]);
        }
        return pairs(&words[..at], key, rest, probe);
    }
    let at = outside_braces(words).find(|at| is_verdict(words[*at]));
    let (before, verdict) = match at {
        Some(at) => (&words[..at], verdict(&words[at..])?),
        None => (words, Verdict::Next),
    };
    Some(vec![Rule { matches: conditions(before, probe), verdict }])
}

/// Where words stand that are in no braces.
fn outside_braces<'w>(words: &'w [&'w str]) -> impl Iterator<Item = usize> + 'w {
    let mut depth = 0_usize;
    words.iter().enumerate().filter_map(move |(at, word)| {
        match *word {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        (depth == 0).then_some(at)
    })
}

/// `established : accept  related : accept }`
fn pairs(
    selector: &[&str],
    so_far: Matches,
    rest: &[&str],
    probe: &Probe<'_>,
) -> Option<Vec<Rule>> {
    let text = rest.join(" ").replace(':', " : ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut rules = Vec::new();
    for (at, _) in words.iter().enumerate().filter(|(_, word)| **word == ":") {
        let value = at.checked_sub(1).and_then(|at| words.get(at))?;
        // An address of IPv6 is full of colons.
        let Some(verdict) =
            words.get(at + 1..).filter(|next| is_verdict(next.first().unwrap_or(&"")))
        else {
            return Some(vec![Rule { matches: Matches::Unclear, verdict: Verdict::Unclear }]);
        };
        let mut one = selector.to_vec();
        one.push(value);
        let matches = so_far.min(Matches::May).max(conditions(&one, probe)).max(Matches::May);
        rules.push(Rule { matches, verdict: self::verdict(verdict)? });
    }
    Some(rules)
}

fn is_verdict(word: &str) -> bool {
    matches!(
        word,
        "accept"
            | "drop"
            | "reject"
            | "return"
            | "jump"
            | "goto"
            | "queue"
            | "continue"
            | "masquerade"
            | "snat"
            | "dnat"
            | "redirect"
            | "tproxy"
            | "synproxy"
    )
}

fn verdict(words: &[&str]) -> Option<Verdict> {
    let target = || words.get(1).map(|name| (*name).to_owned());
    Some(match *words.first()? {
        "accept" => Verdict::Accept,
        "drop" => Verdict::Drop,
        // Only TCP can be reset.
        "reject" if words.contains(&"tcp") => Verdict::Next,
        "reject" => Verdict::Reject,
        "return" => Verdict::Return,
        "jump" => Verdict::Jump(target()?),
        "goto" => Verdict::Goto(target()?),
        "continue" => Verdict::Next,
        _ => Verdict::Unclear,
    })
}

/// What all words before the verdict say together. A selector is known by its words; what is not
/// known may match.
fn conditions(words: &[&str], probe: &Probe<'_>) -> Matches {
    let mut matches = Matches::Always;
    let mut rest = words;
    while let Some((first, after)) = rest.split_first() {
        let skip = match *first {
            "counter" => counters(after),
            "comment" => 1,
            "log" => logging(after),
            "notrack" => 0,
            // `update @set { ip saddr }`, `meter m { … }`: what is remembered is no condition.
            "{" => {
                matches = matches.max(Matches::May);
                outside_braces(rest).next().unwrap_or(after.len())
            }
            _ => {
                let (one, used) = condition(rest, probe);
                matches = matches.max(one);
                used - 1
            }
        };
        rest = after.get(skip..).unwrap_or_default();
    }
    matches
}

/// `packets 0 bytes 0`
fn counters(words: &[&str]) -> usize {
    if words.first() == Some(&"packets") { 4 } else { 0 }
}

fn logging(words: &[&str]) -> usize {
    let mut used = 0;
    while let Some(&("prefix" | "level" | "group" | "snaplen" | "queue-threshold" | "flags")) =
        words.get(used)
    {
        used += 2;
    }
    used
}

/// One condition and how many words it has.
fn condition(words: &[&str], probe: &Probe<'_>) -> (Matches, usize) {
    const SELECTORS: [(&[&str], Selector); 21] = [
        (&["ct", "state"], Selector::State),
        (&["iifname"], Selector::Interface),
        (&["iif"], Selector::Interface),
        (&["meta", "iifname"], Selector::Interface),
        (&["meta", "iif"], Selector::Interface),
        (&["tcp", "dport"], Selector::Port),
        (&["udp", "dport"], Selector::Port),
        (&["th", "dport"], Selector::Port),
        (&["ip", "saddr"], Selector::Address),
        (&["ip6", "saddr"], Selector::Address),
        (&["icmp", "type"], Selector::Narrow),
        (&["icmpv6", "type"], Selector::Narrow),
        (&["pkttype"], Selector::PacketType),
        (&["meta", "pkttype"], Selector::PacketType),
        (&["ip", "protocol"], Selector::Protocol),
        (&["ip6", "nexthdr"], Selector::Protocol),
        (&["meta", "l4proto"], Selector::Protocol),
        (&["l4proto"], Selector::Protocol),
        (&["meta", "nfproto"], Selector::Family),
        (&["igmp", "type"], Selector::Narrow),
        (&["meta", "protocol"], Selector::Family),
    ];
    let known = SELECTORS.iter().find(|(names, _)| words.starts_with(names));
    let Some((names, selector)) = known else { return (Matches::May, 1) };
    let (is_not, values, used) = values(&words[names.len()..]);
    let used = names.len() + used;
    let matches = match (is_not, values.as_slice()) {
        (true, [only]) if matches!(selector, Selector::Interface) => {
            probe.comes_by_another_than(only)
        }
        (true, _) | (_, []) => Matches::May,
        (false, values) => {
            let each = values.iter().map(|value| selector.holds(value, probe));
            each.min().unwrap_or(Matches::May)
        }
    };
    (matches, used)
}

/// Whether they are excluded, the values, and how many words that was.
fn values<'w>(words: &[&'w str]) -> (bool, Vec<&'w str>, usize) {
    let mut used = 0;
    let is_not = match words.first() {
        Some(&"!=") => true,
        Some(&"==") => false,
        _ => {
            return values_of(words, 0, false);
        }
    };
    used += 1;
    values_of(words, used, is_not)
}

fn values_of<'w>(words: &[&'w str], mut used: usize, is_not: bool) -> (bool, Vec<&'w str>, usize) {
    let mut values = Vec::new();
    if words.get(used) == Some(&"{") {
        used += 1;
        while let Some(word) = words.get(used) {
            used += 1;
            if *word == "}" {
                break;
            }
            values.push(*word);
        }
        return (is_not, values, used);
    }
    // Commas were left out: `established,related` is two words, and states are known by name.
    const STATES: [&str; 5] = ["established", "related", "new", "invalid", "untracked"];
    while let Some(word) = words.get(used) {
        if !values.is_empty() && !STATES.contains(word) {
            break;
        }
        values.push(*word);
        used += 1;
    }
    (is_not, values, used)
}

#[derive(Debug, Clone, Copy)]
enum Selector {
    State,
    Interface,
    Port,
    Address,
    Protocol,
    PacketType,
    Family,
    Narrow,
}

impl Selector {
    fn holds(self, value: &str, probe: &Probe<'_>) -> Matches {
        let yes = |yes: bool| if yes { Matches::May } else { Matches::Never };
        // A set with a name; several values that are asked for together.
        if value.starts_with('@') || value == "." {
            return Matches::Unclear;
        }
        match self {
            Self::State => yes(!matches!(value, "established" | "related" | "invalid")),
            Self::Interface => match value.strip_suffix('*') {
                Some(prefix) => probe.comes_by(prefix, true),
                None => probe.comes_by(value, false),
            },
            Self::Port => yes(is_many(value)),
            Self::Address => {
                let bits = value.split_once('/').map(|(_, bits)| bits.parse::<u32>());
                yes(value.contains('-') || bits.is_some_and(|bits| bits.is_ok_and(|bits| bits < 8)))
            }
            Self::Protocol => yes(!matches!(
                value,
                "icmp"
                    | "icmpv6"
                    | "ipv6-icmp"
                    | "igmp"
                    | "esp"
                    | "ah"
                    | "gre"
                    | "vrrp"
                    | "ospf"
                    | "1"
                    | "2"
                    | "58"
                    | "112"
            )),
            Self::PacketType => yes(!matches!(value, "broadcast" | "multicast")),
            Self::Family => {
                let own = if probe.is_ipv6 { ["ipv6", "ip6"] } else { ["ipv4", "ip"] };
                if own.contains(&value) { Matches::Always } else { Matches::Never }
            }
            Self::Narrow => Matches::Never,
        }
    }
}

fn is_many(ports: &str) -> bool {
    let Some((from, to)) = ports.split_once('-') else { return false };
    match (from.parse::<u32>(), to.parse::<u32>()) {
        (Ok(from), Ok(to)) => to.saturating_sub(from) + 1 >= 1 << 15,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::packet_filter::Fate;
    use proptest::prelude::*;

    const PROBE: Probe<'static> = Probe { is_ipv6: false, outside: None };

    fn fate(policy: &str, rules: &str) -> Result<Option<Fate>, NotUnderstood> {
        let text = format!(
            "flush ruleset\ntable inet filter {{\n chain input {{\n  type filter hook input priority filter; {policy}\n{rules}\n }}\n}}\n"
        );
        parse(&text, &PROBE).map(|filter| filter.fate(Hook::Input))
    }

    #[test]
    fn a_rule_that_lets_anybody_in_is_no_default_that_refuses() {
        for (policy, rules, expect) in [
            ("policy drop;", "", Some(Fate::Drop)),
            ("", "", Some(Fate::Accept)),
            ("policy accept;", "counter drop", Some(Fate::Drop)),
            (
                "policy accept;",
                "counter packets 3 bytes 4 log prefix \"x \" drop",
                Some(Fate::Drop),
            ),
            ("policy accept;", "tcp dport 22 drop", Some(Fate::Accept)),
            ("policy accept;", "meta nfproto ipv6 drop", Some(Fate::Accept)),
            ("policy accept;", "meta nfproto ipv4 drop", Some(Fate::Drop)),
            (
                "policy drop;",
                "iif lo accept; ct state established,related accept",
                Some(Fate::Drop),
            ),
            ("policy drop;", "ct state new accept", Some(Fate::Accept)),
            (
                "policy drop;",
                "ct state vmap { established : accept, related : accept, invalid : drop }",
                Some(Fate::Drop),
            ),
            ("policy drop;", "ct state vmap { new : accept, invalid : drop }", Some(Fate::Accept)),
            ("policy drop;", "tcp dport { 22, 80 } accept", Some(Fate::Drop)),
            ("policy drop;", "tcp dport {\n 22,\n 1-65535 } accept", Some(Fate::Accept)),
            ("policy drop;", "tcp sport 53 accept", Some(Fate::Accept)),
            ("policy drop;", "tcp dport != 22 accept", Some(Fate::Accept)),
            ("policy drop;", "ip saddr @friends accept", None),
            ("policy drop;", "update @seen { ip saddr } accept", Some(Fate::Accept)),
            ("policy drop;", "meter m { ip saddr limit rate 9/second } accept", Some(Fate::Accept)),
            ("policy accept;", "update @seen { ip saddr } drop", Some(Fate::Accept)),
            ("policy drop;", "tcp dport 22 update @seen { ip saddr } accept", Some(Fate::Drop)),
            ("policy drop;", "add @fates { ip saddr : accept } drop", Some(Fate::Drop)),
            ("policy drop;", "ip saddr . tcp dport { 0.0.0.0/0 . 1-65535 } accept", None),
            ("policy drop;", "ip saddr . tcp dport @pairs accept", None),
            ("policy drop;", "iifname \"eth0\" accept", Some(Fate::Accept)),
            ("policy accept;", "reject with icmpx type admin-prohibited", Some(Fate::Reject)),
            ("policy accept;", "reject with tcp reset", Some(Fate::Accept)),
            ("policy drop;", "meta l4proto { icmp, ipv6-icmp } accept # pings", Some(Fate::Drop)),
            ("policy drop;", "accept comment \"drop\"", Some(Fate::Accept)),
        ] {
            assert_eq!(fate(policy, rules), Ok(expect), "{policy} {rules}");
        }
    }

    #[test]
    fn what_is_written_in_another_way_is_not_understood() {
        for text in [
            "include \"/etc/nftables/*.nft\"\n",
            "define ports = { 22 }\n",
            "add table inet filter\n",
            "table inet filter {\n chain input {\n  tcp dport $ports accept\n }\n}\n",
            "table inet filter {\n flags dormant\n}\n",
            "table inet filter {\n chain input {\n",
            "table inet filter {\n",
        ] {
            assert!(parse(text, &PROBE).is_err(), "{text}");
        }
        assert!(parse("#!/usr/sbin/nft -f\n\ntable ip6 x;\n", &PROBE).is_ok());
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in "\\PC{0,200}", rule in "[-!a-z0-9:{},./\" @;\n]{0,80}") {
            let _ = parse(&text, &PROBE);
            let _ = fate("policy drop;", &rule);
        }
    }
}
