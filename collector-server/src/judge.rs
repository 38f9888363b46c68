//! Judges what hosts reported by rules. Pure: states and days in, results out; nothing here fails,
//! an error is an `unknown`.
//!
//! What keeps a rule from passing without proof:
//! 1. every kind it needs was read, and none of the facts it reads is listed as unread (`evaluate`);
//! 2. its expression is evaluated strictly from left to right and ends at the first missing fact:
//!    `||`, `&&`, `exists` and `all` do not absorb it (`cel`);
//! 3. facts can only be read by name: no `has()`, no null, no counting of keys (`check`);
//! 4. a value that can be `unknown` may not decide by its bad values (`check`).

mod cel;
mod check;
mod difference;
mod evaluate;
mod example;
mod explain;
mod load;
mod memo;
mod outcome;
mod overlay;
mod resolve;
mod rule;
mod shape;

pub use difference::{Change, Difference, differences};
pub use evaluate::{Judge, Recalled, Step};
pub use explain::{Explanation, KindRead, ParamShown, Read};
pub use load::RuleSet;
pub use outcome::{HostState, KindState, Outcome, Reason, RuleResult, today_day};
pub use overlay::{Off, read_dir as read_overlay};
pub use rule::{Origin, Profile, Rule, RuleError, Severity};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod traps;
