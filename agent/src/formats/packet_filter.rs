//! A packet filter as chains of rules, whatever it was written in, and what it does with a new
//! connection from outside that no narrow rule names: to this machine, over an interface that leads
//! outside, from any address and any port to a port nobody thought of.
//!
//! The worst is assumed: a rule that may match such a packet accepts it; only one that matches every
//! packet drops it.

use std::collections::{BTreeMap, BTreeSet};

/// Deeper than the kernel lets chains jump.
const MAX_DEPTH: usize = 20;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// By table and name.
    pub chains: BTreeMap<(String, String), Chain>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// Set for a chain that packets enter by themselves.
    pub base: Option<Base>,
    pub rules: Vec<Rule>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    pub hook: Hook,
    pub drops: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    Input,
    Forward,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub matches: Matches,
    pub verdict: Verdict,
}

/// Whether a rule matches the packet, from sure to impossible. What several conditions say together
/// is the greatest of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Matches {
    Always,
    May,
    /// By something that was not read or is not known.
    Unclear,
    Never,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Accept,
    Drop,
    Reject,
    Return,
    Jump(String),
    Goto(String),
    /// Somebody else decides, or what it does is not known.
    Unclear,
    /// The rule counts, logs, marks.
    Next,
}

/// What becomes of the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Accept,
    Drop,
    Reject,
}

/// Every end that is possible.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Ends {
    accept: bool,
    drop: bool,
    reject: bool,
    unclear: bool,
    /// The chain ends, and its caller goes on.
    falls: bool,
}

impl Filter {
    /// Whether packets of this hook pass a chain at all that may refuse one.
    pub fn refuses_at(&self, hook: Hook) -> bool {
        self.bases(hook)
            .any(|((table, _), chain, base)| base.drops || self.has_refusal(table, chain))
    }

    /// A packet passes every chain of a hook, so one that drops decides. `None` where it is unclear.
    pub fn fate(&self, hook: Hook) -> Option<Fate> {
        let mut fate = Some(Fate::Accept);
        for ((table, _), chain, base) in self.bases(hook) {
            let mut ends = self.ends(table, chain, &mut BTreeMap::new(), MAX_DEPTH);
            if ends.falls {
                ends.drop |= base.drops;
                ends.accept |= !base.drops;
            }
            match ends {
                Ends { accept: true, .. } => {}
                Ends { unclear: true, .. } => fate = None,
                Ends { drop: true, .. } => return Some(Fate::Drop),
                _ => return Some(Fate::Reject),
            }
        }
        fate
    }

    fn bases(&self, hook: Hook) -> impl Iterator<Item = (&(String, String), &Chain, Base)> {
        let chains = self.chains.iter();
        chains.filter_map(move |(key, chain)| {
            let base = chain.base.filter(|base| base.hook == hook)?;
            Some((key, chain, base))
        })
    }

    fn chain(&self, table: &str, name: &str) -> Option<&Chain> {
        self.chains.get(&(table.to_owned(), name.to_owned()))
    }

    /// Chains of other programs do not make a firewall of what they refuse.
    fn has_refusal(&self, table: &str, chain: &Chain) -> bool {
        let (mut seen, mut waiting) = (BTreeSet::new(), vec![chain]);
        while let Some(chain) = waiting.pop() {
            for rule in &chain.rules {
                match &rule.verdict {
                    Verdict::Drop | Verdict::Reject => return true,
                    Verdict::Jump(name) | Verdict::Goto(name) if seen.insert(name) => {
                        let is_foreign = FOREIGN.iter().any(|prefix| name.starts_with(prefix));
                        waiting.extend(self.chain(table, name).filter(|_| !is_foreign));
                    }
                    _ => {}
                }
            }
        }
        false
    }

    fn ends<'f>(
        &'f self,
        table: &str,
        chain: &'f Chain,
        known: &mut BTreeMap<&'f str, Ends>,
        depth: usize,
    ) -> Ends {
        let mut ends = Ends::default();
        for rule in &chain.rules {
            if rule.matches == Matches::Never {
                continue;
            }
            let (one, is_goto) = match &rule.verdict {
                Verdict::Next => continue,
                Verdict::Accept => (Ends { accept: true, ..Ends::default() }, false),
                Verdict::Drop => (Ends { drop: true, ..Ends::default() }, false),
                Verdict::Reject => (Ends { reject: true, ..Ends::default() }, false),
                Verdict::Unclear => (Ends { unclear: true, ..Ends::default() }, false),
                Verdict::Return => (Ends { falls: true, ..Ends::default() }, true),
                Verdict::Jump(name) => (self.ends_of(table, name, known, depth), false),
                Verdict::Goto(name) => (self.ends_of(table, name, known, depth), true),
            };
            ends = ends.or(
                match rule.matches {
                    Matches::Unclear if one.accept || one.falls => {
                        Ends { unclear: true, accept: false, ..one }
                    }
                    _ => one,
                },
                is_goto,
            );
            if rule.matches == Matches::Always && (is_goto || !one.falls) {
                return ends;
            }
        }
        Ends { falls: true, ..ends }
    }

    fn ends_of<'f>(
        &'f self,
        table: &str,
        name: &'f str,
        known: &mut BTreeMap<&'f str, Ends>,
        depth: usize,
    ) -> Ends {
        if let Some(ends) = known.get(name) {
            return *ends;
        }
        let unclear = Ends { unclear: true, ..Ends::default() };
        let Some(chain) = self.chain(table, name).filter(|_| depth > 0) else { return unclear };
        // A chain that leads back to itself is none that the kernel takes.
        known.insert(name, unclear);
        let ends = self.ends(table, chain, known, depth - 1);
        known.insert(name, ends);
        ends
    }
}

/// Beginnings of names of chains that container engines, virtual machines and fail2ban make.
const FOREIGN: [&str; 6] = ["CNI-", "DOCKER", "KUBE-", "LIBVIRT_", "cali-", "f2b-"];

impl Ends {
    fn or(self, other: Self, with_falls: bool) -> Self {
        Self {
            accept: self.accept || other.accept,
            drop: self.drop || other.drop,
            reject: self.reject || other.reject,
            unclear: self.unclear || other.unclear,
            falls: self.falls || (with_falls && other.falls),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(matches: Matches, verdict: Verdict) -> Rule {
        Rule { matches, verdict }
    }

    fn filter(drops: bool, rules: Vec<Rule>, called: Vec<Rule>) -> Filter {
        let base = Some(Base { hook: Hook::Input, drops });
        let mut filter = Filter::default();
        filter.chains.insert(("t".into(), "in".into()), Chain { base, rules });
        filter.chains.insert(("t".into(), "called".into()), Chain { base: None, rules: called });
        filter
    }

    #[test]
    fn the_worst_of_what_may_happen_counts() {
        use Matches::{Always, May, Never, Unclear};
        let called = || Verdict::Jump("called".into());
        for (drops, rules, target, expect) in [
            (true, vec![], vec![], Some(Fate::Drop)),
            (false, vec![], vec![], Some(Fate::Accept)),
            (true, vec![rule(May, Verdict::Accept)], vec![], Some(Fate::Accept)),
            (true, vec![rule(Never, Verdict::Accept)], vec![], Some(Fate::Drop)),
            (true, vec![rule(Unclear, Verdict::Accept)], vec![], None),
            (false, vec![rule(May, Verdict::Drop)], vec![], Some(Fate::Accept)),
            (false, vec![rule(Always, Verdict::Reject)], vec![], Some(Fate::Reject)),
            (
                false,
                vec![rule(Always, called())],
                vec![rule(Always, Verdict::Drop)],
                Some(Fate::Drop),
            ),
            (
                false,
                vec![rule(Always, called())],
                vec![rule(May, Verdict::Return), rule(Always, Verdict::Drop)],
                Some(Fate::Accept),
            ),
            (
                true,
                vec![rule(Always, Verdict::Goto("called".into())), rule(Always, Verdict::Accept)],
                vec![],
                Some(Fate::Drop),
            ),
            (true, vec![rule(Always, Verdict::Jump("gone".into()))], vec![], None),
            (true, vec![rule(Always, called())], vec![rule(Always, called())], None),
        ] {
            let filter = filter(drops, rules, target);
            assert_eq!(filter.fate(Hook::Input), expect, "{filter:?}");
        }
    }
}
