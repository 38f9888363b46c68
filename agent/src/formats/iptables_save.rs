//! What iptables-save(8) writes and iptables-restore(8) reads, as a [`Filter`]: the table `filter`.

use super::nf_tables::Probe;
use super::packet_filter::{Base, Chain, Filter, Hook, Matches, Rule, Verdict};

const TABLE: &str = "filter";

/// The table, or the line (from 1) that is none of the format. A file without the table filters
/// nothing.
pub fn parse(text: &str, probe: &Probe<'_>) -> Result<Filter, usize> {
    let mut filter = Filter::default();
    let mut table: Option<String> = None;
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        let fail = || number;
        match line.as_bytes().first() {
            None | Some(b'#') => {}
            Some(b'*') => {
                if table.replace(line[1..].to_owned()).is_some() {
                    return Err(number);
                }
            }
            _ if line == "COMMIT" => drop(table.take().ok_or_else(fail)?),
            _ if table.as_deref() != Some(TABLE) => {
                table.as_ref().ok_or_else(fail)?;
            }
            Some(b':') => declare(&mut filter, &line[1..]).ok_or_else(fail)?,
            _ => add(&mut filter, line, probe).ok_or_else(fail)?,
        }
    }
    // Without COMMIT nothing of a table is set.
    if table.is_some() { Err(text.lines().count()) } else { Ok(filter) }
}

/// `INPUT DROP [0:0]`
fn declare(filter: &mut Filter, line: &str) -> Option<()> {
    let mut words = line.split_whitespace();
    let (name, policy) = (words.next()?, words.next()?);
    let hook = match name {
        "INPUT" => Some(Hook::Input),
        "FORWARD" => Some(Hook::Forward),
        _ => None,
    };
    let drops = match policy {
        "DROP" => true,
        "ACCEPT" | "-" => false,
        _ => return None,
    };
    let base = hook.map(|hook| Base { hook, drops });
    filter.chains.insert(key(name), Chain { base, rules: Vec::new() });
    Some(())
}

fn key(name: &str) -> (String, String) {
    (TABLE.to_owned(), name.to_owned())
}

/// `-A CHAIN …` and `-I CHAIN …`, perhaps with counters before it. Other commands are not understood.
fn add(filter: &mut Filter, line: &str, probe: &Probe<'_>) -> Option<()> {
    let words = words(line)?;
    let mut words = words.iter().map(String::as_str).peekable();
    if words.peek()?.starts_with('[') {
        words.next();
    }
    let is_first = match words.next()? {
        "-A" | "--append" => false,
        "-I" | "--insert" => true,
        _ => return None,
    };
    let chain = words.next()?.to_owned();
    let (matches, verdict) = rule(&mut words, probe)?;
    let rules = &mut filter.chains.get_mut(&key(&chain))?.rules;
    rules.insert(if is_first { 0 } else { rules.len() }, Rule { matches, verdict });
    Some(())
}

fn rule<'w>(
    words: &mut std::iter::Peekable<impl Iterator<Item = &'w str>>,
    probe: &Probe<'_>,
) -> Option<(Matches, Verdict)> {
    let mut matches = Matches::Always;
    let mut is_not = false;
    while let Some(option) = words.next() {
        if option == "!" {
            is_not = true;
            continue;
        }
        match option {
            // The options of a target come last and say nothing about the packet.
            "-j" | "--jump" => return Some((matches, target(words.next()?))),
            "-g" | "--goto" => return Some((matches, Verdict::Goto(words.next()?.to_owned()))),
            "-m" | "--match" => {
                words.next()?;
                continue;
            }
            "--comment" => {
                words.next()?;
                continue;
            }
            "-c" | "--set-counters" => {
                (words.next()?, words.next()?);
                continue;
            }
            _ => {}
        }
        let mut values = Vec::new();
        while let Some(value) = words.next_if(|word| *word != "!" && !is_option(word)) {
            values.push(value);
        }
        let value = values.first().copied().unwrap_or_default();
        let one =
            if is_not { except(option, value, probe) } else { condition(option, value, probe) };
        matches = matches.max(one);
        is_not = false;
    }
    Some((matches, Verdict::Next))
}

fn is_option(word: &str) -> bool {
    word.starts_with('-') && word.len() > 1 && !word.as_bytes()[1].is_ascii_digit()
}

fn condition(option: &str, value: &str, probe: &Probe<'_>) -> Matches {
    let yes = |yes: bool| if yes { Matches::May } else { Matches::Never };
    match option {
        "-i" | "--in-interface" => match value.strip_suffix('+') {
            Some(prefix) => probe.comes_by(prefix, true),
            None => probe.comes_by(value, false),
        },
        "-p" | "--protocol" | "--proto" => {
            const WIDE: [&str; 10] =
                ["tcp", "udp", "sctp", "dccp", "udplite", "all", "0", "6", "17", "132"];
            yes(WIDE.contains(&value))
        }
        "-s" | "--source" | "--src" => yes(value.split(',').any(is_wide)),
        "--dport" | "--destination-port" | "--dports" | "--destination-ports" => {
            yes(value.split(',').any(is_many))
        }
        "--icmp-type" | "--icmpv6-type" => Matches::Never,
        "--ctstate" | "--state" => yes(value
            .split(',')
            .any(|state| matches!(state, "NEW" | "UNTRACKED" | "DNAT" | "SNAT"))),
        "--pkt-type" => yes(value == "unicast"),
        "--match-set" => Matches::Unclear,
        _ => Matches::May,
    }
}

/// `! OPTION VALUE`
fn except(option: &str, value: &str, probe: &Probe<'_>) -> Matches {
    match option {
        "-i" | "--in-interface" if !value.ends_with('+') => probe.comes_by_another_than(value),
        _ => Matches::May,
    }
}

/// More than one network of the old class A.
fn is_wide(address: &str) -> bool {
    let Some((_, mask)) = address.split_once('/') else { return false };
    match mask.parse::<u32>() {
        Ok(bits) => bits < 8,
        Err(_) => !mask.starts_with("255."),
    }
}

fn is_many(ports: &str) -> bool {
    let Some((from, to)) = ports.split_once(':') else { return ports.starts_with('!') };
    let number = |text: &str, default| match text {
        "" => Some(default),
        text => text.parse::<u32>().ok(),
    };
    match (number(from, 0), number(to, 65535)) {
        (Some(from), Some(to)) => to.saturating_sub(from) >= (1 << 15),
        _ => false,
    }
}

fn target(name: &str) -> Verdict {
    match name {
        "ACCEPT" => Verdict::Accept,
        "DROP" => Verdict::Drop,
        "REJECT" => Verdict::Reject,
        "RETURN" => Verdict::Return,
        "NFQUEUE" | "QUEUE" => Verdict::Unclear,
        "LOG" | "NFLOG" | "MARK" | "CONNMARK" | "TRACE" | "SECMARK" | "CONNSECMARK" | "SET"
        | "CT" | "AUDIT" | "TCPMSS" | "CLASSIFY" => Verdict::Next,
        name => Verdict::Jump(name.to_owned()),
    }
}

/// Words as iptables-restore parts them: by blanks, and by double quotes with a backslash in them.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            '\\' if is_quoted => word.get_or_insert_default().push(letters.next()?),
            ' ' | '\t' if !is_quoted => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    (!is_quoted && !words.is_empty()).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::packet_filter::Fate;
    use proptest::prelude::*;

    const PROBE: Probe<'static> = Probe { is_ipv6: false, outside: None };

    fn fate(policy: &str, rules: &str) -> Result<Option<Fate>, usize> {
        let text = format!("*filter\n:INPUT {policy} [0:0]\n:mine - [0:0]\n{rules}\nCOMMIT\n");
        parse(&text, &PROBE).map(|filter| filter.fate(Hook::Input))
    }

    #[test]
    fn a_rule_that_lets_anybody_in_is_no_default_that_refuses() {
        for (policy, rules, expect) in [
            ("DROP", "", Some(Fate::Drop)),
            ("ACCEPT", "", Some(Fate::Accept)),
            ("ACCEPT", "-A INPUT -j DROP", Some(Fate::Drop)),
            ("ACCEPT", "-A INPUT -p tcp -j DROP", Some(Fate::Accept)),
            (
                "ACCEPT",
                "-A INPUT -j REJECT --reject-with icmp-port-unreachable",
                Some(Fate::Reject),
            ),
            ("DROP", "-A INPUT -i lo -j ACCEPT", Some(Fate::Drop)),
            ("DROP", "-A INPUT -i eth0 -j ACCEPT", Some(Fate::Accept)),
            ("DROP", "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT", Some(Fate::Drop)),
            ("DROP", "-A INPUT -p tcp -m tcp --dport 1:65535 -j ACCEPT", Some(Fate::Accept)),
            ("DROP", "-A INPUT -p tcp -m tcp --sport 53 -j ACCEPT", Some(Fate::Accept)),
            ("DROP", "-A INPUT -p tcp -m tcp ! --dport 22 -j ACCEPT", Some(Fate::Accept)),
            ("DROP", "-A INPUT -s 0.0.0.0/1 -j ACCEPT", Some(Fate::Accept)),
            ("DROP", "-A INPUT -s 192.0.2.0/24 -j ACCEPT", Some(Fate::Drop)),
            (
                "DROP",
                "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                Some(Fate::Drop),
            ),
            ("DROP", "-A INPUT -m conntrack --ctstate NEW -j ACCEPT", Some(Fate::Accept)),
            ("DROP", "-A INPUT -m comment --comment \"-j DROP\" -j ACCEPT", Some(Fate::Accept)),
            ("ACCEPT", "-A INPUT -j mine\n-A mine -j DROP", Some(Fate::Drop)),
            ("ACCEPT", "-A INPUT -j gone", None),
            ("DROP", "-A INPUT -m set --match-set friends src -j ACCEPT", None),
        ] {
            assert_eq!(fate(policy, rules), Ok(expect), "{policy} {rules}");
        }
    }

    #[test]
    fn what_is_no_such_file_is_refused_with_its_line() {
        assert_eq!(fate("DROP", "-Z INPUT"), Err(4));
        assert_eq!(fate("DROP", "-A NOWHERE -j DROP"), Err(4));
        assert_eq!(fate("MAYBE", ""), Err(2));
        assert_eq!(parse("*filter\n:INPUT DROP [0:0]\n", &PROBE), Err(2));
        assert_eq!(parse("-A INPUT -j DROP\n", &PROBE), Err(1));
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in "\\PC{0,200}", rule in "[-!a-zA-Z0-9:,./\" ]{0,60}") {
            let _ = parse(&text, &PROBE);
            let _ = fate("DROP", &format!("-A INPUT {rule}"));
        }
    }
}
