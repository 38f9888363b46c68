//! `log audit`.

use crate::audit::reading::{Audit, Break, audit};
use crate::audit::{Disagreement, Witness};
use crate::cli::verify::Progress;
use crate::cli::{create, say};
use crate::data::DataDir;
use anyhow::Context;
use evidence::HostId;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A head that is no beginning of this log, and nobody said why.
const DISAGREES: u8 = 4;

type Names = BTreeMap<HostId, String>;

pub(super) async fn run(
    data: &DataDir,
    as_json: bool,
    files: &[PathBuf],
) -> anyhow::Result<ExitCode> {
    let mut texts = vec![];
    for path in files {
        read(path, &mut texts)?;
    }
    let store = create::open(data).await?;
    let mut progress = Progress::new("leaves");
    let found = audit(&store, &texts, |read, of| progress.at(read, of)).await?;
    progress.end();
    let names: Names = store.hosts().await?.into_iter().map(|host| (host.id, host.name)).collect();
    store.close().await;
    let fits = found.unexplained().next().is_none() && found.unreadable.is_empty();
    if as_json {
        say(&as_value(&found, &names).to_string());
    } else {
        say(&in_words(&found, &names));
    }
    Ok(if fits { ExitCode::SUCCESS } else { ExitCode::from(DISAGREES) })
}

/// Adds the text of a file, or of all files in a directory.
fn read(path: &Path, texts: &mut Vec<(String, String)>) -> anyhow::Result<()> {
    let place = || path.display().to_string();
    if path.is_dir() {
        let entries = std::fs::read_dir(path).with_context(place)?;
        let mut paths: Vec<_> =
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
        paths.sort();
        // Beside checkpoints lie their time stamps, and perhaps what is being written.
        let other = |path: &&PathBuf| {
            path.extension().is_some_and(|extension| extension == "tsr" || extension == "part")
        };
        let paths = paths.iter().filter(|path| path.is_file() && !other(path));
        return paths.into_iter().try_for_each(|path| read(path, texts));
    }
    let bytes = std::fs::read(path).with_context(place)?;
    texts.push((place(), String::from_utf8_lossy(&bytes).into_owned()));
    Ok(())
}

fn in_words(found: &Audit, names: &Names) -> String {
    let mut lines = vec![];
    for one in &found.breaks {
        lines.push(break_in_words(one, names));
    }
    for (file, why) in &found.unreadable {
        lines.push(format!("{file}: {why}."));
    }
    for one in &found.disagreements {
        let explained = match one.stated {
            Some(index) if one.is_explained() => {
                format!(" The operator said why: leaf {index}.")
            }
            _ => String::new(),
        };
        lines.push(format!(
            "{}: a log of {} leaves, root {}. {}{explained}",
            who(&one.witness, names),
            one.head.size,
            one.head.root,
            one.meaning.says()
        ));
    }
    let unexplained = found.unexplained().count();
    lines.push(match (unexplained, found.heads) {
        (0, 0) => "Nobody holds a head of this log yet: there is nothing to compare.".to_owned(),
        (0, heads) if found.disagreements.is_empty() => format!(
            "All {heads} heads that were kept are beginnings of this log of {} leaves.",
            found.size
        ),
        (0, heads) => format!(
            "Of {heads} heads that were kept, each is a beginning of this log of {} leaves, or its \
             operator said why not.",
            found.size
        ),
        (some, _) => format!(
            "{some} witnesses hold a log that this one did not grow from. If the collector was \
             restored, say so with `evidenced-collector log heal`; if it was not, keep everything \
             and find out who could write to its store."
        ),
    });
    lines.join("\n")
}

fn break_in_words(one: &Break, names: &Names) -> String {
    let Break { healing, former, accepted, refilled, gaps, .. } = one;
    let lost = former.map_or("nobody knows how many it had".to_owned(), |former| {
        format!(
            "a witness knows of {former}, so {} were lost",
            former.saturating_sub(healing.kept.size)
        )
    });
    let gaps: Vec<_> = gaps.iter().map(|host| name(host, names)).collect();
    let gaps = if gaps.is_empty() {
        "no host had to begin another chain".to_owned()
    } else {
        format!("missing check-ins before a new chain: {}", gaps.join(", "))
    };
    format!(
        "Break, leaf {}, {}, by {}: {}. Kept were {} leaves of the former log; {lost}. {accepted} \
         hosts accepted it; {refilled} check-ins of before came back from what hosts keep; \
         {gaps}.",
        healing.index,
        time(healing.at_us),
        healing.actor,
        healing.reason,
        healing.kept.size
    )
}

fn who(witness: &Witness, names: &Names) -> String {
    match witness {
        Witness::File(name) => name.clone(),
        Witness::Host { host, index, received_us } => {
            format!("{}, check-in at leaf {index}, {}", name(host, names), time(*received_us))
        }
    }
}

fn name(host: &HostId, names: &Names) -> String {
    names.get(host).map_or(host.to_string(), |name| format!("{name} ({host})"))
}

fn time(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us).map_or("?".to_owned(), |at| format!("{at:.0}"))
}

fn as_value(found: &Audit, names: &Names) -> Value {
    let disagreement = |one: &Disagreement| {
        let witness = match &one.witness {
            Witness::File(file) => json!({"file": file}),
            Witness::Host { host, index, received_us } => json!({
                "host": host, "name": names.get(host), "index": index, "received_us": received_us,
            }),
        };
        json!({
            "witness": witness, "head": one.head, "meaning": one.meaning.word(),
            "says": one.meaning.says(), "stated": one.stated,
            "explained": one.is_explained(),
        })
    };
    let stated = |one: &Break| {
        json!({
            "index": one.healing.index, "at_us": one.healing.at_us, "actor": one.healing.actor,
            "reason": one.healing.reason, "kept": one.healing.kept, "former": one.former,
            "accepted": one.accepted, "refilled": one.refilled, "gaps": one.gaps,
        })
    };
    json!({
        "size": found.size, "root": found.root, "heads": found.heads,
        "disagreements": found.disagreements.iter().map(disagreement).collect::<Vec<_>>(),
        "unreadable": found.unreadable, "breaks": found.breaks.iter().map(stated).collect::<Vec<_>>(),
        "unexplained": found.unexplained().count(),
    })
}
