//! The server's own keys.

use crate::host::{ReadError, Reading};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use evidence::Digest;
use evidence::kinds::ssh_server::HostKey;

const DEFAULT_KEYS: [&str; 3] =
    ["/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_ecdsa_key", "/etc/ssh/ssh_host_ed25519_key"];

/// Keys that exist, in the order configured. A key that could not be looked at is not left out in
/// silence: the error makes the field unread.
pub(super) fn read(
    reading: &mut Reading<'_>,
    named: Option<Vec<String>>,
) -> Result<Vec<HostKey>, ReadError> {
    let paths = named.unwrap_or_else(|| DEFAULT_KEYS.map(str::to_owned).to_vec());
    let mut keys: Vec<HostKey> = Vec::new();
    for path in paths {
        let meta = match reading.stat(&path) {
            Ok(meta) => meta,
            Err(ReadError::Absent) => continue,
            Err(error) => return Err(error),
        };
        if keys.iter().any(|key| key.path == path) {
            continue;
        }
        let public = public_key(reading, &format!("{path}.pub"));
        if public.is_none() {
            for field in ["type", "bits", "fingerprint"] {
                reading.unread(&format!("host_keys.{field}"));
            }
        }
        keys.push(HostKey {
            group: group(reading, meta.gid),
            group_read: meta.has(0o040),
            other_read: meta.has(0o004),
            key_type: public.as_ref().map(|public| public.key_type.to_owned()),
            bits: public.as_ref().map(|public| public.bits),
            fingerprint: public.map(|public| public.fingerprint),
            path,
        });
    }
    Ok(keys)
}

struct Public {
    key_type: &'static str,
    bits: i64,
    fingerprint: String,
}

fn public_key(reading: &mut Reading<'_>, path: &str) -> Option<Public> {
    let text = reading.config(path).ok()?;
    let public = parse(&text);
    if public.is_none() {
        reading.malformed(path, "line 1: not a public key");
    }
    public
}

/// `TYPE BASE64 [COMMENT]` (sshd(8), RFC 4253 section 6.6).
fn parse(text: &str) -> Option<Public> {
    let mut words = text.lines().next()?.split_ascii_whitespace();
    let name = words.next()?;
    let blob = STANDARD.decode(words.next()?).ok()?;
    let mut rest = blob.as_slice();
    if field(&mut rest)? != name.as_bytes() {
        return None;
    }
    let (key_type, bits) = match name {
        "ssh-rsa" => {
            field(&mut rest)?;
            ("rsa", bit_length(field(&mut rest)?))
        }
        "ssh-dss" => ("dsa", bit_length(field(&mut rest)?)),
        "ssh-ed25519" => ("ed25519", 256),
        "ecdsa-sha2-nistp256" => ("ecdsa", 256),
        "ecdsa-sha2-nistp384" => ("ecdsa", 384),
        "ecdsa-sha2-nistp521" => ("ecdsa", 521),
        _ => return None,
    };
    let hash = STANDARD_NO_PAD.encode(Digest::of(&blob).as_bytes());
    Some(Public { key_type, bits, fingerprint: format!("SHA256:{hash}") })
}

/// A string of RFC 4251: four bytes of length, then the bytes.
fn field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (field, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *rest = after;
    Some(field)
}

fn bit_length(number: &[u8]) -> i64 {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let significant = &number[zeros..];
    let leading = significant.first().map_or(0, |byte| byte.leading_zeros());
    significant.len() as i64 * 8 - i64::from(leading)
}

/// The group's name; its number when it has none or the file cannot be read.
fn group(reading: &mut Reading<'_>, gid: u32) -> String {
    let text = reading.config("/etc/group").unwrap_or_default();
    let name = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(gid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| gid.to_string())
}
