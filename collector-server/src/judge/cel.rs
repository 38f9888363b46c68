//! The only door to the CEL engine: what may be written, how it is evaluated, how it is bounded.
//!
//! Takes the text of an expression and gives a [`Program`]; takes facts and gives a [`Scope`] to
//! run programs in. Rules come from administrators, facts from hosts: a hostile rule must not bring
//! the collector down, and a hostile host must not make a rule pass.
//!
//! **Strict order.** In CEL `error || true` is true, and `exists` and `all` absorb errors likewise. A
//! rule could then pass although the first thing it asks for was not read, and a wrong type or a
//! used-up budget would vanish the same way. Programs are therefore rewritten: `a || b` becomes
//! `a ? true : b`, `a && b` becomes `a ? b : false`, in the steps of `exists` and `all` too.
//! Evaluation then goes from left to right and ends at the first error; what stands behind the
//! point where the answer is decided is not asked for. Taking a fact away either changes nothing or
//! makes the whole expression an error (tested below with random expressions).
//!
//! **Bounds.** Source ≤ 4 KiB, ≤ 2,000 nodes, depth ≤ 64, comprehensions nested at most twice,
//! regular expressions only as short literals without counted repetition. The engine can neither
//! be interrupted nor limited, so every comprehension counts its steps through a function that
//! fails once [`MAX_STEPS`] are used. Depth 64 needs between 2 and 4 MiB of stack in a debug build,
//! more than a thread has by default, and the parser builds chains of any depth before they can be
//! measured; an overflow would abort the process. Both therefore run [`on_large_stack`].

use ::cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, operators};
use ::cel::common::types::{CelBool, CelInt, CelList, CelMap, CelMapKey, CelString};
use ::cel::common::value::Val;
use ::cel::parser::PrattParser;
use ::cel::{Context, Env, ExecutionError, Value as CelValue};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

pub(super) const MAX_SOURCE_BYTES: usize = 4096;
pub(super) const MAX_NODES: usize = 2000;
pub(super) const MAX_DEPTH: usize = 64;
pub(super) const MAX_NESTING: usize = 2;
/// Steps of comprehensions that one expression may take.
pub(super) const MAX_STEPS: i64 = 200_000;
/// Steps that it may take over an example: they are small, and there can be many of them.
pub(super) const EXAMPLE_STEPS: i64 = 20_000;
/// Stack of the threads that parse and evaluate.
const STACK_BYTES: usize = 16 << 20;

/// Not writable in CEL, so only the rewriting calls it.
const STEP: &str = "@step";

/// A checked and rewritten expression.
#[derive(Debug, Clone)]
pub(super) struct Program(IdedExpr);

/// The expression is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ParseError {
    #[error("the expression is {0} bytes long; the limit is {MAX_SOURCE_BYTES}")]
    TooLong(usize),
    #[error("not an expression: {0}")]
    Syntax(String),
    #[error("the expression has more than {MAX_NODES} nodes")]
    TooManyNodes,
    #[error("the expression is nested more than {MAX_DEPTH} deep; split long chains into lists")]
    TooDeep,
    #[error("comprehensions are nested more than {MAX_NESTING} deep")]
    TooNested,
}

/// Why an expression gave no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EvalError {
    /// A fact that was not read.
    Missing(String),
    /// Anything else: a wrong type, an overflow, too many steps.
    Rule(String),
}

/// What an expression gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Bool(bool),
    Texts(Vec<String>),
}

/// Runs `work` on a thread with a large stack and waits for it. `None` when there is no thread to be
/// had, or when the engine panicked.
pub(super) fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|threads| {
        let thread = std::thread::Builder::new().name("rules".to_owned()).stack_size(STACK_BYTES);
        thread.spawn_scoped(threads, work).ok()?.join().ok()
    })
}

/// Parses an expression and bounds it. Call it [`on_large_stack`].
pub(super) fn parse(source: &str) -> Result<IdedExpr, ParseError> {
    if source.len() > MAX_SOURCE_BYTES {
        return Err(ParseError::TooLong(source.len()));
    }
    let parser = PrattParser::new().max_recursion_depth(32).max_expression_node_count(MAX_NODES);
    let expr = parser.parse(source).map_err(|errors| {
        let first = errors.errors.first();
        ParseError::Syntax(first.map(|e| e.msg.clone()).unwrap_or_else(|| errors.to_string()))
    })?;
    bound(&expr)?;
    Ok(expr)
}

/// Measures without recursion, so that a deep chain can be refused at all.
fn bound(root: &IdedExpr) -> Result<(), ParseError> {
    let mut todo = vec![(root, 1, 0)];
    let mut nodes = 0;
    while let Some((expr, depth, nesting)) = todo.pop() {
        nodes += 1;
        if nodes > MAX_NODES {
            return Err(ParseError::TooManyNodes);
        }
        if depth > MAX_DEPTH {
            return Err(ParseError::TooDeep);
        }
        let mut push = |child, nesting| todo.push((child, depth + 1, nesting));
        match &expr.expr {
            Expr::Call(call) => {
                call.target.iter().for_each(|target| push(target, nesting));
                call.args.iter().for_each(|arg| push(arg, nesting));
            }
            Expr::Comprehension(c) => {
                if nesting == MAX_NESTING {
                    return Err(ParseError::TooNested);
                }
                push(&c.iter_range, nesting);
                push(&c.accu_init, nesting);
                push(&c.result, nesting);
                push(&c.loop_cond, nesting + 1);
                push(&c.loop_step, nesting + 1);
            }
            Expr::List(list) => list.elements.iter().for_each(|item| push(item, nesting)),
            Expr::Select(select) => push(&select.operand, nesting),
            // Maps and structs are refused by `check`, whatever is in them.
            _ => {}
        }
    }
    Ok(())
}

impl Program {
    /// Rewrites a parsed expression for strict, counted evaluation.
    pub(super) fn new(expr: IdedExpr) -> Self {
        Self(strict(expr))
    }
}

fn node(expr: Expr) -> IdedExpr {
    IdedExpr { id: 0, expr }
}

fn boolean(value: bool) -> IdedExpr {
    node(Expr::Literal(LiteralValue::Boolean(value.into())))
}

fn conditional(condition: IdedExpr, yes: IdedExpr, no: IdedExpr) -> IdedExpr {
    let func_name = operators::CONDITIONAL.to_owned();
    node(Expr::Call(CallExpr { func_name, target: None, args: vec![condition, yes, no] }))
}

/// `expr`, after one step has been counted.
fn counted(expr: IdedExpr) -> IdedExpr {
    let step = CallExpr { func_name: STEP.to_owned(), target: None, args: vec![] };
    conditional(node(Expr::Call(step)), expr, boolean(false))
}

fn strict(expr: IdedExpr) -> IdedExpr {
    let IdedExpr { id, expr } = expr;
    let expr = match expr {
        Expr::Call(call) => return strict_call(id, call),
        Expr::Comprehension(c) => Expr::Comprehension(Box::new(strict_comprehension(*c))),
        Expr::List(mut list) => {
            list.elements = list.elements.into_iter().map(strict).collect();
            Expr::List(list)
        }
        Expr::Select(mut select) => {
            *select.operand = strict(*select.operand);
            Expr::Select(select)
        }
        other => other,
    };
    IdedExpr { id, expr }
}

fn strict_call(id: u64, mut call: CallExpr) -> IdedExpr {
    call.target = call.target.map(|target| Box::new(strict(*target)));
    call.args = call.args.into_iter().map(strict).collect();
    if call.args.len() == 2 && matches!(call.func_name.as_str(), "_||_" | "_&&_") {
        let or = call.func_name == operators::LOGICAL_OR;
        if let (Some(right), Some(left)) = (call.args.pop(), call.args.pop()) {
            return match or {
                true => conditional(left, boolean(true), right),
                false => conditional(left, right, boolean(false)),
            };
        }
    }
    IdedExpr { id, expr: Expr::Call(call) }
}

/// Counts where the predicate or the new member is, so that the engine still recognises `map` and
/// `filter` and appends in place.
fn strict_comprehension(mut c: ComprehensionExpr) -> ComprehensionExpr {
    c.iter_range = strict(c.iter_range);
    if let Expr::Call(step) = &mut c.loop_step.expr {
        let counts = match step.func_name.as_str() {
            operators::CONDITIONAL => step.args.first_mut(),
            operators::LOGICAL_AND | operators::LOGICAL_OR => step.args.get_mut(1),
            operators::ADD => match step.args.get_mut(1).map(|arg| &mut arg.expr) {
                Some(Expr::List(list)) => list.elements.first_mut(),
                _ => None,
            },
            _ => None,
        };
        if let Some(place) = counts {
            let inner = std::mem::take(place);
            *place = counted(inner);
        }
    }
    c.loop_step = strict(c.loop_step);
    c
}

/// Facts, parameters and the day, ready for programs. Borrows the facts.
pub(super) struct Scope<'v> {
    context: Context<'v, 'v>,
    steps: Arc<AtomicI64>,
}

impl<'v> Scope<'v> {
    pub(super) fn new(today: i64) -> Self {
        Self::bounded(today, MAX_STEPS)
    }

    /// A scope in which an expression may take so many steps.
    pub(super) fn bounded(today: i64, max_steps: i64) -> Self {
        static ENV: OnceLock<Arc<Env>> = OnceLock::new();
        let mut context = Context::with_env(ENV.get_or_init(|| Arc::new(Env::stdlib())).clone());
        let steps = Arc::new(AtomicI64::new(0));
        let counter = steps.clone();
        let step = move || match counter.fetch_add(1, Ordering::Relaxed) < max_steps {
            true => Ok(true),
            false => Err(ExecutionError::function_error(STEP, "too many steps")),
        };
        // The name is new in the environment, so adding it cannot fail.
        let _ = context.add_function(STEP, step);
        context.add_variable_as_val("today", Box::new(CelInt::from(today)));
        Self { context, steps }
    }

    /// Binds a name to facts. Integers are CEL's `int`, texts are borrowed.
    pub(super) fn bind(&mut self, name: &str, facts: &'v Value) {
        self.context.add_variable_as_val(name, value(facts));
    }

    /// Runs a program.
    pub(super) fn run(&self, program: &Program) -> Result<Answer, EvalError> {
        self.steps.store(0, Ordering::Relaxed);
        let answer = CelValue::resolve(&program.0, &self.context).map_err(|error| match error {
            ExecutionError::NoSuchKey(key) => EvalError::Missing(key.to_string()),
            other => EvalError::Rule(other.to_string()),
        })?;
        match answer {
            CelValue::Bool(answer) => Ok(Answer::Bool(answer)),
            CelValue::List(items) => texts(&items).map(Answer::Texts),
            _ => Err(EvalError::Rule("neither a bool nor a list".to_owned())),
        }
    }
}

fn texts(items: &[CelValue]) -> Result<Vec<String>, EvalError> {
    let text = |item: &CelValue| match item {
        CelValue::String(text) => Ok(text.to_string()),
        _ => Err(EvalError::Rule("a member of the list is not a string".to_owned())),
    };
    items.iter().map(text).collect()
}

fn value<'v>(json: &'v Value) -> Box<dyn Val + 'v> {
    match json {
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(items) => Box::new(CelList::from(items.iter().map(value).collect::<Vec<_>>())),
        Value::Object(members) => {
            // What is not evidence has no key: reading it is a missing fact.
            let kept = members.iter().filter(|(_, member)| is_evidence(member));
            let members = kept.map(|(key, member)| (CelMapKey::from(key.as_str()), value(member)));
            Box::new(CelMap::from(members.collect::<HashMap<_, _>>()))
        }
        // `Facts` holds neither floats nor nulls; in a list they become an empty map, which has no
        // fields and equals nothing.
        Value::Number(number) => match number.as_i64() {
            Some(number) => Box::new(CelInt::from(number)),
            None => Box::new(CelMap::from(HashMap::new())),
        },
        Value::Null => Box::new(CelMap::from(HashMap::new())),
    }
}

fn is_evidence(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Number(number) => number.as_i64().is_some(),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
