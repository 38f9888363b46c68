//! `sample/`: what an auditor drew, and for each item the check-in that answers for it as files of
//! their own, for tools that take one at a time.

use super::fleet::{Fleet, document};
use super::{Output, put};
use crate::snapshot::SnapshotError;
use crate::snapshot::document::{CheckInLine, DrawnLine, HostDocument};
use crate::snapshot::files::Documents;
use crate::snapshot::sample::{check_in_of, date, days};
use crate::snapshot::tlog::proof_text;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evidence::check_in::PAYLOAD_TYPE;
use evidence::{HostId, SignedCheckIn, canonical, dsse, leaf};
use std::collections::BTreeMap;

pub(super) fn write(
    fleet: &Fleet,
    from: &mut dyn Documents,
    out: &mut dyn Output,
) -> Result<(), SnapshotError> {
    let Some([of_days, of_failures]) = &fleet.drawn else { return Ok(()) };
    let mut lines = vec![];
    let mut found: BTreeMap<u64, CheckInLine> = BTreeMap::new();
    let drawn = of_days.drawn().iter().map(|item| (item, true));
    for ((rank, item), is_day) in drawn.chain(of_failures.drawn().iter().map(|i| (i, false))) {
        let mut words = item.split(' ');
        let host: Option<HostId> = words.next().and_then(|word| word.parse().ok());
        let Some(host) = host else { continue };
        let check_ins = check_ins(from, host)?;
        let index = match is_day {
            true => {
                let host: HostDocument = document(from, &format!("hosts/{host}.json"))?;
                let date_of = words.next().unwrap_or_default();
                let day = days(&host, &fleet.head.pins).into_iter().find(|d| date(*d) == date_of);
                let times: Vec<_> = check_ins.iter().map(|c| (c.index, c.observed_us)).collect();
                day.and_then(|day| check_in_of(day, &times))
            }
            false => {
                let host: HostDocument = document(from, &format!("hosts/{host}.json"))?;
                let (rule, begin) = (words.next(), words.next());
                let begin = begin.and_then(|word| word.parse::<i64>().ok());
                let result = host.results.iter().find(|result| {
                    Some(result.rule.as_str()) == rule && result.failing_since_us == begin
                });
                result.map(|result| result.known.unsigned_abs())
            }
        };
        let line = index.and_then(|index| check_ins.into_iter().find(|c| c.index == index));
        lines.push(DrawnLine {
            item: item.clone(),
            rank: *rank,
            index: line.as_ref().map(|l| l.index),
        });
        found.extend(line.map(|line| (line.index, line)));
    }
    let mut text = vec![];
    for line in &lines {
        text.extend(canonical::to_vec(line)?);
        text.push(b'\n');
    }
    put(out, "sample/drawn.jsonl", &text)?;
    let checkpoint = from.bytes("log/checkpoint")?.unwrap_or_default();
    let checkpoint = String::from_utf8_lossy(&checkpoint).into_owned();
    for line in found.into_values() {
        one(&line, &checkpoint, out)?;
    }
    Ok(())
}

fn check_ins(from: &mut dyn Documents, host: HostId) -> Result<Vec<CheckInLine>, SnapshotError> {
    let name = format!("check-ins/{host}.jsonl");
    let bytes = from.bytes(&name)?.unwrap_or_default();
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let line = |line: &[u8]| {
        serde_json::from_slice(line).map_err(|e| SnapshotError::Other(format!("{name}: {e}")))
    };
    lines.map(line).collect()
}

/// The envelope, the bytes that were signed (`.pae`), the leaf of the log, and its proof.
fn one(line: &CheckInLine, checkpoint: &str, out: &mut dyn Output) -> Result<(), SnapshotError> {
    let name = |end: &str| format!("sample/{}.{end}", line.index);
    let mut envelope = canonical::to_vec(&line.envelope)?;
    envelope.push(b'\n');
    put(out, &name("dsse.json"), &envelope)?;
    let decode = |text: &str| {
        STANDARD
            .decode(text)
            .map_err(|e| SnapshotError::Other(format!("check-in {}: {e}", line.index)))
    };
    let payload = decode(&line.envelope.payload)?;
    let signature = line.envelope.signatures.first().map(|signature| decode(&signature.sig));
    let bytes = [signature.transpose()?.unwrap_or_default(), payload.clone()].concat();
    let signed = SignedCheckIn::from_bytes(&bytes)
        .map_err(|e| SnapshotError::Other(format!("check-in {}: {e}", line.index)))?;
    put(out, &name("pae"), &dsse::pae(PAYLOAD_TYPE, &payload))?;
    put(out, &name("leaf"), &leaf::check_in_leaf(&signed))?;
    put(out, &name("tlog-proof"), proof_text(line.index, &line.proof, checkpoint).as_bytes())
}
