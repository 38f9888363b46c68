//! `export`: results, drifts, hosts and evidence of a moment or a period, on standard output.

use super::{Data, create};
use crate::active;
use crate::catalogue::Catalogue;
use crate::clock;
use crate::export::{Ask, Format, What, header, page};
use crate::judged_then;
use crate::moment::{Moment, read_at, read_known, read_period};
use anyhow::bail;
use clap::Args;
use std::io::Write;
use std::sync::Arc;

const DAY_US: i64 = 86_400_000_000;

#[derive(Args)]
pub(super) struct Export {
    #[command(flatten)]
    data: Data,
    /// jsonl, csv, or ocsf (Compliance Findings of OCSF 1.8, one a line).
    #[arg(long, default_value = "jsonl", value_parser = word::<Format>)]
    format: Format,
    /// results, drifts, hosts or evidence.
    #[arg(long, value_parser = word::<What>)]
    what: What,
    /// As of a moment: a date (its end), a local time, or RFC 3339. Left out: now.
    #[arg(long, conflicts_with_all = ["from", "to"])]
    at: Option<String>,
    /// Only what the log knew: its size, or a moment.
    #[arg(long)]
    known: Option<String>,
    /// Everything that held at some time since; a date or a moment.
    #[arg(long)]
    from: Option<String>,
    /// The end of the period, a date with its whole day. Left out: now.
    #[arg(long)]
    to: Option<String>,
    /// Go on after the record that has this cursor, as of the same moment.
    #[arg(long, conflicts_with_all = ["at", "known", "from", "to"])]
    cursor: Option<String>,
}

fn word<T: std::str::FromStr<Err = crate::export::Refused>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|refused: crate::export::Refused| refused.to_string())
}

impl Export {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let data = self.data.open()?;
        let config = data.config(None)?;
        let store = create::open(&data).await?;
        let zone = config.organisation.zone();
        let mut ask = match &self.cursor {
            Some(cursor) => Ask::resume(self.what, self.format, cursor)?,
            None => {
                let now_us = clock::now_us();
                let known =
                    self.known.as_deref().map(|text| read_known(text, &zone)).transpose()?;
                let at = self.at.as_deref().map(|text| read_at(text, &zone, now_us)).transpose()?;
                let moment = store.moment(at.unwrap_or(now_us), known).await??;
                let (from, to) = (self.from.as_deref(), self.to.as_deref());
                let (from_us, moment) = match (from, to) {
                    (None, None) => (None, moment),
                    _ => {
                        let (from, to) = read_period(from, to, &zone, now_us, 90 * DAY_US)?;
                        (Some(from), Moment { at_us: to - 1, ..moment })
                    }
                };
                let (what, format) = (self.what, self.format);
                Ask { what, format, from_us, moment, after: None }.checked()?
            }
        };
        let catalogue = Arc::new(Catalogue::builtin()?);
        let judging = active::load(&store, &config.rules, &catalogue).await?;
        let now = judging.judge.rule_set();
        let judged = judged_then::load(&store, &now, &catalogue, &ask.moment).await?;
        if let Some(why) = judged.instead {
            bail!("{why}");
        }
        let mut out = std::io::stdout().lock();
        if ask.after.is_none() {
            out.write_all(header(ask.format, ask.what).as_bytes())?;
        }
        loop {
            let page = page(&store, &judged.rules, &ask).await?;
            out.write_all(page.text.as_bytes())?;
            match page.next {
                Some(next) => ask.after = Some(next),
                None => break,
            }
        }
        out.flush()?;
        drop(out);
        store.close().await;
        Ok(())
    }
}
