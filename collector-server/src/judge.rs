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
mod evaluate;
mod example;
mod load;
mod memo;
mod outcome;
mod rule;
mod shape;

pub use evaluate::{Judge, Recalled};
pub use load::RuleSet;
pub use outcome::{HostState, KindState, Outcome, Reason, RuleResult, today_day};
pub use rule::{Profile, Rule, RuleError, Severity};

#[cfg(test)]
mod tests;
