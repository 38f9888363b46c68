//! What may be compared with what, and whether `unknown` would decide for the good.

use super::{Checked, Fault, Sense, Typed};
use crate::judge::shape::Shape;
use ::cel::common::ast::{Expr, IdedExpr, LiteralValue};

pub(super) fn literal_shape(literal: &LiteralValue) -> Checked {
    match literal {
        LiteralValue::Boolean(_) => Ok(Typed::of(Shape::Bool)),
        LiteralValue::Int(_) => Ok(Typed::of(Shape::Int)),
        LiteralValue::String(text) => {
            let texts = Some(vec![text.inner().to_owned()]);
            Ok(Typed { texts, ..Typed::of(Shape::Text) })
        }
        LiteralValue::Null => Err(Fault::at(
            "null",
            "null is refused: a fact that was not read is an absent key and makes the rule unknown",
        )),
        _ => Err(Fault::new("literals are ints, bools and strings; facts hold nothing else")),
    }
}

pub(super) fn mismatch(a: &Typed, b: &Typed) -> Fault {
    let word = [a, b].into_iter().find_map(|typed| typed.path.as_deref());
    let word = word.and_then(|path| path.rsplit('.').next()).map(str::to_owned);
    let message = format!("`{}` is {} and cannot be matched with {}", a.name(), a.shape, b.shape);
    Fault { message, word, suggestion: None }
}

pub(super) fn can_be_unknown(shape: &Shape) -> bool {
    matches!(shape, Shape::Enum(known) if known.iter().any(|value| value == "unknown"))
}

pub(super) fn refused_unknown(tested: &Typed) -> Fault {
    let path = tested.name();
    let word = path.rsplit('.').next().unwrap_or(path);
    Fault::at(
        word,
        format!(
            "`{path}` can be `unknown`, and the rule would then pass or not apply; \
             name the good values instead of the bad ones"
        ),
    )
}

/// Comparing an enum with texts of the rule: they must be among its values, and the answer for
/// `unknown` must be safe.
pub(super) fn enum_test(
    tested: &Typed,
    with: &Typed,
    equal: bool,
    sense: Sense,
) -> Result<(), Fault> {
    let Shape::Enum(known) = &tested.shape else { return Ok(()) };
    let Some(texts) = &with.texts else {
        return if can_be_unknown(&tested.shape) { Err(refused_unknown(tested)) } else { Ok(()) };
    };
    if let Some(stranger) = texts.iter().find(|text| !known.contains(text)) {
        let message = format!("`{}` is {}, never `{stranger}`", tested.name(), tested.shape);
        return Err(Fault::at(stranger, message).suggest(known.iter().map(String::as_str)));
    }
    let answer = texts.iter().any(|text| text == "unknown") == equal;
    match can_be_unknown(&tested.shape) && !sense.allows(answer) {
        true => Err(refused_unknown(tested)),
        false => Ok(()),
    }
}

/// The engine compiles a pattern at every call, and a counted repetition can make it huge.
pub(super) fn short_pattern(pattern: &IdedExpr) -> Result<(), Fault> {
    match &pattern.expr {
        Expr::Literal(LiteralValue::String(text))
            if text.inner().len() <= 64 && !text.inner().contains('{') =>
        {
            Ok(())
        }
        _ => Err(Fault::at(
            "matches",
            "a pattern is a literal of at most 64 bytes without counted repetition",
        )),
    }
}
