//! What is found in findings.

use super::{Gap, Input, Lack, gap};
use crate::web::page::{When, finding_path};

/// Findings past their last day.
pub(super) fn overdue(input: &Input<'_>) -> Vec<Gap> {
    let late = input.findings.iter().filter(|row| row.is_overdue(input.now_us));
    let of = |row: &crate::store::FindingRow| {
        let clause = if row.finding.grade.is_nonconformity() { "10.2" } else { "10.1" };
        let day = When::day(row.finding.due_us).text;
        let says = format!("the finding “{}” was due by {day}", row.finding.title);
        gap(clause, Lack::Stale, says, finding_path(&row.id))
    };
    late.map(of).collect()
}
