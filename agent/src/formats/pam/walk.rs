//! Every way through a stack, with what modules may return: how the library combines return codes,
//! jumps and substacks (pam.conf(5), and the dispatcher of Linux-PAM where that is silent).

use super::stack::{Handler, Step};
use super::{Action, MODULE_UNKNOWN, PERM_DENIED, SUCCESS};
use std::collections::{BTreeMap, BTreeSet};

/// Most states at one step: each is a way in which the steps before may have ended.
const MAX_STATES: usize = 20_000;

/// A return code, and what is remembered after it.
pub type Outcome = (usize, u8);

/// Whether the stack as a whole succeeds, and what was remembered on the way.
pub type Ending = (bool, u8);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Impression {
    Undefined,
    Positive,
    Negative,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    impression: Impression,
    /// Whether what would be returned is success.
    succeeds: bool,
    /// The level of the step before.
    level: u8,
    /// Impression and status at the beginning of each substack.
    saved: Vec<(Impression, bool)>,
    marks: u8,
}

/// All endings of a stack. `outcomes` says what a module may return, given what was remembered so
/// far. `None` where there are too many ways.
pub fn endings(
    stack: &[Handler],
    outcomes: &mut dyn FnMut(&Handler, u8) -> Vec<Outcome>,
) -> Option<BTreeSet<Ending>> {
    let start = State {
        impression: Impression::Undefined,
        succeeds: false,
        level: 0,
        saved: vec![(Impression::Undefined, false)],
        marks: 0,
    };
    let mut waiting = BTreeMap::from([(0, BTreeSet::from([start]))]);
    let mut endings = BTreeSet::new();
    while let Some((index, states)) = waiting.pop_first() {
        if states.len() > MAX_STATES {
            return None;
        }
        let Some(handler) = stack.get(index) else {
            let end = |state: State| {
                (state.succeeds && state.impression == Impression::Positive, state.marks)
            };
            endings.extend(states.into_iter().map(end));
            continue;
        };
        for mut state in states {
            enter(&mut state, handler.level);
            for (action, succeeded, marks) in distinct(handler, state.marks, outcomes) {
                let mut after = State { marks, ..state.clone() };
                let next = match action {
                    Some(action) => apply(&mut after, action, succeeded, stack, index),
                    None => index + 1,
                };
                after.level = handler.level;
                waiting.entry(next).or_default().insert(after);
            }
        }
    }
    Some(endings)
}

/// Remembers impression and status where a substack begins.
fn enter(state: &mut State, level: u8) {
    let level_index = usize::from(level);
    if state.level < level {
        state.saved.truncate(level_index);
        while state.saved.len() <= level_index {
            state.saved.push((state.impression, state.succeeds));
        }
    } else {
        // What a substack that was left began with is never asked for again.
        state.saved.truncate(level_index + 1);
    }
}

/// The action on each outcome, whether it was success, and the marks; without an action nothing is
/// done. Codes of one action need to be followed once.
fn distinct(
    handler: &Handler,
    marks: u8,
    outcomes: &mut dyn FnMut(&Handler, u8) -> Vec<Outcome>,
) -> BTreeSet<(Option<Action>, bool, u8)> {
    let possible = match &handler.what {
        Step::Substack => return BTreeSet::from([(None, false, marks)]),
        Step::MustFail => vec![(PERM_DENIED, marks)],
        Step::Module { .. } => outcomes(handler, marks),
    };
    let known = |(code, marks): Outcome| {
        let action = handler.actions.get(code).or(handler.actions.get(MODULE_UNKNOWN));
        (action.copied(), code == SUCCESS, marks)
    };
    possible.into_iter().map(known).collect()
}

/// Applies an action; gives the index of the step after it.
fn apply(
    state: &mut State,
    action: Action,
    succeeded: bool,
    stack: &[Handler],
    index: usize,
) -> usize {
    let level = stack.get(index).map_or(0, |handler| handler.level);
    match action {
        Action::Ignore => {}
        Action::Reset => {
            let saved = state.saved.get(usize::from(level)).copied();
            (state.impression, state.succeeds) = saved.unwrap_or((Impression::Undefined, false));
        }
        Action::Ok | Action::Done => {
            let clean = state.impression == Impression::Positive && state.succeeds;
            if state.impression == Impression::Undefined || clean {
                (state.impression, state.succeeds) = (Impression::Positive, succeeded);
            }
            if state.impression == Impression::Positive && action == Action::Done {
                return decided(stack, index, level);
            }
        }
        Action::Bad | Action::Die => {
            if state.impression != Impression::Negative {
                (state.impression, state.succeeds) = (Impression::Negative, succeeded);
            }
            if action == Action::Die {
                return decided(stack, index, level);
            }
        }
        Action::Jump(count) => return jump(state, stack, index, count),
    }
    index + 1
}

/// A decision ends the stack, or the substack it was made in.
fn decided(stack: &[Handler], index: usize, level: u8) -> usize {
    let rest = stack.iter().skip(index + 1);
    index + 1 + rest.take_while(|handler| handler.level >= level).count()
}

/// Jumps over steps of the same level; a substack counts as one. Too few of them are an error.
fn jump(state: &mut State, stack: &[Handler], index: usize, mut count: u32) -> usize {
    let level_at = |index: usize| stack.get(index).map(|handler| handler.level);
    let level = level_at(index).unwrap_or(0);
    let mut at = index;
    while count > 0 && level_at(at + 1).is_some_and(|next| next >= level) {
        at += 1;
        while level_at(at + 1).is_some_and(|next| next > level) {
            at += 1;
        }
        count -= 1;
    }
    if count > 0 {
        (state.impression, state.succeeds) = (Impression::Negative, false);
    }
    at + 1
}
