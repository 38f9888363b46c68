//! The server's own keys.

use crate::formats::ssh_key::{self, PublicKey};
use crate::host::{ReadError, Reading};
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
            uid: i64::from(meta.uid),
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

fn public_key(reading: &mut Reading<'_>, path: &str) -> Option<PublicKey> {
    let text = reading.config(path).ok()?;
    let public = text.lines().next().and_then(ssh_key::public_key);
    if public.is_none() {
        reading.malformed(path, "line 1: not a public key");
    }
    public
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
