//! Enrolment tokens: how often, how long, from where, into which group.

use super::acts::{self, Act};
use super::db::{Tx, execute, fetch, read};
use super::log::{Appender, LogState};
use super::{Store, StoreError};
use evidence::Digest;
use ipnet::IpNet;
use serde_json::json;
use std::net::IpAddr;

/// A network, or one address. Bits beyond the length are a slip that would open another network
/// than was meant.
pub fn network(text: &str) -> Result<IpNet, String> {
    let wrong = || format!("not a network: `{text}`; write 192.0.2.0/24 or 2001:db8::/32");
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        return Ok(address.into());
    }
    let net: IpNet = text.parse().map_err(|_| wrong())?;
    if net.trunc() != net {
        return Err(format!("`{text}` has bits beyond its length; did you mean {}?", net.trunc()));
    }
    Ok(net)
}

/// A token to be made known. Only the hash of its secret is kept.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// SHA-256 of the secret.
    pub hash: Digest,
    pub group: String,
    /// How many hosts may enrol with it.
    pub uses: i64,
    pub expires_us: i64,
    /// Networks it works from; from anywhere if there are none.
    pub cidrs: Vec<IpNet>,
    /// Who made it: a person's id, or `operator`.
    pub actor: String,
    pub at_us: i64,
}

/// A token as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// What people call it: the first twelve hexadecimal digits of the secret's hash.
    pub id: String,
    pub group: String,
    pub uses: i64,
    pub uses_left: i64,
    pub created_us: i64,
    pub expires_us: i64,
    pub cidrs: Vec<IpNet>,
    pub revoked_us: Option<i64>,
}

/// Whether a token still lets a host in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenState {
    Usable,
    UsedUp,
    Expired,
    Revoked,
}

impl TokenState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Usable => "usable",
            Self::UsedUp => "used up",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl TokenRow {
    pub fn state(&self, now_us: i64) -> TokenState {
        if self.revoked_us.is_some() {
            TokenState::Revoked
        } else if self.expires_us <= now_us {
            TokenState::Expired
        } else if self.uses_left <= 0 {
            TokenState::UsedUp
        } else {
            TokenState::Usable
        }
    }
}

/// Why a token lets nobody in: the bound that was hit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnrolRefusal {
    #[error("this token is not known here; create one with `evidenced-collector token create`")]
    UnknownToken,
    #[error("this token was revoked; create a new one")]
    Revoked,
    #[error("this token has expired; create a new one")]
    Expired,
    #[error("this token has been used as often as it may; create a new one")]
    UsedUp,
    #[error(
        "this token works from {allowed} only, and this host asks from {peer}; create one for its \
         network"
    )]
    Address { peer: IpAddr, allowed: String },
}

/// Why a token is not revoked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenChoice {
    #[error("no token begins with `{0}`; `evidenced-collector token list` shows them")]
    Unknown(String),
    #[error("{count} tokens begin with `{start}`; give more of it")]
    Several { start: String, count: usize },
    #[error("token {0} was revoked already")]
    Already(String),
}

type Columns = (Vec<u8>, String, i64, i64, i64, i64, String, Option<i64>);

impl Store {
    /// Makes a token known; the act is logged.
    pub async fn create_token(&self, token: &NewToken) -> Result<LogState, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql =
            "INSERT INTO token (hash, host_group, uses, uses_left, expires_us, cidrs, created_us)
                   VALUES ($1, $2, $3, $3, $4, $5, $6)";
        let cidrs: Vec<String> = token.cidrs.iter().map(ToString::to_string).collect();
        execute!(
            &mut tx,
            sql,
            token.hash.0.to_vec(),
            token.group.clone(),
            token.uses,
            token.expires_us,
            json!(cidrs).to_string(),
            token.at_us
        )?;
        let act = Act {
            at_us: token.at_us,
            actor: token.actor.clone(),
            act: "token_created".to_owned(),
            detail: json!({
                "token": id(&token.hash), "group": token.group, "uses": token.uses,
                "expires_us": token.expires_us, "cidrs": cidrs,
            }),
        };
        acts::append(&mut tx, &mut log, &act).await?;
        let state = log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(state)
    }

    /// Every token, the newest first.
    pub async fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        let sql =
            "SELECT hash, host_group, uses, uses_left, created_us, expires_us, cidrs, revoked_us
                   FROM token ORDER BY created_us DESC, hash";
        read!(&self.db, all, Columns, sql)?.into_iter().map(row).collect()
    }

    /// Revokes the token whose id begins with `start`; the act is logged.
    pub async fn revoke_token(
        &self,
        start: &str,
        actor: &str,
        now_us: i64,
    ) -> Result<Result<TokenRow, TokenChoice>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let mut found: Vec<_> = self.tokens().await?;
        found.retain(|token| !start.is_empty() && token.id.starts_with(&start.to_lowercase()));
        let token = match found.pop() {
            None => return Ok(Err(TokenChoice::Unknown(start.to_owned()))),
            Some(_) if !found.is_empty() => {
                let (start, count) = (start.to_owned(), found.len() + 1);
                return Ok(Err(TokenChoice::Several { start, count }));
            }
            Some(token) if token.revoked_us.is_some() => {
                return Ok(Err(TokenChoice::Already(token.id)));
            }
            Some(token) => token,
        };
        let sql = "SELECT hash FROM token WHERE revoked_us IS NULL";
        let hashes = fetch!(&mut tx, all, (Vec<u8>,), sql)?;
        let hashes = hashes.into_iter().filter_map(|(hash,)| Digest::from_slice(&hash));
        for hash in hashes.filter(|hash| id(hash) == token.id) {
            let sql = "UPDATE token SET revoked_us = $2 WHERE hash = $1";
            execute!(&mut tx, sql, hash.0.to_vec(), now_us)?;
        }
        let act = Act {
            at_us: now_us,
            actor: actor.to_owned(),
            act: "token_revoked".to_owned(),
            detail: json!({"token": token.id, "uses_left": token.uses_left}),
        };
        acts::append(&mut tx, &mut log, &act).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(TokenRow { revoked_us: Some(now_us), ..token }))
    }
}

/// Takes one use off a token, in a transaction that holds the log: its group and its id.
pub(super) async fn spend(
    tx: &mut Tx,
    hash: &Digest,
    peer: IpAddr,
    now_us: i64,
) -> Result<Result<(String, String), EnrolRefusal>, StoreError> {
    let sql = "SELECT hash, host_group, uses, uses_left, created_us, expires_us, cidrs, revoked_us
               FROM token WHERE hash = $1";
    let found = fetch!(tx, optional, Columns, sql, hash.0.to_vec())?;
    let Some(token) = found.map(row).transpose()? else {
        return Ok(Err(EnrolRefusal::UnknownToken));
    };
    match token.state(now_us) {
        TokenState::Revoked => return Ok(Err(EnrolRefusal::Revoked)),
        TokenState::Expired => return Ok(Err(EnrolRefusal::Expired)),
        TokenState::UsedUp => return Ok(Err(EnrolRefusal::UsedUp)),
        TokenState::Usable => {}
    }
    let peer = peer.to_canonical();
    if !token.cidrs.is_empty() && !token.cidrs.iter().any(|net| net.contains(&peer)) {
        let allowed: Vec<_> = token.cidrs.iter().map(ToString::to_string).collect();
        return Ok(Err(EnrolRefusal::Address { peer, allowed: allowed.join(", ") }));
    }
    execute!(tx, "UPDATE token SET uses_left = uses_left - 1 WHERE hash = $1", hash.0.to_vec())?;
    Ok(Ok((token.group, token.id)))
}

/// What people call a token.
fn id(hash: &Digest) -> String {
    hash.to_string()[..12].to_owned()
}

fn row(columns: Columns) -> Result<TokenRow, StoreError> {
    let (hash, group, uses, uses_left, created_us, expires_us, cidrs, revoked_us) = columns;
    let hash = Digest::from_slice(&hash).ok_or_else(|| StoreError::corrupt("a token's hash"))?;
    let texts: Vec<String> = serde_json::from_str(&cidrs)
        .map_err(|error| StoreError::corrupt(format!("networks of a token: {error}")))?;
    let cidrs = texts.iter().map(|text| text.parse());
    let cidrs: Result<_, _> = cidrs.collect();
    // A network that cannot be read must not become "from anywhere".
    let cidrs =
        cidrs.map_err(|_| StoreError::corrupt(format!("networks of a token: {texts:?}")))?;
    Ok(TokenRow {
        id: id(&hash),
        group,
        uses,
        uses_left,
        created_us,
        expires_us,
        cidrs,
        revoked_us,
    })
}
