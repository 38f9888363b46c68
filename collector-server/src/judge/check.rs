//! Checks an expression against the kinds' shapes before it is ever run, and finds what it reads.
//!
//! Every node gets a type, so a rule that loads can only fail on a host by a missing fact, an
//! overflow or its budget. Facts are read by name alone: `has()`, null and the counting or
//! listing of keys are refused, because they would let a rule skip what was not read.
//!
//! A value that can be `unknown` may not decide by its bad values: where a rule would pass if the
//! value were `unknown`, it must name the good ones instead. Each boolean is therefore checked
//! with the [`Sense`] its answer has for the whole rule.

mod compare;
mod operators;

use self::compare::literal_shape;
use super::shape::{Known, Shape};
use crate::place;
use ::cel::common::ast::{ComprehensionExpr, Expr, IdedExpr, operators as op};
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
    pub(super) known: &'a Known,
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
    /// How many texts or lists were put together to make it, at most.
    pieces: usize,
    /// It is or holds texts that were made, and are no facts.
    made: bool,
}

/// Texts or lists that may be put together: what facts hold grows by no more than this.
const MAX_PIECES: usize = 32;

impl Typed {
    fn of(shape: Shape) -> Self {
        Self { shape, path: None, texts: None, pieces: 1, made: false }
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
            let hint = match (name, self.names.known.shape(name)) {
                ("now", _) => "there is no `now`, only `today`: the UTC day as an int".to_owned(),
                (_, Some(_)) => format!("`{name}` is not in this rule's evidence"),
                _ => format!("unknown name `{name}`"),
            };
            let known = self.names.kinds.iter().map(String::as_str).chain(["p", "today"]);
            return Err(Fault::at(name, hint).suggest(known));
        }
        let unknown = || Fault::at(name, format!("unknown kind `{name}`"));
        let shape = self.names.known.shape(name).ok_or_else(unknown)?.clone();
        Ok(Typed { path: Some(name.to_owned()), ..Typed::of(shape) })
    }

    fn select(&mut self, operand: &IdedExpr, field: &str) -> Checked {
        if matches!(&operand.expr, Expr::Ident(name) if name == "p") {
            return self.param(field);
        }
        let on = self.infer_unread(operand, Sense::Lost)?;
        let path = on.path.as_ref().map(|path| format!("{path}.{field}"));
        match (&on.shape, path) {
            (Shape::Record(fields), Some(path)) => match fields.get(field) {
                Some(shape) => Ok(Typed { path: Some(path), ..Typed::of(shape.clone()) }),
                None => Err(Fault::at(field, format!("there is no fact `{path}`"))
                    .suggest(fields.keys().map(String::as_str))),
            },
            (Shape::Map(item), Some(path)) => {
                Ok(Typed { path: Some(path), ..Typed::of((**item).clone()) })
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
        Ok(Typed { texts, ..Typed::of(shape) })
    }

    fn list(&mut self, elements: &[IdedExpr]) -> Checked {
        let mut item = Shape::Nothing;
        let mut texts = Some(Vec::new());
        let (mut pieces, mut made) = (1, false);
        for element in elements {
            let typed = self.infer(element, Sense::Lost)?;
            pieces = pieces.max(typed.pieces);
            made |= typed.made;
            if !typed.shape.is_scalar() || !item.agrees(&typed.shape) {
                return Err(Fault::new(format!("a list cannot hold {} here", typed.shape)));
            }
            texts = texts.zip(typed.texts).map(|(texts, more)| [texts, more].concat());
            item = typed.shape;
        }
        Ok(Typed { texts, pieces, made, ..Typed::of(Shape::List(Box::new(item))) })
    }

    fn comprehension(&mut self, c: &ComprehensionExpr, sense: Sense) -> Checked {
        let step = Step::of(c)
            .ok_or_else(|| Fault::new("only filter, map, exists and all are supported on lists"))?;
        let range_sense = if matches!(step, Step::All(_)) { sense.flipped() } else { sense };
        let range = self.infer(&c.iter_range, range_sense)?;
        let Shape::List(item) = &range.shape else {
            return Err(Fault::new(format!("`{}` is {}, not a list", range.name(), range.shape)));
        };
        let mut item = Typed { shape: (**item).clone(), ..range.clone() };
        if item.made {
            // Each time round it could grow again, and a copy of it is no borrowed fact.
            return Err(Fault::at("+", "a list of texts put together is not gone through again"));
        }
        if item.shape.is_scalar() {
            item.pieces = 1; // The list was put together, and not what it holds.
        }
        let is_kind = self.names.known.shape(&c.iter_var).is_some();
        if is_kind || ["p", "today"].contains(&c.iter_var.as_str()) {
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
        if (member.made || member.pieces > 1) && self.variables.len() > 1 {
            let message = "a map within another gives facts as they are, not put together";
            return Err(Fault::at("map", message));
        }
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
            Expr::Call(add) if add.func_name == op::ADD => match &add.args.get(1)?.expr {
                Expr::List(list) => list.elements.first(),
                _ => None,
            },
            _ => None,
        };
        match (step.func_name.as_str(), step.args.as_slice()) {
            (op::LOGICAL_AND, [_, test]) => Some(Self::All(test)),
            (op::LOGICAL_OR, [_, test]) => Some(Self::Exists(test)),
            (op::CONDITIONAL, [test, add, _]) => {
                let member = appended(add)?;
                let is_item = matches!(&member.expr, Expr::Ident(name) if *name == c.iter_var);
                Some(if is_item { Self::Filter(test) } else { Self::Map(Some(test), member) })
            }
            (op::ADD, _) => Some(Self::Map(None, appended(&c.loop_step)?)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
