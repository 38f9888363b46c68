//! Signatures in the form of OpenSSH (`PROTOCOL.sshsig`), made and read here over Ed25519, so that
//! `ssh-keygen -Y verify` reads ours; and the list of those who may sign (`ssh-keygen(1)`, ALLOWED
//! SIGNERS).

use aws_lc_rs::digest::{SHA512, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evidence::key::{PublicKey, SigningKey};
use std::fmt::Write as _;

/// What the signature is for: one for another purpose does not count.
pub const NAMESPACE: &str = "evidenced-snapshot";
/// Who signs, in the list of signers.
pub const PRINCIPAL: &str = "collector";

const MAGIC: &[u8] = b"SSHSIG";
const ALGORITHM: &[u8] = b"ssh-ed25519";
const HASH: &[u8] = b"sha512";
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----\n";
const END: &str = "-----END SSH SIGNATURE-----\n";
/// Characters of base64 in a line, as ssh-keygen writes them.
const LINE: usize = 70;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SshsigError {
    /// Not the one form that is written here.
    #[error("not an SSH signature: {0}")]
    Form(&'static str),
    /// The bytes are not those that were signed, or the key is another.
    #[error("the signature does not fit")]
    Signature,
}

/// Signs `message`, armoured.
pub fn sign(message: &[u8], key: &SigningKey) -> String {
    let signature = key.sign(&signed(message));
    armour(&key.public(), &signature)
}

fn armour(public: &PublicKey, signature: &[u8; 64]) -> String {
    let mut blob = MAGIC.to_vec();
    blob.extend(1_u32.to_be_bytes());
    for part in [&wire(public), NAMESPACE.as_bytes(), b"", HASH] {
        put(&mut blob, part);
    }
    let mut value = vec![];
    put(&mut value, ALGORITHM);
    put(&mut value, signature);
    put(&mut blob, &value);
    let text = STANDARD.encode(blob);
    let mut out = BEGIN.to_owned();
    for line in text.as_bytes().chunks(LINE) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out + END
}

/// The key that signed `message`. Only the very bytes that [`sign`] writes are read: armour that is
/// written in another way is another file.
pub fn signer(message: &[u8], armoured: &[u8]) -> Result<PublicKey, SshsigError> {
    let form = SshsigError::Form;
    let text = std::str::from_utf8(armoured).map_err(|_| form("not text"))?;
    let body = text.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
    let body: String = body.ok_or(form("its armour"))?.split('\n').collect();
    let blob = STANDARD.decode(body).map_err(|_| form("its base64"))?;
    let head = MAGIC.len() + 4 + 4;
    let at = head + 4 + ALGORITHM.len() + 4;
    let key = blob.get(at..at + 32).and_then(PublicKey::from_slice).ok_or(form("its key"))?;
    let signature = blob.len().checked_sub(64).and_then(|from| blob.get(from..));
    let signature = signature.and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
    let signature = signature.ok_or(form("its length"))?;
    if armour(&key, &signature) != text {
        return Err(form("its namespace, algorithm or layout"));
    }
    if key.verifies(&signed(message), &signature) { Ok(key) } else { Err(SshsigError::Signature) }
}

/// What is signed over a message.
fn signed(message: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    let hash = digest(&SHA512, message);
    for part in [NAMESPACE.as_bytes(), b"", HASH, hash.as_ref()] {
        put(&mut bytes, part);
    }
    bytes
}

fn put(out: &mut Vec<u8>, part: &[u8]) {
    out.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(part);
}

/// A public key as SSH writes it in binary.
fn wire(key: &PublicKey) -> Vec<u8> {
    let mut out = vec![];
    put(&mut out, ALGORITHM);
    put(&mut out, &key.0);
    out
}

/// Someone who may sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    pub key: PublicKey,
    /// Day since which it counts, `YYYYMMDD`; none: since ever.
    pub from_day: Option<String>,
    /// Day from which it counts no more.
    pub to_day: Option<String>,
}

impl Signer {
    /// A line of allowed signers.
    pub fn line(&self) -> String {
        let mut line = format!("{PRINCIPAL} namespaces=\"{NAMESPACE}\"");
        for (name, day) in [("valid-after", &self.from_day), ("valid-before", &self.to_day)] {
            if let Some(day) = day {
                let _ = write!(line, ",{name}=\"{day}\"");
            }
        }
        format!("{line} ssh-ed25519 {}", STANDARD.encode(wire(&self.key)))
    }
}

/// Keys that a file of allowed signers names for snapshots: those of lines with our principal and
/// namespace, or without any. Lines of other algorithms are left out.
pub fn allowed(text: &str) -> Vec<PublicKey> {
    text.lines().filter_map(allowed_key).collect()
}

fn allowed_key(line: &str) -> Option<PublicKey> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let principals = words.first()?;
    if !principals.split(',').any(|name| name == PRINCIPAL || name == "*") {
        return None;
    }
    let at = words.iter().position(|word| word.as_bytes() == ALGORITHM)?;
    let options = words.get(1..at)?.join(" ");
    if options.split(',').any(|option| option.trim() == "cert-authority") {
        return None;
    }
    let for_us = options.split("namespaces=\"").nth(1).is_none_or(|rest| {
        let names = rest.split('"').next().unwrap_or_default();
        names.split(',').any(|name| name == NAMESPACE)
    });
    let blob = STANDARD.decode(words.get(at + 1)?).ok()?;
    let key =
        blob.len().checked_sub(32).and_then(|from| PublicKey::from_slice(blob.get(from..)?))?;
    (for_us && wire(&key) == blob).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::generate().expect("key").0
    }

    #[test]
    fn a_signature_names_its_key_and_any_changed_byte_is_noticed() {
        let key = key();
        let text = sign(b"sums", &key);
        assert_eq!(signer(b"sums", text.as_bytes()), Ok(key.public()));
        assert_eq!(signer(b"sumz", text.as_bytes()), Err(SshsigError::Signature));
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] ^= 1;
            assert_ne!(signer(b"sums", &changed), Ok(key.public()), "byte {at}");
        }
        for other in
            [format!("{text}\n"), text.replace('\n', "\r\n"), text.replacen('\n', " \n", 2)]
        {
            assert!(signer(b"sums", other.as_bytes()).is_err());
        }
    }

    #[test]
    fn a_list_of_signers_gives_the_keys_that_may_sign_snapshots() {
        let (ours, other) = (key().public(), key().public());
        let line = |key: &PublicKey| {
            Signer { key: *key, from_day: Some("20260101".into()), to_day: None }.line()
        };
        let foreign = line(&other).replace(NAMESPACE, "git");
        let nobody = line(&other).replace(PRINCIPAL, "somebody");
        let text = format!("# keys\n{}\n\n{foreign}\n{nobody}\nx\n", line(&ours));
        assert_eq!(allowed(&text), [ours]);
        assert_eq!(
            allowed(&line(&other).replace("namespaces=\"evidenced-snapshot\",", "")),
            [other]
        );
        assert_eq!(allowed(&format!("{} a comment", line(&ours))), [ours]);
    }
}
