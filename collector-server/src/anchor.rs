//! Anchoring: what this collector signed, shown to somebody outside it.
//!
//! Whoever holds the log's key can write another log. That this one was there at a time can be shown
//! only by what left their control: checkpoints that agents keep, time stamps by an authority of
//! somebody else, copies in other hands. The job here puts a checkpoint on its way to each place
//! that is configured, as often as is configured and if the log grew, and tries until it arrived.

pub mod tsa;

use crate::clock::Clock;
use crate::config;
use crate::keyring::Keys;
use crate::notify::{Channel, backoff};
use crate::store::{AnchorSort, Anchored, DueAnchor, Store, StoreError};
use serde_json::json;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;
use tsa::{Tsa, TsaError};

/// How often the job looks.
const LOOK: Duration = Duration::from_secs(5);
/// Checkpoints that are taken at once.
const FEW: i64 = 4;
/// What was taken is left alone by others for this long: longer than that many attempts, each of
/// which has twenty seconds.
const TAKEN: Duration = Duration::from_secs(120);

/// A place that checkpoints go to.
enum Place {
    Tsa(Tsa),
    Directory(PathBuf),
    Webhook(Box<Channel>),
}

/// [anchor] cannot be used. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    #[error("[anchor] tsa_url: {0}")]
    Tsa(#[from] TsaError),
    #[error("[anchor] webhooks: there is no [[notify.webhook]] named `{0}`")]
    Webhook(String),
    #[error("[anchor] directory: {}: {source}", path.display())]
    Directory { path: PathBuf, source: std::io::Error },
}

/// Brings checkpoints to places outside.
pub struct Anchoring {
    store: Store,
    keys: Keys,
    clock: Clock,
    places: Vec<Place>,
    every_us: i64,
    source: String,
}

impl Anchoring {
    /// The places of a configuration; `channels` are those of [[notify.webhook]].
    pub fn new(
        config: &config::Anchor,
        channels: &[Channel],
        (store, keys, clock): (Store, Keys, Clock),
        origin: &str,
    ) -> Result<Self, AnchorError> {
        let mut places = vec![];
        if !config.tsa_url.is_empty() {
            places.push(Place::Tsa(Tsa::new(&config.tsa_url)?));
        }
        if !config.directory.as_os_str().is_empty() {
            let made = std::fs::create_dir_all(&config.directory);
            made.map_err(|source| AnchorError::Directory {
                path: config.directory.clone(),
                source,
            })?;
            places.push(Place::Directory(config.directory.clone()));
        }
        for name in &config.webhooks {
            let channel = channels
                .iter()
                .find(|channel| channel.name() == name && channel.sort() == "webhook");
            let channel = channel.ok_or_else(|| AnchorError::Webhook(name.clone()))?;
            places.push(Place::Webhook(Box::new(channel.clone())));
        }
        let every_us = micros(config.every.0);
        let source = format!("urn:evidenced:{origin}");
        Ok(Self { store, keys, clock, places, every_us, source })
    }

    /// Works until `stop`.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            let work = async {
                if let Err(error) = self.round().await {
                    tracing::warn!(%error, "checkpoints could not be anchored now");
                }
                self.clock.sleep(LOOK).await;
            };
            tokio::select! {
                () = work => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    async fn round(&self) -> Result<(), StoreError> {
        if self.places.is_empty() {
            return Ok(());
        }
        let now_us = self.clock.now_us();
        let last = self.store.last_anchored().await?;
        let is_time = last.is_none_or(|(_, at_us)| now_us - at_us >= self.every_us);
        // What is read was committed; only that may be signed.
        let state = self.store.log().await?;
        if is_time && last.is_none_or(|(size, _)| size != state.size) {
            let note = self.keys.now().signer.checkpoint(state).note;
            let places: Vec<_> = self.places.iter().map(Place::name).collect();
            self.store.anchor(state.size, &note, &places, now_us).await?;
        }
        loop {
            let now_us = self.clock.now_us();
            let taken = self.store.take_anchors(now_us, now_us + micros(TAKEN), FEW).await?;
            for due in &taken {
                let how = self.bring(due).await;
                if let Anchored::Failed { error, .. } = &how {
                    let (sort, size) = (due.sort.as_str(), due.size);
                    tracing::warn!(
                        sort,
                        size,
                        error,
                        "a checkpoint was not anchored; trying again"
                    );
                }
                self.store.anchored(due, &how).await?;
            }
            if i64::try_from(taken.len()) != Ok(FEW) {
                return Ok(());
            }
        }
    }

    async fn bring(&self, due: &DueAnchor) -> Anchored {
        let place = self.places.iter().find(|place| place.name() == (due.sort, due.target.clone()));
        let brought = match place {
            Some(Place::Tsa(tsa)) => match tsa.timestamp(due.note.as_bytes()).await {
                Ok(token) => Ok((Some(token.at_us), Some(token.tsr))),
                Err(error) => Err(error.to_string()),
            },
            Some(Place::Directory(directory)) => {
                put(directory, due).map(|()| (None, None)).map_err(|error| error.to_string())
            }
            Some(Place::Webhook(channel)) => self.send(channel, due).await.map(|()| (None, None)),
            None => Err("no such place is configured any more".to_owned()),
        };
        let at_us = self.clock.now_us();
        match brought {
            Ok((stamped_us, token)) => Anchored::Done { at_us, stamped_us, token },
            Err(error) => {
                let wait = backoff::delay(due.attempts, backoff::chance());
                Anchored::Failed { next_us: at_us + micros(wait), error }
            }
        }
    }

    async fn send(&self, channel: &Channel, due: &DueAnchor) -> Result<(), String> {
        let id = format!("checkpoint-{}", due.size);
        let time = jiff::Timestamp::from_microsecond(due.created_us).unwrap_or_default();
        let body = json!({
            "specversion": "1.0", "id": id, "source": self.source,
            "type": "evidenced.log.checkpoint", "time": time.to_string(),
            "datacontenttype": "application/json",
            "data": {"size": due.size, "note": due.note},
        });
        match channel.tell(&id, self.clock.now_us(), body.to_string()).await.error {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }
}

impl Place {
    /// As the store names it.
    fn name(&self) -> (AnchorSort, String) {
        match self {
            Self::Tsa(tsa) => (AnchorSort::Tsa, tsa.url().to_owned()),
            Self::Directory(path) => (AnchorSort::Directory, path.display().to_string()),
            Self::Webhook(channel) => (AnchorSort::Webhook, channel.name().to_owned()),
        }
    }
}

/// A file of its own for each checkpoint, whole or not at all. One that is there stays as it is; if
/// it is another one, this one did not arrive.
fn put(directory: &Path, due: &DueAnchor) -> std::io::Result<()> {
    let path = directory.join(format!("checkpoint-{:012}.txt", due.size));
    let part = path.with_extension("part");
    let mut file = std::fs::File::create(&part)?;
    file.write_all(due.note.as_bytes())?;
    file.sync_all()?;
    if path.exists() {
        std::fs::remove_file(&part)?;
        // Keys rotate; what is signed is the body.
        let body = |note: &str| note.split("\n\n").next().map(str::to_owned);
        let held = std::fs::read_to_string(&path)?;
        return match body(&held) == body(&due.note) {
            true => Ok(()),
            false => Err(std::io::Error::other(format!(
                "{} holds another checkpoint of this size: keep it, and find out whose log it is of",
                path.display()
            ))),
        };
    }
    std::fs::rename(&part, &path)?;
    std::fs::File::open(directory)?.sync_all()
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
