//! Who may sign in.

use super::{Data, create, say, tell};
use crate::clock;
use crate::data::DataDir;
use crate::store::{Person, SEATS, Store};
use anyhow::{Context, bail};
use clap::Subcommand;
use std::time::Duration;

/// How long the link works that is handed to another person.
const LINK_LIFE: Duration = Duration::from_secs(24 * 3600);

#[derive(Subcommand)]
pub(super) enum People {
    /// Add a person, and print the link that signs them in once, within a day, to set a password.
    Add {
        #[command(flatten)]
        data: Data,
        /// User name.
        name: String,
        /// What the person may do.
        #[arg(long, default_value = "viewer", value_parser = SEATS)]
        seat: String,
    },
    /// List who may sign in.
    List {
        #[command(flatten)]
        data: Data,
    },
    /// Give a person another seat.
    Seat {
        #[command(flatten)]
        data: Data,
        name: String,
        #[arg(value_parser = SEATS)]
        seat: String,
    },
    /// Take a person's way in: their sessions and links end at once.
    Disable {
        #[command(flatten)]
        data: Data,
        name: String,
    },
    /// Give a disabled person their way in back.
    Enable {
        #[command(flatten)]
        data: Data,
        name: String,
    },
    /// Print a new link that signs a person in once, within a day, to set another password.
    ResetLink {
        #[command(flatten)]
        data: Data,
        name: String,
    },
}

impl People {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Add { data, name, seat } => add(&data.open()?, &name, &seat).await,
            Self::List { data } => list(&data.open()?).await,
            Self::Seat { data, name, seat } => {
                let store = create::open(&data.open()?).await?;
                let person = find(&store, &name).await?;
                store.set_seat(&person.id, &seat, "operator", clock::now_us()).await??;
                tell(&format!("{} is {seat}.", person.name));
                Ok(())
            }
            Self::Disable { data, name } => set_disabled(&data.open()?, &name, true).await,
            Self::Enable { data, name } => set_disabled(&data.open()?, &name, false).await,
            Self::ResetLink { data, name } => reset_link(&data.open()?, &name).await,
        }
    }
}

async fn add(data: &DataDir, name: &str, seat: &str) -> anyhow::Result<()> {
    let person = Person::new(name, seat)?;
    let store = create::open(data).await?;
    if !store.create_person(&person, "operator", clock::now_us()).await? {
        bail!("there is somebody of the name {} already; names differ by more than case", name);
    }
    let link = create::link(data, &store, &person.id, LINK_LIFE).await?;
    store.close().await;
    tell(&format!("{} is {seat}. The link works once, within a day.", person.name));
    say(&link);
    Ok(())
}

async fn list(data: &DataDir) -> anyhow::Result<()> {
    let store = create::open(data).await?;
    for person in store.people().await? {
        let state = match (person.disabled_us, person.has_password) {
            (Some(_), _) => "disabled",
            (None, true) => "password set",
            (None, false) => "no password yet",
        };
        say(&format!("{}\t{}\t{state}", person.name, person.seat));
    }
    store.close().await;
    Ok(())
}

async fn set_disabled(data: &DataDir, name: &str, disabled: bool) -> anyhow::Result<()> {
    let store = create::open(data).await?;
    let person = find(&store, name).await?;
    store.set_disabled(&person.id, disabled, "operator", clock::now_us()).await??;
    store.close().await;
    let word = if disabled { "disabled; every session and link has ended" } else { "enabled" };
    tell(&format!("{} is {word}.", person.name));
    Ok(())
}

async fn reset_link(data: &DataDir, name: &str) -> anyhow::Result<()> {
    let store = create::open(data).await?;
    let known = store.credentials(name).await?;
    if known.is_some_and(|known| known.disabled) {
        bail!("{name} is disabled; `evidenced-collector people enable` first");
    }
    let person = find(&store, name).await?;
    let link = create::link(data, &store, &person.id, LINK_LIFE).await?;
    store.close().await;
    say(&link);
    Ok(())
}

async fn find(store: &Store, name: &str) -> anyhow::Result<Person> {
    let known = store.credentials(name).await?;
    let known = known.with_context(|| {
        format!("there is nobody of the name {name}; `evidenced-collector people list` has all")
    })?;
    Ok(known.person)
}
