//! `token`: enrolment tokens.

use super::create::{micros, open, secret};
use super::{Data, say, tell};
use crate::clock;
use crate::config::DurationText;
use crate::keyring::Keyring;
use crate::store::{NewToken, TokenRow, network};
use anyhow::bail;
use clap::Subcommand;
use comfy_table::{Table, presets};
use evidence::Digest;
use evidence::wire;
use ipnet::IpNet;
use std::time::Duration;

/// Longest life of a token: a year.
const MAX_TTL: Duration = Duration::from_secs(366 * 86_400);
/// Most uses of a token.
const MAX_USES: i64 = 1_000_000;

#[derive(Subcommand)]
pub(super) enum Token {
    /// Print a new enrolment token, and nothing else.
    Create {
        #[command(flatten)]
        data: Data,
        /// Group of the hosts that enrol with it.
        #[arg(long, default_value = "default")]
        group: String,
        /// How many hosts may enrol with it.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=MAX_USES))]
        uses: u32,
        /// How long it works, up to a year: 90s, 15m, 1h, 7d.
        #[arg(long, default_value = "1h", value_parser = ttl)]
        ttl: DurationText,
        /// Only hosts of this network may use it; may be given more than once.
        #[arg(long = "cidr", value_name = "ADDRESS/LENGTH", value_parser = network)]
        cidrs: Vec<IpNet>,
    },
    /// List every token: its id, not its secret.
    List {
        #[command(flatten)]
        data: Data,
    },
    /// End a token before its time. Hosts that enrolled with it stay enrolled.
    Revoke {
        #[command(flatten)]
        data: Data,
        /// Its id, as `token list` prints it, or the beginning of it.
        token: String,
    },
}

impl Token {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Create { data, group, uses, ttl, cidrs } => {
                create(&data, group, uses, ttl.0, cidrs).await
            }
            Self::List { data } => list(&data).await,
            Self::Revoke { data, token } => revoke(&data, &token).await,
        }
    }
}

fn ttl(text: &str) -> Result<DurationText, String> {
    let ttl = DurationText::positive(text)?;
    if ttl.0 > MAX_TTL {
        return Err(format!("`{text}` is too long: at most 366d"));
    }
    Ok(ttl)
}

async fn create(
    data: &Data,
    group: String,
    uses: u32,
    ttl: Duration,
    cidrs: Vec<IpNet>,
) -> anyhow::Result<()> {
    if group.trim().is_empty() || group.chars().any(char::is_control) {
        bail!("--group: a group has a name of one line");
    }
    let data = data.open()?;
    let store = open(&data).await?;
    let at_us = clock::now_us();
    let authority = Keyring::load(&data, &store, at_us).await?.authority.pin();
    let token = wire::Token { secret: secret()?, authority };
    let new = NewToken {
        hash: Digest::of(token.secret.as_bytes()),
        group,
        uses: i64::from(uses),
        expires_us: at_us.saturating_add(micros(ttl)),
        cidrs,
        actor: super::actor::of_login("").map_err(anyhow::Error::msg)?,
        at_us,
    };
    store.create_token(&new).await?;
    store.close().await;
    say(&token.to_string());
    Ok(())
}

async fn list(data: &Data) -> anyhow::Result<()> {
    let store = open(&data.open()?).await?;
    let tokens = store.tokens().await?;
    store.close().await;
    if tokens.is_empty() {
        tell("No token was ever made. `evidenced-collector token create` makes one.");
        return Ok(());
    }
    say(&table(&tokens, clock::now_us()));
    Ok(())
}

fn table(tokens: &[TokenRow], now_us: i64) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["token", "group", "state", "left", "created", "expires", "from"]);
    let time = |us: i64| {
        jiff::Timestamp::from_microsecond(us).map_or("?".to_owned(), |at| format!("{at:.0}"))
    };
    for token in tokens {
        let cidrs: Vec<_> = token.cidrs.iter().map(ToString::to_string).collect();
        table.add_row([
            token.id.clone(),
            token.group.clone(),
            token.state(now_us).as_str().to_owned(),
            format!("{} of {}", token.uses_left, token.uses),
            time(token.created_us),
            time(token.expires_us),
            if cidrs.is_empty() { "anywhere".to_owned() } else { cidrs.join(", ") },
        ]);
    }
    table.to_string()
}

async fn revoke(data: &Data, start: &str) -> anyhow::Result<()> {
    let store = open(&data.open()?).await?;
    let token = store.revoke_token(start, "operator", clock::now_us()).await?;
    store.close().await;
    let token = token?;
    say(&format!(
        "Token {} is revoked: {} of its {} uses are forfeit. Hosts enrolled with it stay.",
        token.id, token.uses_left, token.uses
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_written_without_bits_beyond_its_length() {
        let read = |text: &str| network(text).map(|net| net.to_string());
        assert_eq!(read("192.0.2.0/24").as_deref(), Ok("192.0.2.0/24"));
        assert_eq!(read("192.0.2.7").as_deref(), Ok("192.0.2.7/32"));
        assert_eq!(read("2001:db8::/32").as_deref(), Ok("2001:db8::/32"));
        let slip = read("192.0.2.7/24").expect_err("slip");
        assert!(slip.ends_with("did you mean 192.0.2.0/24?"), "{slip}");
        for text in ["", "192.0.2.0/33", "example.org", "192.0.2"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_token_lives_between_a_second_and_a_year() {
        for (text, fine) in [("0s", false), ("1s", true), ("366d", true), ("367d", false)] {
            assert_eq!(ttl(text).is_ok(), fine, "{text}");
        }
    }
}
