//! Checks an expression against the kinds' shapes before it is ever run, and finds what it reads.
//!
//! Every node gets a type, so a rule that loads can only fail on a host by a missing fact, an
//! overflow or its budget. Facts are read by name alone: `has()`, null and the counting or
//! listing of keys are refused, because they would let a rule skip what was not read.
//!
//! A value that can be `unknown` may not decide by its bad values: where a rule would pass if the
//! value were `unknown`, it must name the good ones instead. Each boolean is therefore checked
//! with the [`Sense`] its answer has for the whole rule.

use super::shape::{self, Shape};
use crate::place;
use ::cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, operators};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Why an expression is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) message: String,
    /// The word of the expression it is about.
    pub(super) word: Option<String>,
    pub(super) suggestion: Option<String>,
}

impl Fault {
    fn at(word: &str, message: impl Into<String>) -> Self {
        Self { message: message.into(), word: Some(word.to_owned()), suggestion: None }
    }

    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), word: None, suggestion: None }
    }

    fn suggest<'a>(self, known: impl IntoIterator<Item = &'a str>) -> Self {
        let suggestion = self.word.as_deref().and_then(|word| place::nearest(word, known));
        Self { suggestion, ..self }
    }
}

/// What an expression is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Applies,
    Guard,
    Passes,
    Offenders,
}

/// What an expression may name.
pub(super) struct Names<'a> {
    pub(super) kinds: &'a [String],
    pub(super) params: &'a BTreeMap<String, Value>,
}

/// What an expression reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reads {
    /// Dotted paths, kind first. A path that ends at a list of records stands for its membership.
    pub(super) paths: BTreeSet<String>,
    pub(super) today: bool,
    pub(super) params: BTreeSet<String>,
}

/// Checks an expression and gives what it reads.
pub(super) fn check(expr: &IdedExpr, names: &Names, purpose: Purpose) -> Result<Reads, Fault> {
    let sense = match purpose {
        Purpose::Passes => Sense::False,
        Purpose::Applies | Purpose::Offenders => Sense::True,
        Purpose::Guard => Sense::Either,
    };
    let mut checker = Checker { names, reads: Reads::default(), variables: Vec::new() };
    let shape = checker.infer(expr, sense)?.shape;
    match (purpose, &shape) {
        (Purpose::Offenders, Shape::List(item)) if item.is_text() => {}
        (Purpose::Offenders, other) => {
            return Err(Fault::new(format!("offenders must be a list of strings, not {other}")));
        }
        (_, Shape::Bool) => {}
        (_, other) => return Err(Fault::new(format!("must be a bool, not {other}"))),
    }
    Ok(checker.reads)
}

/// What a boolean must be where a value in it is `unknown`; for a list, whether such a member must
/// be in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sense {
    True,
    False,
    /// Both answers are safe.
    Either,
    /// It cannot be told which answer is safe.
    Lost,
}

impl Sense {
    fn flipped(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            other => other,
        }
    }

    fn allows(self, answer: bool) -> bool {
        match self {
            Self::True => answer,
            Self::False => !answer,
            Self::Either => true,
            Self::Lost => false,
        }
    }
}

#[derive(Debug, Clone)]
struct Typed {
    shape: Shape,
    /// Where in the facts it stands.
    path: Option<String>,
    /// Its texts, if they are written in the rule.
    texts: Option<Vec<String>>,
}

impl Typed {
    fn of(shape: Shape) -> Self {
        Self { shape, path: None, texts: None }
    }

    fn name(&self) -> &str {
        self.path.as_deref().unwrap_or("this value")
    }
}

struct Checker<'a> {
    names: &'a Names<'a>,
    reads: Reads,
    /// Variables of the comprehensions around, innermost last.
    variables: Vec<(String, Typed)>,
}

type Checked = Result<Typed, Fault>;

impl Checker<'_> {
    fn infer(&mut self, expr: &IdedExpr, sense: Sense) -> Checked {
        let typed = self.infer_unread(expr, sense)?;
        self.reads.paths.extend(typed.path.clone());
        Ok(typed)
    }

    /// Infers without noting the path, for what is only on the way to a field.
    fn infer_unread(&mut self, expr: &IdedExpr, sense: Sense) -> Checked {
        match &expr.expr {
            Expr::Literal(literal) => literal_shape(literal),
            Expr::Ident(name) => self.ident(name),
            Expr::Select(select) if select.test => Err(Fault::at(
                "has",
                "has() is refused: a fact that was not read makes the rule unknown by itself",
            )),
            Expr::Select(select) => self.select(&select.operand, &select.field),
            Expr::List(list) => self.list(&list.elements),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, sense),
            Expr::Call(call) => self.call(call, sense),
            _ => Err(Fault::new("maps and messages cannot be written in a rule")),
        }
    }

    fn ident(&mut self, name: &str) -> Checked {
        if let Some((_, typed)) = self.variables.iter().rev().find(|(known, _)| known == name) {
            return Ok(typed.clone());
        }
        if name == "today" {
            self.reads.today = true;
            return Ok(Typed::of(Shape::Int));
        }
        if !self.names.kinds.iter().any(|kind| kind == name) {
            let hint = match (name, shape::of_kind(name)) {
                ("now", _) => "there is no `now`, only `today`: the UTC day as an int".to_owned(),
                (_, Some(_)) => format!("`{name}` is not in this rule's evidence"),
                _ => format!("unknown name `{name}`"),
            };
            let known = self.names.kinds.iter().map(String::as_str).chain(["p", "today"]);
            return Err(Fault::at(name, hint).suggest(known));
        }
        let unknown = || Fault::at(name, format!("unknown kind `{name}`"));
        let shape = shape::of_kind(name).ok_or_else(unknown)?.clone();
        Ok(Typed { shape, path: Some(name.to_owned()), texts: None })
    }

    fn select(&mut self, operand: &IdedExpr, field: &str) -> Checked {
        if matches!(&operand.expr, Expr::Ident(name) if name == "p") {
            return self.param(field);
        }
        let on = self.infer_unread(operand, Sense::Lost)?;
        let path = on.path.as_ref().map(|path| format!("{path}.{field}"));
        match (&on.shape, path) {
            (Shape::Record(fields), Some(path)) => match fields.get(field) {
                Some(shape) => Ok(Typed { shape: shape.clone(), path: Some(path), texts: None }),
                None => Err(Fault::at(field, format!("there is no fact `{path}`"))
                    .suggest(fields.keys().map(String::as_str))),
            },
            (Shape::Map(item), Some(path)) => {
                Ok(Typed { shape: (**item).clone(), path: Some(path), texts: None })
            }
            _ => Err(Fault::at(
                field,
                format!("`{}` is {}, it has no field `{field}`", on.name(), on.shape),
            )),
        }
    }

    fn param(&mut self, name: &str) -> Checked {
        let Some(value) = self.names.params.get(name) else {
            let known = self.names.params.keys().map(String::as_str);
            return Err(Fault::at(name, format!("there is no parameter `{name}`")).suggest(known));
        };
        self.reads.params.insert(name.to_owned());
        let shape = Shape::of_value(value).ok_or_else(|| {
            Fault::at(name, format!("parameter `{name}` is no int, bool, string or even list"))
        })?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let texts = match value {
            Value::Array(items) => items.iter().map(text).collect(),
            other => text(other).map(|text| vec![text]),
        };
        Ok(Typed { shape, path: None, texts })
    }

    fn list(&mut self, elements: &[IdedExpr]) -> Checked {
        let mut item = Shape::Nothing;
        let mut texts = Some(Vec::new());
        for element in elements {
            let typed = self.infer(element, Sense::Lost)?;
            if !typed.shape.is_scalar() || !item.agrees(&typed.shape) {
                return Err(Fault::new(format!("a list cannot hold {} here", typed.shape)));
            }
            texts = texts.zip(typed.texts).map(|(texts, more)| [texts, more].concat());
            item = typed.shape;
        }
        Ok(Typed { shape: Shape::List(Box::new(item)), path: None, texts })
    }

    fn comprehension(&mut self, c: &ComprehensionExpr, sense: Sense) -> Checked {
        let step = Step::of(c)
            .ok_or_else(|| Fault::new("only filter, map, exists and all are supported on lists"))?;
        let range_sense = if matches!(step, Step::All(_)) { sense.flipped() } else { sense };
        let range = self.infer(&c.iter_range, range_sense)?;
        let Shape::List(item) = &range.shape else {
            return Err(Fault::new(format!("`{}` is {}, not a list", range.name(), range.shape)));
        };
        let item = Typed { shape: (**item).clone(), ..range.clone() };
        if ["p", "today"].contains(&c.iter_var.as_str()) || shape::of_kind(&c.iter_var).is_some() {
            return Err(Fault::at(&c.iter_var, format!("variable `{}` is taken", c.iter_var)));
        }
        self.variables.push((c.iter_var.clone(), item.clone()));
        let typed = match step {
            Step::All(test) | Step::Exists(test) => {
                self.bool(test, sense).map(|()| Typed::of(Shape::Bool))
            }
            Step::Filter(test) => self.bool(test, sense).map(|()| range),
            Step::Map(test, member) => self.map_step(test, member, sense),
        };
        self.variables.pop();
        typed
    }

    fn map_step(&mut self, test: Option<&IdedExpr>, member: &IdedExpr, sense: Sense) -> Checked {
        if let Some(test) = test {
            self.bool(test, sense)?;
        }
        let member = self.infer(member, Sense::Lost)?;
        Ok(Typed { shape: Shape::List(Box::new(member.shape)), ..member })
    }

    fn bool(&mut self, expr: &IdedExpr, sense: Sense) -> Result<(), Fault> {
        let typed = self.infer(expr, sense)?;
        if typed.shape == Shape::Bool {
            return Ok(());
        }
        Err(Fault::new(format!("`{}` is {}; a bool is needed here", typed.name(), typed.shape)))
    }

    fn int(&mut self, expr: &IdedExpr) -> Result<(), Fault> {
        let typed = self.infer(expr, Sense::Lost)?;
        if typed.shape == Shape::Int {
            return Ok(());
        }
        Err(Fault::new(format!("`{}` is {}; an int is needed here", typed.name(), typed.shape)))
    }

    fn call(&mut self, call: &CallExpr, sense: Sense) -> Checked {
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
            (ADD, None, [a, b]) => self.sum(a, b),
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
        let shape = if matches!(yes.shape, Shape::Enum(_)) { Shape::Text } else { yes.shape };
        Ok(Typed::of(shape))
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

    fn sum(&mut self, a: &IdedExpr, b: &IdedExpr) -> Checked {
        let a = self.infer(a, Sense::Lost)?;
        let b = self.infer(b, Sense::Lost)?;
        match (&a.shape, &b.shape) {
            (Shape::Int, Shape::Int) => Ok(Typed::of(Shape::Int)),
            (a, b) if a.is_text() && b.is_text() => Ok(Typed::of(Shape::Text)),
            (Shape::List(item), _) if item.is_scalar() && a.shape.agrees(&b.shape) => {
                Ok(Typed::of(a.shape.clone()))
            }
            _ => Err(mismatch(&a, &b)),
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
            true => Ok(Typed::of(Shape::Text)),
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

/// What a comprehension that a macro wrote does.
enum Step<'e> {
    All(&'e IdedExpr),
    Exists(&'e IdedExpr),
    Filter(&'e IdedExpr),
    Map(Option<&'e IdedExpr>, &'e IdedExpr),
}

impl<'e> Step<'e> {
    fn of(c: &'e ComprehensionExpr) -> Option<Self> {
        let Expr::Call(step) = &c.loop_step.expr else { return None };
        let appended = |expr: &'e IdedExpr| match &expr.expr {
            Expr::Call(add) if add.func_name == operators::ADD => match &add.args.get(1)?.expr {
                Expr::List(list) => list.elements.first(),
                _ => None,
            },
            _ => None,
        };
        match (step.func_name.as_str(), step.args.as_slice()) {
            (operators::LOGICAL_AND, [_, test]) => Some(Self::All(test)),
            (operators::LOGICAL_OR, [_, test]) => Some(Self::Exists(test)),
            (operators::CONDITIONAL, [test, add, _]) => {
                let member = appended(add)?;
                let is_item = matches!(&member.expr, Expr::Ident(name) if *name == c.iter_var);
                Some(if is_item { Self::Filter(test) } else { Self::Map(Some(test), member) })
            }
            (operators::ADD, _) => Some(Self::Map(None, appended(&c.loop_step)?)),
            _ => None,
        }
    }
}

fn literal_shape(literal: &LiteralValue) -> Checked {
    match literal {
        LiteralValue::Boolean(_) => Ok(Typed::of(Shape::Bool)),
        LiteralValue::Int(_) => Ok(Typed::of(Shape::Int)),
        LiteralValue::String(text) => {
            let texts = Some(vec![text.inner().to_owned()]);
            Ok(Typed { shape: Shape::Text, path: None, texts })
        }
        LiteralValue::Null => Err(Fault::at(
            "null",
            "null is refused: a fact that was not read is an absent key and makes the rule unknown",
        )),
        _ => Err(Fault::new("literals are ints, bools and strings; facts hold nothing else")),
    }
}

fn mismatch(a: &Typed, b: &Typed) -> Fault {
    let word = [a, b].into_iter().find_map(|typed| typed.path.as_deref());
    let word = word.and_then(|path| path.rsplit('.').next()).map(str::to_owned);
    let message = format!("`{}` is {} and cannot be matched with {}", a.name(), a.shape, b.shape);
    Fault { message, word, suggestion: None }
}

fn can_be_unknown(shape: &Shape) -> bool {
    matches!(shape, Shape::Enum(known) if known.iter().any(|value| value == "unknown"))
}

fn refused_unknown(tested: &Typed) -> Fault {
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
fn enum_test(tested: &Typed, with: &Typed, equal: bool, sense: Sense) -> Result<(), Fault> {
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
fn short_pattern(pattern: &IdedExpr) -> Result<(), Fault> {
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

#[cfg(test)]
mod tests;
