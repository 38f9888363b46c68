//! The kind `certificates`: files that configurations of servers name ([`servers`]), those in the
//! usual places, and authorities that somebody added. Keys lie in closed directories: it needs
//! CAP_DAC_READ_SEARCH. Their contents are not kept: of a file that is known to be a key the first
//! bytes are read, for the line that says what it is.

mod servers;

use super::{Collector, facts};
use crate::formats::certificate;
use crate::host::{Failure, FileKind, Meta, ReadError, Reading};
use crate::secret::Secret;
use evidence::kinds::Kind;
use evidence::kinds::certificates::{Certificate, Certificates, KeyFile};
use servers::{Named, expand};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const COLLECTOR: Collector = Collector {
    kind: Certificates::NAME,
    schedule: "0 */6 * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

/// Where certificates and keys lie by custom, whoever uses them.
const PLACES: [&str; 5] = [
    "/etc/letsencrypt/live/*/cert.pem",
    "/etc/letsencrypt/live/*/privkey.pem",
    "/etc/pki/tls/certs/*",
    "/etc/pki/tls/private/*",
    "/etc/ssl/private/*",
];
/// Where an administrator puts authorities of his own.
const ANCHORS: [&str; 5] = [
    "/etc/ca-certificates/trust-source/anchors/*",
    "/etc/pki/ca-trust/source/anchors/*",
    "/etc/pki/trust/anchors/*",
    "/usr/local/share/ca-certificates/*",
    "/usr/local/share/ca-certificates/*/*",
];
const POLICIES: &str = "/etc/crypto-policies";
const POLICY: &str = "/etc/crypto-policies/state/current";
const FIPS: &str = "/proc/sys/crypto/fips_enabled";
const MAX_CERTIFICATE_BYTES: u64 = 1 << 20;
/// Enough for the header of a key and text before it.
const KEY_BEGINNING: usize = 4096;

fn collect(reading: &mut Reading<'_>) -> Result<Certificates, Failure> {
    let named = servers::read(reading);
    let mut found =
        Files { named: &named, certs: Vec::new(), keys: BTreeMap::new(), unclear: false };
    let mut paths: BTreeSet<String> = named.certificates.keys().cloned().collect();
    paths.extend(named.keys.keys().cloned());
    for place in PLACES {
        match expand(reading, place) {
            Ok(more) => paths.extend(more),
            Err((path, error)) => {
                reading.failed(&path, error);
                found.unclear = true;
            }
        }
    }
    for path in paths {
        if let Err(error) = found.add(reading, &path) {
            reading.failed(&path, error);
            found.unclear = true;
        }
    }
    let is_clear = !found.unclear && !named.unclear;
    let (certs, keys) = (found.certs, found.keys);
    let anchors = anchors(reading);
    let (policy, fips) = (crypto_policy(reading), fips(reading));
    reading.gaps([
        ("certs", !is_clear),
        ("key_files", !is_clear),
        ("key_files.encrypted", keys.values().any(|key| key.encrypted.is_none())),
        ("crypto_policy", policy.is_none()),
        ("fips", fips.is_none()),
        ("trust_anchors_added", anchors.is_none()),
    ]);
    Ok(Certificates {
        certs: is_clear.then_some(certs),
        key_files: is_clear.then(|| keys.into_values().collect()),
        crypto_policy: policy,
        fips,
        trust_anchors_added: anchors,
    })
}

struct Files<'n> {
    named: &'n Named,
    certs: Vec<Certificate>,
    keys: BTreeMap<String, KeyFile>,
    unclear: bool,
}

impl Files<'_> {
    fn add(&mut self, reading: &mut Reading<'_>, path: &str) -> Result<(), ReadError> {
        let users = |of: &BTreeMap<String, BTreeSet<&'static str>>| of.get(path).cloned();
        let as_certificate = users(&self.named.certificates);
        let as_key = users(&self.named.keys);
        let is_named = as_certificate.is_some() || as_key.is_some();
        let meta = match reading.stat(path) {
            // A server that names it does not start, or has not yet.
            Err(ReadError::Absent) => {
                if is_named {
                    reading.failed(path, ReadError::Absent);
                    reading.note(path, "a server's configuration names it");
                }
                return Ok(());
            }
            other => other?,
        };
        if meta.kind != FileKind::File {
            return if is_named { Err(ReadError::WrongType) } else { Ok(()) };
        }
        let used_by: BTreeSet<_> =
            as_certificate.iter().flatten().chain(as_key.iter().flatten()).copied().collect();
        let used_by: Vec<_> = used_by.into_iter().map(str::to_owned).collect();
        let is_only_key = as_key.is_some() && as_certificate.is_none();
        let is_key_by_name = path.ends_with("/privkey.pem") || path.ends_with(".key");
        if is_only_key || (is_key_by_name && as_certificate.is_none()) {
            let encrypted = beginning(reading, path)?;
            self.keys.insert(path.to_owned(), key_file(path, &meta, encrypted, used_by));
            return Ok(());
        }
        let bytes = reading.secret(path, MAX_CERTIFICATE_BYTES)?;
        let contents = match certificate::read(path, bytes.expose()) {
            Ok(contents) => contents,
            Err(fault) => {
                reading.malformed(path, fault);
                self.unclear = true;
                return Ok(());
            }
        };
        if let Some(encrypted) = contents.key {
            let file = key_file(path, &meta, Some(encrypted), used_by.clone());
            self.keys.insert(path.to_owned(), file);
        }
        let has_none = contents.certificates.is_empty() && contents.key.is_none();
        // A server takes one with OpenSSL's own trust as any other; it is not read here.
        if as_certificate.is_some() && (has_none || contents.has_trusted) {
            reading.malformed(path, "there is no certificate in it, or one that is not read");
            self.unclear = true;
        }
        // A list of authorities that nobody serves is no certificate of this host.
        if contents.is_bundle && !is_named {
            return Ok(());
        }
        let with_users = |one: Certificate| Certificate { used_by: used_by.clone(), ..one };
        self.certs.extend(contents.certificates.into_iter().map(with_users));
        Ok(())
    }
}

/// Whether the header of a key says that it is encrypted.
fn beginning(reading: &mut Reading<'_>, path: &str) -> Result<Option<bool>, ReadError> {
    let opened = reading.open(path)?;
    let mut buffer = vec![0; KEY_BEGINNING];
    let length = opened.read_at(0, &mut buffer)?;
    buffer.truncate(length);
    let buffer = Secret::new(buffer);
    Ok(certificate::key_is_encrypted(buffer.expose()))
}

fn key_file(path: &str, meta: &Meta, encrypted: Option<bool>, used_by: Vec<String>) -> KeyFile {
    KeyFile {
        path: path.to_owned(),
        uid: i64::from(meta.uid),
        gid: i64::from(meta.gid),
        mode: format!("{:04o}", meta.mode),
        group_read: meta.has(0o040),
        group_write: meta.has(0o020),
        other_read: meta.has(0o004),
        other_write: meta.has(0o002),
        encrypted,
        used_by,
    }
}

/// `None` where one of the places or files was not read.
fn anchors(reading: &mut Reading<'_>) -> Option<Vec<Certificate>> {
    let mut anchors = Vec::new();
    for place in ANCHORS {
        let paths = expand(reading, place).map_err(|(path, error)| reading.failed(&path, error));
        for path in paths.ok()? {
            match reading.stat(&path) {
                Ok(meta) if meta.kind == FileKind::File => {}
                Ok(_) | Err(ReadError::Absent) => continue,
                Err(error) => {
                    reading.failed(&path, error);
                    return None;
                }
            }
            let bytes = reading.secret(&path, MAX_CERTIFICATE_BYTES).ok()?;
            match certificate::read(&path, bytes.expose()) {
                Ok(contents) if !contents.is_bundle => anchors.extend(contents.certificates),
                Ok(_) => {
                    reading.malformed(&path, "too many certificates in one file");
                    return None;
                }
                Err(fault) => {
                    reading.malformed(&path, fault);
                    return None;
                }
            }
        }
    }
    anchors.sort_by(|a, b| (&a.path, a.position).cmp(&(&b.path, b.position)));
    Some(anchors)
}

/// One word, such as `DEFAULT:NO-SHA1`. Its parts mean what they mean everywhere only where nobody
/// wrote policies of the same names.
fn crypto_policy(reading: &mut Reading<'_>) -> Option<String> {
    match reading.stat(POLICIES) {
        Err(ReadError::Absent) => return Some("none".to_owned()),
        Err(error) => {
            reading.failed(POLICIES, error);
            return None;
        }
        Ok(_) => {}
    }
    let text = reading.config(POLICY).ok()?;
    let name = text.trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.');
    if name.is_empty() || !name.chars().all(is_name) {
        reading.malformed(POLICY, "not the name of a policy");
        return None;
    }
    for (index, part) in name.split(':').enumerate() {
        let own = match index {
            0 => format!("{POLICIES}/policies/{part}.pol"),
            _ => format!("{POLICIES}/policies/modules/{part}.pmod"),
        };
        if reading.any_is_there(&[&own])? {
            reading.note(POLICY, format!("{part} is redefined on this host"));
            return None;
        }
    }
    Some(name.to_owned())
}

fn fips(reading: &mut Reading<'_>) -> Option<bool> {
    if !reading.is_live() {
        return None;
    }
    match reading.text(FIPS) {
        Ok(text) => match text.trim() {
            "0" => Some(false),
            "1" => Some(true),
            _ => {
                reading.malformed(FIPS, "neither 0 nor 1");
                None
            }
        },
        // A kernel that has no such mode.
        Err(ReadError::Absent) => Some(false),
        Err(_) => None,
    }
}
