//! What the readiness check looks at, as the store has it.

use super::{Gap, Input, check};
use crate::catalogue::Control;
use crate::record::Registers;
use crate::status::ControlStatus;
use crate::store::{Isms, Store, StoreError, VersionState};

/// Everything that is found in an ISMS, whose controls stand like this.
pub async fn of_isms(
    store: &Store,
    registers: &Registers,
    isms: &Isms,
    controls: &[(Control, ControlStatus)],
    now_us: i64,
) -> Result<Vec<Gap>, StoreError> {
    let versions = store.applicability_versions(&isms.id).await?;
    let approved = versions.iter().find(|version| version.state == VersionState::Approved);
    let entries = match approved {
        Some(version) => Some(store.applicability_entries(&isms.id, version.version).await?),
        None => None,
    };
    Ok(check(&Input {
        isms,
        registers,
        records: &store.records(Some(&isms.id)).await?,
        controls,
        entries: entries.as_deref(),
        statement_waits: versions.iter().any(|v| v.state == VersionState::Submitted),
        findings: &store.findings().await?,
        exceptions: &store.exceptions().await?,
        now_us,
    }))
}
