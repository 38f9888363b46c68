//! Commands that make something: a collector, links, tokens.

use super::{say, tell};
use crate::clock;
use crate::config::Config;
use crate::data::DataDir;
use crate::settings;
use crate::store::{Person, Store};
use anyhow::{Context, bail};
use evidence::Digest;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How long a login link works.
const LINK_LIFE: Duration = Duration::from_secs(600);

/// Keys, certificate authority, store, administrator.
pub(super) async fn collector(dir: &Path, name: &str, store: &str) -> anyhow::Result<()> {
    if name.trim().is_empty() || name.contains('\n') {
        bail!("--name: an organisation has a name of one line");
    }
    let (_, origin) = made(dir, name, store, clock::now()).await?;
    tell(&format!("A collector for {name} is in {}.", dir.display()));
    tell(&format!("Its log is {origin}. Next: evidenced-collector serve --data {}", dir.display()));
    Ok(())
}

/// The same, as if it were made at this time. Gives the log's name too.
pub(super) async fn made(
    dir: &Path,
    name: &str,
    store: &str,
    now: SystemTime,
) -> anyhow::Result<(DataDir, String)> {
    let data = DataDir::create(dir, name, store, now)?;
    let made = fill(&data, name, clock::us(now)).await;
    if made.is_err() {
        // So that it can be tried again.
        data.discard()?;
    }
    Ok((data, made?))
}

/// Settings and administrator, in a store that no other collector has. Gives the log's name.
async fn fill(data: &DataDir, name: &str, now_us: i64) -> anyhow::Result<String> {
    let store = open(data).await?;
    let origin = format!("evidenced.{}", ulid::Ulid::generate().to_string().to_lowercase());
    let settings =
        [(settings::ORGANISATION, name.to_owned()), (settings::LOG_ORIGIN, origin.clone())];
    if !store.initialise(&settings, now_us).await? {
        bail!(
            "the store belongs to another collector already; give this one a store of its own, or \
             copy the other's directory to serve the same store"
        );
    }
    let person = Person::new("Administrator", "administrator")?;
    store.create_person(&person, "operator", now_us).await?;
    store.close().await;
    Ok(origin)
}

pub(super) async fn login_link(data: &DataDir) -> anyhow::Result<()> {
    let store = open(data).await?;
    let person = store.administrator().await?.context("this collector has no administrator")?;
    let link = link(data, &store, &person.id, LINK_LIFE).await?;
    store.close().await;
    say(&link);
    Ok(())
}

/// A new login link for this person.
pub(super) async fn link(
    data: &DataDir,
    store: &Store,
    person: &str,
    life: Duration,
) -> anyhow::Result<String> {
    let config = data.config(None)?;
    let secret = secret()?;
    let now_us = clock::now_us();
    let hash = Digest::of(secret.as_bytes());
    store.create_login_link(hash, person, now_us + micros(life), "operator", now_us).await?;
    Ok(format!("{}/login?link={secret}", people_url(data, &config)))
}

/// Where people reach the pages: as configured, or where the server said it listens.
fn people_url(data: &DataDir, config: &Config) -> String {
    let public = config.people.public_url.trim_end_matches('/');
    if !public.is_empty() {
        return public.to_owned();
    }
    let serving = data.serving();
    let address = serving.as_ref().and_then(|serving| serving["people"].as_str());
    let address = address.map_or_else(|| config.people.listen.to_string(), str::to_owned);
    format!("http://{address}")
}

pub(super) async fn api_token(data: &DataDir, seat: &str) -> anyhow::Result<()> {
    let store = open(data).await?;
    let secret = secret()?;
    store.create_api_token(Digest::of(secret.as_bytes()), seat, clock::now_us()).await?;
    store.close().await;
    say(&secret);
    Ok(())
}

pub(super) async fn open(data: &DataDir) -> anyhow::Result<Store> {
    let config = data.config(None)?;
    Store::open(&data.store_url(&config)).await.context("cannot open the store")
}

pub(super) fn secret() -> anyhow::Result<String> {
    crate::secret::secret().context("no randomness from the operating system")
}

pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
