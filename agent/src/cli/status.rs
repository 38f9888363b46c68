//! `status`: the state directory in words. Takes no lock, so it works beside a running agent.

use crate::identity::{Certificate, Chain, HealedLog, Identity, Left, PAIR};
use crate::spool::{Dropped, Trouble};
use anyhow::Context as _;
use evidence::checkpoint::TreeHead;
use jiff::Timestamp;
use std::fmt::Write as _;
use std::path::Path;

/// One line per matter: `name: value`.
pub(super) fn text(state: &Path, now_ms: i64) -> anyhow::Result<String> {
    if let Some(Left { host, at_ms, .. }) = Left::read(state)? {
        return Ok(format!("host {host} left at {}; its keys are wiped\n", time(at_ms)));
    }
    let identity = Identity::read(state)?;
    let chain = Chain::read(state)?;
    let spool = state.join("spool");
    let dropped = Dropped::read(&spool);
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{:<13}{value}", format!("{name}:"));
    };
    line("host", &identity.host.to_string());
    line("collector", &identity.server);
    line("enrolled", &time(identity.enrolled_at_ms));
    line("certificate", &certificate(&state.join(PAIR), now_ms)?);
    if let Some(chain) = chain {
        line("chain", &format!("{}, next number {}", chain.chain, chain.next_seq));
        let accepted = chain.accepted.map_or("nothing yet".to_owned(), |id| id.to_string());
        line("accepted", &accepted);
        let log = chain.checkpoint.map(|head| format!("{} leaves, root {}", head.size, head.root));
        line("log", &log.unwrap_or("not seen yet".to_owned()));
        for HealedLog { healed, reason, at_ms, .. } in &chain.healed {
            let TreeHead { size, root } = healed.gave_up;
            let at = time(*at_ms);
            line(
                "log break",
                &format!(
                    "accepted at {at}, said the operator: {reason}; the log before had {size} leaves, root {root}"
                ),
            );
        }
    }
    line("waiting", &format!("{} check-ins", count(&spool, "checkin")));
    if let Some(Trouble { reason, since_ms, needs_a_person }) = Trouble::read(&spool) {
        let who = if needs_a_person { "needs a person" } else { "tried again" };
        line("trouble", &format!("since {} ({who}): {reason}", time(since_ms)));
    }
    line("kept", &format!("{} check-ins", count(&spool.join("kept"), "checkin")));
    line("refused", &format!("{} check-ins", count(&spool.join("refused"), "checkin")));
    line("damaged", &format!("{} files", count(&spool.join("damaged"), "")));
    let Dropped { facts, bytes, lost, .. } = dropped;
    line("dropped", &format!("{facts} facts ({bytes} bytes), {lost} objects lost"));
    Ok(text)
}

fn certificate(path: &Path, now_ms: i64) -> anyhow::Result<String> {
    let place = || path.display().to_string();
    let pem = std::fs::read(path).with_context(place)?;
    let read = Certificate::read(&pem).map_err(anyhow::Error::msg).with_context(place)?;
    let word = if read.has_expired(now_ms) { "expired at" } else { "valid until" };
    let renewed = time(read.due_ms());
    Ok(format!("{word} {}, renewed from {renewed} on", time(read.not_after_s * 1000)))
}

fn time(at_ms: i64) -> String {
    Timestamp::from_second(at_ms / 1000).map_or("?".to_owned(), |at| at.to_string())
}

/// Files whose names end in `suffix`.
fn count(directory: &Path, suffix: &str) -> usize {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(suffix)).count()
}
