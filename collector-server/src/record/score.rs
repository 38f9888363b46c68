//! Scores: products of levels, by the scales that a register declares.

use super::register::{Register, Score};
use super::{Says, Wrong};

/// A score that can be computed of what a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scored {
    pub label: String,
    pub value: u32,
    pub word: String,
}

/// The step of a level, from 1; none if it is not said.
fn step(says: &Says, register: &Register, id: &str) -> Option<u32> {
    let text = says.get(id);
    let at = register.field(id)?.choices.iter().position(|word| word == text)?;
    u32::try_from(at + 1).ok()
}

fn value(says: &Says, register: &Register, score: &Score) -> Option<u32> {
    score.of.iter().map(|id| step(says, register, id)).product()
}

/// Every score of a record whose levels are all said.
pub fn scored(says: &Says, register: &Register) -> Vec<Scored> {
    let of = |score: &Score| {
        let value = value(says, register, score)?;
        let band = score.band.iter().find(|band| value <= band.up_to)?;
        Some(Scored { label: score.label.clone(), value, word: band.word.clone() })
    };
    register.score.iter().filter_map(of).collect()
}

/// What lies above its limit says what the register needs then.
pub(super) fn check(says: &Says, register: &Register) -> Result<(), Wrong> {
    for score in &register.score {
        let Some(above) = &score.above else { continue };
        let Some(value) = value(says, register, score).filter(|value| *value > above.limit) else {
            continue;
        };
        if says.get(&above.needs).is_empty() {
            let label = register.field(&above.needs).map(|field| field.label.clone());
            let label = label.unwrap_or_default();
            return Err(Wrong::Above(score.label.clone(), value, above.limit, label));
        }
    }
    Ok(())
}
