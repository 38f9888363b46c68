//! Watched values that became weaker: drifts that end when the value is as strong as it was.

use super::StoreError;
use super::db::{Tx, execute, fetch};
use super::judging::{About, Judgement, open_drift};
use super::model::DriftRow;
use crate::alert;
use crate::watched;

/// A watched value of a host, where its evidence changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    pub id: String,
    pub now: String,
    /// What it was, if that was stronger and no rule tells of it.
    pub was: Option<String>,
}

/// Opens and ends the drifts that follow.
pub(super) async fn write_watched(tx: &mut Tx, judgement: &Judgement) -> Result<(), StoreError> {
    let (host, at_us) = (judgement.host.to_string(), judgement.at_us);
    for watch in &judgement.notice.watched {
        let Some(declared) = watched::find(&watch.id) else { continue };
        let sql = "SELECT id, from_state FROM drift
                   WHERE host = $1 AND drift = 'change' AND grouping = $2 AND resolved_us IS NULL";
        let open = fetch!(tx, all, (String, String), sql, host.clone(), watch.id.clone())?;
        for (id, was) in open {
            if !declared.is_weaker(&was, &watch.now) {
                let sql = "UPDATE drift SET resolved_us = $2 WHERE id = $1";
                execute!(tx, sql, id.clone(), at_us)?;
            }
        }
        let Some(was) = &watch.was else { continue };
        let drift = DriftRow {
            id: ulid::Ulid::generate().to_string(),
            drift: "change".to_owned(),
            host: judgement.host,
            rule: None,
            kind: None,
            cause: "host_changed".to_owned(),
            severity: "medium".to_owned(),
            from: was.clone(),
            to: watch.now.clone(),
            offenders: vec![],
            opened_us: at_us,
            resolved_us: None,
        };
        let about = About {
            subject: format!("{}: {was} became {}, which is weaker", watch.id, watch.now),
            grouping: watch.id.clone(),
            known_us: judgement.notice.now_us,
            confirm: false,
            alert_after_us: judgement.notice.now_us + alert::HOLD_US,
        };
        open_drift(tx, &drift, &about, judgement.known).await?;
    }
    Ok(())
}
