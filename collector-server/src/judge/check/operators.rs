//! Types of operators and functions.

use super::compare::{can_be_unknown, enum_test, mismatch, refused_unknown, short_pattern};
use super::{Checked, Checker, Fault, MAX_PIECES, Sense, Typed};
use crate::judge::shape::Shape;
use ::cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};

impl Checker<'_> {
    pub(super) fn call(&mut self, call: &CallExpr, sense: Sense) -> Checked {
        use operators::*;
        let bool = Ok(Typed::of(Shape::Bool));
        match (call.func_name.as_str(), call.target.as_deref(), call.args.as_slice()) {
            (LOGICAL_OR | LOGICAL_AND, None, [a, b]) => {
                self.bool(a, sense)?;
                self.bool(b, sense)?;
                bool
            }
            (LOGICAL_NOT, None, [a]) => self.bool(a, sense.flipped()).and(bool),
            (CONDITIONAL, None, [test, yes, no]) => self.conditional(test, yes, no, sense),
            (EQUALS, None, [a, b]) => self.equality(a, b, true, sense),
            (NOT_EQUALS, None, [a, b]) => self.equality(a, b, false, sense),
            (IN, None, [a, b]) => self.membership(a, b, sense),
            (LESS | LESS_EQUALS | GREATER | GREATER_EQUALS, None, [a, b]) => {
                self.int(a)?;
                self.int(b)?;
                bool
            }
            (ADD, None, [a, b]) => self.sum(a, b, sense),
            (SUBSTRACT | MULTIPLY | DIVIDE | MODULO, None, [a, b]) => {
                self.int(a)?;
                self.int(b)?;
                Ok(Typed::of(Shape::Int))
            }
            (NEGATE, None, [a]) => self.int(a).map(|()| Typed::of(Shape::Int)),
            (INDEX, None, [on, key]) => self.index(on, key),
            ("size", None, [a]) | ("size", Some(a), []) => self.size(a),
            ("string", None, [a]) => self.string(a),
            ("contains" | "startsWith" | "endsWith", Some(text), [part]) => {
                self.text_test(text, part)
            }
            ("matches", Some(text), [pattern]) => {
                short_pattern(pattern)?;
                self.text_test(text, pattern)
            }
            (name, ..) => Err(Fault::at(name, format!("`{name}` is no function of rules"))
                .suggest(["size", "string", "contains", "startsWith", "endsWith", "matches"])),
        }
    }

    fn conditional(
        &mut self,
        test: &IdedExpr,
        yes: &IdedExpr,
        no: &IdedExpr,
        sense: Sense,
    ) -> Checked {
        self.bool(test, Sense::Lost)?;
        let yes = self.infer(yes, sense)?;
        let no = self.infer(no, sense)?;
        if !yes.shape.agrees(&no.shape) {
            return Err(Fault::new(format!("one branch is {}, the other {}", yes.shape, no.shape)));
        }
        let (pieces, made) = (yes.pieces.max(no.pieces), yes.made || no.made);
        Ok(Typed { pieces, made, ..Typed::of(either(&yes.shape, &no.shape)) })
    }

    fn equality(&mut self, a: &IdedExpr, b: &IdedExpr, equal: bool, sense: Sense) -> Checked {
        let a = self.infer(a, Sense::Lost)?;
        let b = self.infer(b, Sense::Lost)?;
        if !a.shape.agrees(&b.shape) {
            return Err(mismatch(&a, &b));
        }
        enum_test(&a, &b, equal, sense)?;
        enum_test(&b, &a, equal, sense)?;
        Ok(Typed::of(Shape::Bool))
    }

    fn membership(&mut self, a: &IdedExpr, b: &IdedExpr, sense: Sense) -> Checked {
        let a = self.infer(a, Sense::Lost)?;
        let b = self.infer(b, sense)?;
        let Shape::List(item) = &b.shape else {
            return Err(Fault::new(format!("`{}` is {}; `in` needs a list", b.name(), b.shape)));
        };
        if !a.shape.is_scalar() || !a.shape.agrees(item) {
            return Err(mismatch(&a, &Typed { shape: (**item).clone(), ..b.clone() }));
        }
        enum_test(&a, &b, true, sense)?;
        let item = Typed { shape: (**item).clone(), ..b.clone() };
        enum_test(&item, &a, true, Sense::Lost)?;
        Ok(Typed::of(Shape::Bool))
    }

    /// Of lists, the members of both: each keeps the sense of the whole.
    fn sum(&mut self, a: &IdedExpr, b: &IdedExpr, sense: Sense) -> Checked {
        let a = self.infer(a, sense)?;
        let b = self.infer(b, sense)?;
        let shape = match (&a.shape, &b.shape) {
            (Shape::Int, Shape::Int) => return Ok(Typed::of(Shape::Int)),
            (a, b) if a.is_text() && b.is_text() => Shape::Text,
            (Shape::List(one), Shape::List(other))
                if one.agrees(other) && (one.is_scalar() || other.is_scalar()) =>
            {
                either(&a.shape, &b.shape)
            }
            _ => return Err(mismatch(&a, &b)),
        };
        let (pieces, made) = (a.pieces + b.pieces, a.made || b.made || shape.is_text());
        match pieces > MAX_PIECES {
            true => Err(Fault::at("+", format!("more than {MAX_PIECES} pieces are put together"))),
            false => Ok(Typed { pieces, made, ..Typed::of(shape) }),
        }
    }

    fn index(&mut self, on: &IdedExpr, key: &IdedExpr) -> Checked {
        match &key.expr {
            Expr::Literal(LiteralValue::String(key)) => self.select(on, key.inner()),
            _ => Err(Fault::new("only maps have an index, and it is a literal string")),
        }
    }

    fn size(&mut self, of: &IdedExpr) -> Checked {
        let typed = self.infer(of, Sense::Lost)?;
        match typed.shape {
            Shape::List(_) | Shape::Text => Ok(Typed::of(Shape::Int)),
            other => {
                Err(Fault::at("size", format!("{other} has no size; a key not read is absent")))
            }
        }
    }

    fn string(&mut self, of: &IdedExpr) -> Checked {
        let typed = self.infer(of, Sense::Lost)?;
        match typed.shape.is_scalar() {
            // A copy, as what is put together is.
            true => Ok(Typed { pieces: typed.pieces, made: true, ..Typed::of(Shape::Text) }),
            false => Err(Fault::at("string", format!("{} is not written as text", typed.shape))),
        }
    }

    fn text_test(&mut self, text: &IdedExpr, part: &IdedExpr) -> Checked {
        let text = self.infer(text, Sense::Lost)?;
        let part = self.infer(part, Sense::Lost)?;
        if !text.shape.is_text() || !part.shape.is_text() {
            return Err(mismatch(&text, &part));
        }
        match can_be_unknown(&text.shape) {
            true => Err(refused_unknown(&text)),
            false => Ok(Typed::of(Shape::Bool)),
        }
    }
}

/// The shape of a value that is one of two that agree: an empty list takes the shape of the other,
/// and an enum becomes a text.
fn either(one: &Shape, other: &Shape) -> Shape {
    match (one, other) {
        (Shape::Nothing, shape) => shape.clone(),
        (Shape::List(one), Shape::List(other)) => Shape::List(Box::new(either(one, other))),
        (Shape::Enum(_), _) => Shape::Text,
        (shape, _) => shape.clone(),
    }
}
