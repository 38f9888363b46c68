//! `hosts`: who is there, what is said of them, and the end of their life.

use super::{Data, Format, create, say, tell};
use crate::clock;
use crate::config::DurationText;
use crate::expected::{self, Reconciled, reconcile};
use crate::store::model::{HostRow, HostState};
use crate::store::{HostSpan, LifeChange, Saying, Store};
use crate::web::counts::Standing;
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use evidence::{Digest, HostId};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum Hosts {
    /// List every host and where it stands.
    List {
        #[command(flatten)]
        data: Data,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Show one host: its life, groups and tags as they were and are.
    Show {
        #[command(flatten)]
        data: Data,
        /// Its id, or its name if only one has it.
        host: String,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Take a host out of service for good. Its certificate is refused at once; its evidence stays.
    Retire {
        #[command(flatten)]
        data: Data,
        host: String,
        #[command(flatten)]
        why: Why,
    },
    /// Say that a host ended: it was meant to be short-lived and is gone. Its evidence stays.
    End {
        #[command(flatten)]
        data: Data,
        host: String,
        #[command(flatten)]
        why: Why,
    },
    /// Say that people work on a host: what it misses meanwhile alarms nobody.
    Maintenance {
        #[command(flatten)]
        data: Data,
        host: String,
        /// How long: 90m, 4h, 2d.
        #[arg(long = "for", value_name = "TIME", required_unless_present = "end")]
        time: Option<DurationText>,
        /// End it now instead.
        #[arg(long, conflicts_with = "time")]
        end: bool,
        #[command(flatten)]
        why: Why,
    },
    /// Let a host whose certificate expired renew it. `[certificates] after_expiry = "approve"`.
    Approve {
        #[command(flatten)]
        data: Data,
        /// Its id, or its name if only one has it.
        host: String,
    },
    /// End a host's identity at once, also on open connections. Its evidence stays.
    Revoke {
        #[command(flatten)]
        data: Data,
        /// Its id, or its name if only one has it.
        host: String,
    },
    /// Put a host into a group. No result of it changes by this, and no drift opens.
    Assign {
        #[command(flatten)]
        data: Data,
        host: String,
        #[arg(long)]
        group: String,
        #[command(flatten)]
        since: Since,
    },
    /// Tag a host: key=value, or key= to take the tag away.
    Tag {
        #[command(flatten)]
        data: Data,
        host: String,
        #[arg(required = true, value_name = "KEY=VALUE")]
        tags: Vec<String>,
        #[command(flatten)]
        since: Since,
    },
    /// Replace the list of expected hosts: columns name, group, and perhaps owner and tags.
    Expect {
        #[command(flatten)]
        data: Data,
        file: PathBuf,
        /// Only say what is wrong with the file and what it would do.
        #[arg(long)]
        dry_run: bool,
        /// Take a list without hosts: then none is expected.
        #[arg(long)]
        allow_empty: bool,
        #[arg(long, default_value = "", value_parser = super::actor::of_login)]
        actor: String,
    },
}

#[derive(Args)]
pub(super) struct Why {
    /// Why, for the log.
    #[arg(long)]
    reason: String,
    /// Who does it, for the log.
    #[arg(long, default_value = "", value_parser = super::actor::of_login)]
    actor: String,
}

#[derive(Args)]
pub(super) struct Since {
    /// Since when it has been so: 2026-11-20T08:00:00Z; else from now on.
    #[arg(long, value_name = "TIME")]
    since: Option<jiff::Timestamp>,
    #[arg(long)]
    reason: Option<String>,
    #[arg(long, default_value = "", value_parser = super::actor::of_login)]
    actor: String,
}

impl Hosts {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::List { data, format } => list(&open(&data).await?, format).await?,
            Self::Show { data, host, format } => {
                let store = open(&data).await?;
                show(&store, &find(&store, &host).await?, format).await?;
            }
            Self::Retire { data, host, why } => {
                step(&open(&data).await?, &host, HostState::Retired, why, None).await?;
            }
            Self::End { data, host, why } => {
                step(&open(&data).await?, &host, HostState::Ended, why, None).await?;
            }
            Self::Maintenance { data, host, time, end, why } => {
                let to = if end { HostState::Active } else { HostState::Maintenance };
                step(&open(&data).await?, &host, to, why, time).await?;
            }
            Self::Approve { data, host } => approve(&open(&data).await?, &host).await?,
            Self::Revoke { data, host } => revoke(&open(&data).await?, &host).await?,
            Self::Assign { data, host, group, since } => {
                if group.trim().is_empty() || group.chars().any(char::is_control) {
                    bail!("--group: a group has a name of one line");
                }
                let said = vec![("group".to_owned(), Some(group))];
                sayings(&open(&data).await?, &host, said, since).await?;
            }
            Self::Tag { data, host, tags, since } => {
                let read = |pair: &String| match expected::tag(pair) {
                    Ok((key, value)) => {
                        Ok((format!("tag:{key}"), Some(value).filter(|value| !value.is_empty())))
                    }
                    Err((reason, remedy)) => bail!("{reason}; {remedy}"),
                };
                let said = tags.iter().map(read).collect::<anyhow::Result<_>>()?;
                sayings(&open(&data).await?, &host, said, since).await?;
            }
            Self::Expect { data, file, dry_run, allow_empty, actor } => {
                let store = open(&data).await?;
                return expect(&store, &file, dry_run, allow_empty, &actor).await;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn open(data: &Data) -> anyhow::Result<Store> {
    create::open(&data.open()?).await
}

/// A host by its id or by its name, if only one has it.
async fn find(store: &Store, text: &str) -> anyhow::Result<HostRow> {
    let hosts = store.hosts().await?;
    if let Ok(id) = text.to_uppercase().parse::<HostId>() {
        let host = hosts.into_iter().find(|host| host.id == id);
        return host.with_context(|| format!("no host has the id {id}; see `hosts list`"));
    }
    let key = expected::key_of(text);
    let mut named: Vec<_> =
        hosts.into_iter().filter(|host| expected::key_of(&host.name) == key).collect();
    match named.len() {
        0 => bail!("no host is called {text}; see `hosts list`"),
        1 => Ok(named.remove(0)),
        _ => {
            let one = |host: &HostRow| format!("  {} ({})", host.id, host.state.as_str());
            let ids: Vec<_> = named.iter().map(one).collect();
            bail!("{} hosts are called {text}; give the id:\n{}", named.len(), ids.join("\n"))
        }
    }
}

async fn list(store: &Store, format: Format) -> anyhow::Result<()> {
    let (hosts, now_us) = (store.hosts().await?, clock::now_us());
    let judged = store.judged_up_to(None).await?;
    if format == Format::Json {
        let one = |host: &HostRow| {
            json!({
                "id": host.id, "name": host.name, "group": host.group, "state": host.state,
                "standing": Standing::of(host, now_us).word(),
                "last_received_us": host.last_received_us, "revoked_us": host.revoked_us,
                "judged_index": judged.get(&host.id).map(|(index, _)| index),
            })
        };
        say(&json!(hosts.iter().map(one).collect::<Vec<_>>()).to_string());
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["HOST", "GROUP", "STATE", "LAST RECEIVED", "ID"]);
    for host in &hosts {
        let last = host.last_received_us.map_or("never".to_owned(), time);
        let standing = Standing::of(host, now_us).word();
        let state = match host.state {
            HostState::Maintenance => format!("maintenance, {standing}"),
            _ => standing.to_owned(),
        };
        let state = match host.revoked_us {
            Some(_) => format!("{state}, revoked"),
            None => state,
        };
        table.add_row([
            printable(&host.name),
            printable(&host.group),
            state,
            last,
            host.id.to_string(),
        ]);
    }
    say(&table.to_string());
    Ok(())
}

async fn show(store: &Store, host: &HostRow, format: Format) -> anyhow::Result<()> {
    let spans = store.host_spans(Some(host.id)).await?;
    let (index, day) = store.judged_up_to(Some(host.id)).await?.remove(&host.id).unwrap_or((-1, 0));
    if format == Format::Json {
        let one = |row: &HostSpan| {
            json!({
                "property": row.property, "value": row.span.value, "cause": row.cause,
                "from_us": row.span.from_us, "to_us": row.span.to_us, "known": row.span.known,
                "ended_known": row.span.ended_known, "superseded_known": row.span.superseded_known,
            })
        };
        say(&json!({
            "id": host.id, "name": host.name, "group": host.group, "state": host.state,
            "last_received_us": host.last_received_us, "revoked_us": host.revoked_us,
            "judged_index": index, "judged_day": day,
            "spans": spans.iter().map(one).collect::<Vec<_>>(),
        })
        .to_string());
        return Ok(());
    }
    say(&format!("{}  {}", printable(&host.name), host.id));
    say(&format!("{} in {}", host.state.as_str(), printable(&host.group)));
    if let Some(revoked_us) = host.revoked_us {
        say(&format!("its identity was revoked {}", time(revoked_us)));
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["WHAT", "VALUE", "FROM", "TO", "KNOWN"]);
    for row in spans.iter().filter(|row| row.span.superseded_known.is_none()) {
        let to = row.span.to_us.map_or("now".to_owned(), time);
        let (from, known) = (time(row.span.from_us), row.span.known.to_string());
        table.add_row([row.property.clone(), printable(&row.span.value), from, to, known]);
    }
    say(&table.to_string());
    Ok(())
}

async fn step(
    store: &Store,
    host: &str,
    to: HostState,
    why: Why,
    time: Option<DurationText>,
) -> anyhow::Result<()> {
    let host = find(store, host).await?;
    let now_us = clock::now_us();
    let micros = |time: DurationText| i64::try_from(time.0.as_micros()).unwrap_or(i64::MAX);
    let change = LifeChange {
        host: host.id,
        to,
        actor: why.actor,
        reason: why.reason,
        from_us: now_us,
        now_us,
        until_us: time.map(|time| now_us.saturating_add(micros(time))),
        unheard_since_us: None,
    };
    store.change_life(&change).await??;
    tell(&format!("{} is {} now.", printable(&host.name), to.as_str()));
    Ok(())
}

async fn approve(store: &Store, host: &str) -> anyhow::Result<()> {
    let host = find(store, host).await?.id;
    store.approve_renewal(host, "operator", clock::now_us()).await??;
    say(&format!("Host {host} gets its certificate when it asks again, within minutes."));
    Ok(())
}

async fn revoke(store: &Store, host: &str) -> anyhow::Result<()> {
    let host = find(store, host).await?.id;
    let certificates = store.revoke_host(host, "operator", clock::now_us()).await??;
    say(&format!(
        "The identity of host {host} is revoked: none of its certificates ({certificates}) works \
         any more, and it gets no other. Its evidence stays. To let the machine report again, \
         enrol it with a new token in a new state directory."
    ));
    Ok(())
}

async fn sayings(
    store: &Store,
    host: &str,
    said: Vec<(String, Option<String>)>,
    since: Since,
) -> anyhow::Result<()> {
    let host = find(store, host).await?;
    let now_us = clock::now_us();
    let from_us = since.since.map_or(now_us, |since| since.as_microsecond());
    if from_us > now_us {
        bail!("--since: {} is still to come; say it then", time(from_us));
    }
    for (property, value) in said {
        let saying = Saying {
            host: host.id,
            property,
            value,
            from_us: from_us.max(host.enrolled_us),
            actor: since.actor.clone(),
            reason: since.reason.clone(),
            now_us,
        };
        store.say(&saying).await?.context("the host is gone")?;
    }
    Ok(())
}

async fn expect(
    store: &Store,
    file: &Path,
    dry_run: bool,
    allow_empty: bool,
    actor: &str,
) -> anyhow::Result<ExitCode> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let list = match expected::parse_hosts(&bytes) {
        Ok(list) => list,
        Err(bad) => {
            tell(&format!("{}: {} bad, nothing was imported:", file.display(), lines(bad.0.len())));
            bad.0.iter().for_each(|bad| tell(&bad.to_string()));
            return Ok(ExitCode::from(1));
        }
    };
    if !list.ignored.is_empty() {
        tell(&format!("Not used: the columns {}.", list.ignored.join(", ")));
    }
    if list.entries.is_empty() && !allow_empty {
        bail!("{} lists no host; with --allow-empty none is expected any more", file.display());
    }
    if dry_run {
        tell(&format!("{} would be expected. Nothing was imported.", list.entries.len()));
    } else {
        let now_us = clock::now_us();
        let done = store.expect_hosts(&list.entries, Digest::of(&bytes), actor, now_us).await?;
        tell(&format!(
            "{} expected: {} added, {} changed, {} as before; {} removed.",
            list.entries.len(),
            done.added,
            done.changed,
            done.unchanged,
            done.removed
        ));
    }
    let reconciled = reconcile(&list.entries, &store.hosts().await?, clock::now_us());
    say(&reconciled.says());
    tell_notes(&reconciled);
    Ok(ExitCode::SUCCESS)
}

fn lines(n: usize) -> String {
    if n == 1 { "1 line is".to_owned() } else { format!("{n} lines are") }
}

fn tell_notes(reconciled: &Reconciled) {
    for line in &reconciled.lines {
        if let Some(note) = &line.note {
            tell(&format!(
                "{} ({}): {}",
                printable(&line.name),
                line.state.word(),
                printable(note)
            ));
        }
    }
}

pub(super) fn time(us: i64) -> String {
    let at = jiff::Timestamp::from_microsecond(us);
    at.map_or_else(|_| us.to_string(), |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// Hosts choose their names: what would control a terminal is written out.
pub(super) fn printable(name: &str) -> String {
    let written = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    name.chars().map(written).collect()
}
