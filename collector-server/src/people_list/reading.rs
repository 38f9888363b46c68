//! The list and the accounts of hosts, from the store.

use super::{Account, Accounts, Review, findings};
use crate::clock::day_of;
use crate::store::model::HostRow;
use crate::store::{KindFacts, Store, StoreError};
use evidence::{Digest, HostId, Status};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

const KIND: &str = "accounts";
/// Services of `passwd:` whose accounts stand in files that were read.
const LOCAL: [&str; 3] = ["files", "compat", "systemd"];

#[derive(Deserialize)]
struct Facts {
    users: Vec<User>,
    privileged_users: Option<Vec<String>>,
    nss_passwd: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct User {
    name: String,
    uid: i64,
    human: Option<bool>,
    enabled: Option<bool>,
    password: Option<Password>,
}

#[derive(Deserialize)]
struct Password {
    expire_day: Option<i64>,
}

/// The list that holds against what hosts in service say of their accounts.
pub async fn review(store: &Store, hosts: &[HostRow], now_us: i64) -> Result<Review, StoreError> {
    let list = store.listed_people().await?;
    let today = day_of(now_us);
    let accounts = accounts(store, hosts, today).await?;
    Ok(Review {
        findings: findings(&list, &accounts, today),
        people: list.iter().filter(|held| held.gone_us.is_none()).count(),
        hosts_read: accounts.read.len(),
        hosts: accounts.read.len() + accounts.unread.len(),
        hosts_with_directories: accounts.directories.len(),
    })
}

async fn accounts(store: &Store, hosts: &[HostRow], today: i64) -> Result<Accounts, StoreError> {
    let in_service: BTreeSet<HostId> =
        hosts.iter().filter(|host| host.state.is_in_service()).map(|host| host.id).collect();
    // Hosts of one image say the same: each state is read once.
    let mut by_facts: BTreeMap<Digest, Vec<HostId>> = BTreeMap::new();
    for KindFacts { host, status, facts, unread, .. } in store.kind_facts(KIND).await? {
        let whole = status == Status::Ok
            || (status == Status::Partial && !unread.contains(&"users".to_owned()));
        let Some(id) = facts.filter(|_| whole && in_service.contains(&host)) else { continue };
        by_facts.entry(id).or_default().push(host);
    }
    let mut out = Accounts::default();
    for (id, hosts) in by_facts {
        let facts = store.facts(id).await?;
        let facts = facts.and_then(|facts| serde_json::from_value::<Facts>(facts.data).ok());
        let Some(facts) = facts else { continue };
        for host in hosts {
            out.read.insert(host);
            let local = |service: &String| LOCAL.contains(&service.as_str());
            if !facts.nss_passwd.as_ref().is_some_and(|services| services.iter().all(local)) {
                out.directories.insert(host);
            }
            out.accounts.extend(facts.users.iter().map(|user| account(host, user, &facts, today)));
        }
    }
    out.unread = in_service.difference(&out.read).copied().collect();
    Ok(out)
}

fn account(host: HostId, user: &User, facts: &Facts, today: i64) -> Account {
    let expired = user.password.as_ref().and_then(|password| password.expire_day);
    let expired = expired.is_some_and(|day| day <= today);
    Account {
        host,
        name: user.name.clone(),
        uid: user.uid,
        human: user.human,
        live: if expired { Some(false) } else { user.enabled },
        privileged: facts.privileged_users.as_ref().map(|names| names.contains(&user.name)),
    }
}

/// Accounts of people who left, by the list that holds: those of nobody who is still there.
pub async fn leavers(store: &Store, now_us: i64) -> Result<BTreeSet<String>, StoreError> {
    Ok(super::accounts_of_leavers(&store.listed_people().await?, day_of(now_us)))
}
