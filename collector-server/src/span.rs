//! Intervals on two time axes. Pure.
//!
//! A span says that something had one value over an interval of *observed* time, and since which
//! log index that is *known*. What arrives late supersedes; nothing is rewritten: as of any
//! earlier log index the old answer stands.

/// A span as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span<V> {
    pub value: V,
    pub from_us: i64,
    /// Open while none.
    pub to_us: Option<i64>,
    /// The log index that made it known.
    pub known: i64,
    /// The log index that gave it its end.
    pub ended_known: Option<i64>,
    /// From this log index on it counts no more.
    pub superseded_known: Option<i64>,
}

impl<V> Span<V> {
    /// Whether it held at `at_us`, as was known at log index `known` (inclusive).
    pub fn holds(&self, at_us: i64, known: i64) -> bool {
        let ended = self.end_at(known);
        self.counts_at(known) && self.from_us <= at_us && ended.is_none_or(|to| to > at_us)
    }

    /// Whether it was known at a log index, and had not given way.
    pub fn counts_at(&self, known: i64) -> bool {
        self.known <= known && self.superseded_known.is_none_or(|s| s > known)
    }

    /// Its end, as was known at a log index.
    pub fn end_at(&self, known: i64) -> Option<i64> {
        self.to_us.filter(|_| self.ended_known.is_none_or(|e| e <= known))
    }

    fn counts(&self) -> bool {
        self.superseded_known.is_none()
    }
}

/// What is to be written. Rows are named by where they start and since when they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<V> {
    /// The open span got an end.
    End { from_us: i64, known: i64, to_us: i64 },
    /// The span counts no more.
    Supersede { from_us: i64, known: i64 },
    /// A span became known.
    Insert { value: V, from_us: i64, to_us: Option<i64> },
}

/// States that the value was `value` over `[from_us, to_us)`. What held outside stays. `spans`
/// are those of one subject, in order of `from_us`.
///
/// A statement in order has no `to_us`. A late one ends where the next statement that is already
/// there begins, even if that one changed nothing and left no span.
pub fn assert_over<V: Clone + PartialEq>(
    spans: &[Span<V>],
    from_us: i64,
    to_us: Option<i64>,
    value: V,
) -> Vec<Change<V>> {
    let mut changes = Vec::new();
    let (mut from, mut to) = (from_us, to_us);
    for span in spans.iter().filter(|span| span.counts()) {
        let before = span.to_us.is_some_and(|end| end < from_us);
        let after = to_us.is_some_and(|end| span.from_us > end);
        if before || after {
            continue;
        }
        if span.value == value {
            if covers(span, from_us, to_us) {
                return vec![];
            }
            // It touches the interval: one span takes the place of both.
            from = from.min(span.from_us);
            to = to.zip(span.to_us).map(|(a, b)| a.max(b));
            changes.push(Change::Supersede { from_us: span.from_us, known: span.known });
        } else {
            changes.extend(cut(span, from_us, to_us));
        }
    }
    changes.push(Change::Insert { value, from_us: from, to_us: to });
    changes
}

fn covers<V>(span: &Span<V>, from_us: i64, to_us: Option<i64>) -> bool {
    let reaches = match (span.to_us, to_us) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(end), Some(to)) => end >= to,
    };
    span.from_us <= from_us && reaches
}

/// Takes `[from_us, to_us)` out of `span`.
fn cut<V: Clone>(span: &Span<V>, from_us: i64, to_us: Option<i64>) -> Vec<Change<V>> {
    let touches_only = span.to_us == Some(from_us) || to_us == Some(span.from_us);
    if touches_only {
        return vec![];
    }
    let left = span.from_us < from_us;
    let right = to_us.filter(|to| span.to_us.is_none_or(|end| end > *to));
    if left && right.is_none() && span.to_us.is_none() {
        return vec![Change::End { from_us: span.from_us, known: span.known, to_us: from_us }];
    }
    let value = || span.value.clone();
    let mut changes = vec![Change::Supersede { from_us: span.from_us, known: span.known }];
    if left {
        let to_us = Some(from_us);
        changes.push(Change::Insert { value: value(), from_us: span.from_us, to_us });
    }
    if let Some(to) = right {
        changes.push(Change::Insert { value: value(), from_us: to, to_us: span.to_us });
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn apply(spans: &mut Vec<Span<u8>>, changes: Vec<Change<u8>>, now: i64) {
        for change in changes {
            match change {
                Change::End { from_us, known, to_us } => {
                    let row = spans.iter_mut().find(|s| s.from_us == from_us && s.known == known);
                    let row = row.expect("row to end");
                    (row.to_us, row.ended_known) = (Some(to_us), Some(now));
                }
                Change::Supersede { from_us, known } => {
                    let row = spans.iter_mut().find(|s| s.from_us == from_us && s.known == known);
                    row.expect("row to supersede").superseded_known = Some(now);
                }
                Change::Insert { value, from_us, to_us } => {
                    let known = now;
                    assert!(
                        !spans.iter().any(|s| s.from_us == from_us && s.known == known),
                        "same key"
                    );
                    spans.push(Span {
                        value,
                        from_us,
                        to_us,
                        known,
                        ended_known: to_us.map(|_| now),
                        superseded_known: None,
                    });
                }
            }
        }
        spans.sort_by_key(|span| (span.from_us, span.known));
    }

    /// The law: at every observed moment, as of every log index, exactly the value of the latest
    /// statement before that moment among those known then, however late they came.
    fn naive(statements: &[(i64, u8)], at: i64, known: i64) -> Option<u8> {
        let known = statements.iter().take(known as usize + 1);
        known.filter(|(t, _)| *t <= at).max_by_key(|(t, _)| *t).map(|(_, value)| *value)
    }

    proptest! {
        #[test]
        fn as_of_any_two_times_the_spans_answer_as_the_statements_do(
            order in Just((0..12i64).collect::<Vec<_>>()).prop_shuffle(),
            values in proptest::collection::vec(0..3u8, 12),
        ) {
            let statements: Vec<_> = order.iter().map(|t| t * 10).zip(values).collect();
            let mut spans = Vec::new();
            for (now, (at, value)) in statements.iter().enumerate() {
                let later = statements.iter().take(now).map(|(t, _)| *t).filter(|t| t > at).min();
                let changes = assert_over(&spans, *at, later, *value);
                apply(&mut spans, changes, now as i64);
            }
            for known in 0..statements.len() as i64 {
                for at in (-5..125).step_by(5) {
                    let holding: Vec<_> = spans.iter().filter(|s| s.holds(at, known)).collect();
                    prop_assert!(holding.len() <= 1, "{} spans hold at {at}, {known}", holding.len());
                    let got = holding.first().map(|span| span.value);
                    prop_assert_eq!(got, naive(&statements, at, known), "at {} known {}", at, known);
                }
            }
        }
    }

    #[test]
    fn an_equal_statement_writes_nothing() {
        let span = Span {
            value: 1,
            from_us: 5,
            to_us: None,
            known: 0,
            ended_known: None,
            superseded_known: None,
        };
        assert!(assert_over(&[span], 9, None, 1).is_empty());
    }

    #[test]
    fn a_change_in_order_costs_one_end_and_one_insert() {
        let span = Span {
            value: 1,
            from_us: 5,
            to_us: None,
            known: 0,
            ended_known: None,
            superseded_known: None,
        };
        let changes = assert_over(&[span], 9, None, 2);
        assert_eq!(
            changes,
            [
                Change::End { from_us: 5, known: 0, to_us: 9 },
                Change::Insert { value: 2, from_us: 9, to_us: None },
            ]
        );
    }
}
