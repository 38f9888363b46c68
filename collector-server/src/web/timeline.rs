//! The last days of a host as a strip: a lane for what was received and a lane for every kind,
//! and the same as a table.

use super::marks::{self, Mark, State};
use super::page::{When, count};
use crate::store::{ChainRow, KindSpan, Receipt};
use jiff::Timestamp;
use std::collections::BTreeMap;

const DAY_US: i64 = 86_400_000_000;
/// How far back it goes.
pub const RANGE_US: i64 = 14 * DAY_US;
/// Rows of the table.
const MAX_ROWS: usize = 200;
/// What is too short to be seen is drawn this wide.
const LEAST: i64 = 2;

pub struct Input<'a> {
    pub now_us: i64,
    /// States of kinds that held at some time in the range, by kind and time.
    pub spans: &'a [KindSpan],
    /// In the order of the log, the last one before the range included.
    pub receipts: &'a [Receipt],
    pub chains: &'a [ChainRow],
}

pub struct Timeline {
    /// `312 check-ins received, 2 gaps, 1 new chain`.
    pub says: String,
    pub wide: Strip,
    pub narrow: Strip,
    pub rows: Vec<Row>,
    /// Rows that are left out.
    pub more: Option<String>,
}

/// One drawing. All numbers are units of its view box.
pub struct Strip {
    pub width: i64,
    pub height: i64,
    /// Where the time begins.
    pub left: i64,
    pub lanes: Vec<Lane>,
    pub ticks: Vec<Tick>,
    /// Lower end of the lanes.
    pub bottom: i64,
    /// New chains.
    pub chains: Vec<i64>,
}

pub struct Lane {
    pub name: String,
    /// Base line of the name.
    pub text_y: i64,
    pub y: i64,
    pub middle: i64,
    pub segments: Vec<Segment>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Segment {
    pub class: &'static str,
    pub x: i64,
    pub width: i64,
}

pub struct Tick {
    pub x: i64,
    pub text: String,
    pub anchor: &'static str,
}

/// One line of the table.
pub struct Row {
    pub what: String,
    pub mark: Option<Mark>,
    pub says: String,
    pub from: When,
    /// None while it goes on.
    pub to: Option<When>,
    from_us: i64,
}

/// A stretch of one lane, before it is drawn.
struct Stretch {
    state: State,
    from_us: i64,
    to_us: i64,
}

/// A time in which nothing was received though it was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gap {
    from_us: i64,
    to_us: i64,
}

pub fn of(input: &Input<'_>) -> Timeline {
    let gaps = gaps(input.receipts, input.now_us);
    let start_us = input.now_us - RANGE_US;
    let mut lanes = vec![("received".to_owned(), heard(input, &gaps))];
    let mut kinds: BTreeMap<&str, Vec<Stretch>> = BTreeMap::new();
    for span in input.spans {
        kinds.entry(&span.row.kind).or_default().push(Stretch {
            state: state_of(span),
            from_us: span.row.since_us,
            to_us: span.to_us.unwrap_or(input.now_us),
        });
    }
    lanes.extend(kinds.into_iter().map(|(kind, stretches)| (kind.to_owned(), stretches)));
    let chains = new_chains(input.chains, start_us);
    let mut rows = rows(input, &gaps, &chains);
    let more = rows.len().saturating_sub(MAX_ROWS);
    rows.truncate(MAX_ROWS);
    let received = input.receipts.iter().filter(|receipt| receipt.received_us >= start_us).count();
    let says = format!(
        "last 14 days: {} received, {}, {}",
        number(received, "check-in"),
        number(gaps.len(), "gap"),
        number(chains.len(), "new chain")
    );
    Timeline {
        says,
        wide: strip(&lanes, &chains, input.now_us, &Shape::WIDE),
        narrow: strip(&lanes, &chains, input.now_us, &Shape::NARROW),
        rows,
        more: (more > 0).then(|| number(more, "earlier line")),
    }
}

fn number(n: usize, word: &str) -> String {
    super::page::plural(n, word)
}

fn state_of(span: &KindSpan) -> State {
    let word = marks::of_status(span.row.status).shape;
    State::from_word(word).unwrap_or(State::Blind)
}

/// Between two check-ins, and from the last one until now: longer than twice what was promised.
fn gaps(receipts: &[Receipt], now_us: i64) -> Vec<Gap> {
    let ends = receipts.iter().skip(1).map(|next| next.received_us).chain([now_us]);
    let start_us = now_us - RANGE_US;
    receipts
        .iter()
        .zip(ends)
        .filter(|(receipt, end_us)| {
            let due_us = receipt.next_due_s.saturating_mul(2_000_000);
            end_us - receipt.received_us > due_us && *end_us > start_us
        })
        .map(|(receipt, to_us)| Gap { from_us: receipt.received_us, to_us })
        .collect()
}

/// The lane of what was received: nothing before the first check-in.
fn heard(input: &Input<'_>, gaps: &[Gap]) -> Vec<Stretch> {
    let Some(first) = input.receipts.first() else { return vec![] };
    let mut at_us = first.received_us;
    let mut stretches = vec![];
    for gap in gaps {
        stretches.push(Stretch { state: State::Operating, from_us: at_us, to_us: gap.from_us });
        stretches.push(Stretch { state: State::Stale, from_us: gap.from_us, to_us: gap.to_us });
        at_us = gap.to_us;
    }
    stretches.push(Stretch { state: State::Operating, from_us: at_us, to_us: input.now_us });
    stretches.retain(|stretch| stretch.to_us > stretch.from_us);
    stretches
}

/// Chains that began in the range, but for the first one of all.
fn new_chains(chains: &[ChainRow], start_us: i64) -> Vec<&ChainRow> {
    chains.iter().skip(1).filter(|chain| chain.begun_us >= start_us).collect()
}

fn rows(input: &Input<'_>, gaps: &[Gap], chains: &[&ChainRow]) -> Vec<Row> {
    let gap = |gap: &Gap| Row {
        what: "nothing received".to_owned(),
        mark: Some(State::Stale.mark()),
        says: super::page::age(gap.from_us, gap.to_us),
        from: When::cell(gap.from_us),
        to: (gap.to_us < input.now_us).then(|| When::cell(gap.to_us)),
        from_us: gap.from_us,
    };
    let chain = |chain: &&ChainRow| Row {
        what: "new chain".to_owned(),
        mark: None,
        says: format!("{}, {} check-ins", chain.chain, count(chain.check_ins.unsigned_abs())),
        from: When::cell(chain.begun_us),
        to: None,
        from_us: chain.begun_us,
    };
    let kind = |span: &KindSpan| Row {
        what: span.row.kind.clone(),
        mark: Some(marks::of_status(span.row.status)),
        says: span.row.facts.map_or_else(
            || "no facts".to_owned(),
            |facts| format!("facts {}…", facts.to_string().chars().take(8).collect::<String>()),
        ),
        from: When::cell(span.row.since_us),
        to: span.to_us.map(When::cell),
        from_us: span.row.since_us,
    };
    let mut rows: Vec<Row> = gaps.iter().map(gap).collect();
    rows.extend(chains.iter().map(chain));
    rows.extend(input.spans.iter().map(kind));
    rows.sort_by(|a, b| b.from_us.cmp(&a.from_us).then_with(|| a.what.cmp(&b.what)));
    rows
}

/// Sizes of a drawing.
struct Shape {
    width: i64,
    left: i64,
    lane: i64,
    /// From the top of a lane to its band.
    band: i64,
    text: i64,
    days_between: i64,
}

impl Shape {
    /// Names beside the lanes.
    const WIDE: Self =
        Self { width: 1000, left: 150, lane: 22, band: 4, text: 15, days_between: 2 };
    /// Names above the lanes.
    const NARROW: Self =
        Self { width: 360, left: 0, lane: 38, band: 19, text: 14, days_between: 4 };
    const HEIGHT: i64 = 14;
}

fn strip(
    lanes: &[(String, Vec<Stretch>)],
    chains: &[&ChainRow],
    now_us: i64,
    shape: &Shape,
) -> Strip {
    let start_us = now_us - RANGE_US;
    let room = shape.width - shape.left;
    let x = |us: i64| shape.left + (us.clamp(start_us, now_us) - start_us) * room / RANGE_US;
    let mut y = 0;
    let mut drawn = vec![];
    for (name, stretches) in lanes {
        let segment = |stretch: &Stretch| {
            // A unit of paper between two states shows that something changed.
            let from = x(stretch.from_us);
            let width = (x(stretch.to_us) - from - 1).max(LEAST);
            let from = from.min(shape.width - width);
            Segment { class: class(stretch.state), x: from, width }
        };
        let seen = stretches.iter().filter(|stretch| stretch.to_us > start_us);
        drawn.push(Lane {
            name: name.clone(),
            text_y: y + shape.text,
            y: y + shape.band,
            middle: y + shape.band + Shape::HEIGHT / 2,
            segments: seen.map(segment).collect(),
        });
        y += shape.lane;
    }
    Strip {
        width: shape.width,
        height: y + 24,
        left: shape.left,
        lanes: drawn,
        ticks: ticks(now_us, shape, x),
        bottom: y + 2,
        chains: chains.iter().map(|chain| x(chain.begun_us)).collect(),
    }
}

/// Midnights, UTC, and now.
fn ticks(now_us: i64, shape: &Shape, x: impl Fn(i64) -> i64) -> Vec<Tick> {
    let first = (now_us - RANGE_US).div_euclid(DAY_US) + 1;
    let last = now_us.div_euclid(DAY_US);
    let days = (first..=last).filter(|day| (last - day) % shape.days_between == 0);
    let tick = |day: i64| {
        let us = day * DAY_US;
        let at = Timestamp::from_microsecond(us).ok();
        let text = at.map(|at| at.strftime("%-d %b").to_string()).unwrap_or_default();
        Tick { x: x(us), text, anchor: "middle" }
    };
    let far = |tick: &Tick| tick.x > shape.left + 18 && tick.x < shape.width - 48;
    let mut ticks: Vec<Tick> = days.map(tick).filter(far).collect();
    ticks.push(Tick { x: shape.width, text: "now".to_owned(), anchor: "end" });
    ticks
}

fn class(state: State) -> &'static str {
    match state {
        State::Operating => "f-operating",
        State::Deviating => "f-deviating",
        State::Blind => "f-blind",
        State::Stale => "f-stale",
        State::None | State::Excluded => "f-excluded",
    }
}

#[cfg(test)]
mod tests;
