//! Which machine this is.

use aws_lc_rs::hmac;
use evidence::Digest;
use std::path::Path;

/// Where a machine has its id.
pub const MACHINE_ID: &str = "/etc/machine-id";

/// Tells this use of the machine id from every other (machine-id(5) asks never to send it itself).
const LABEL: &[u8] = b"evidenced machine v1";

/// HMAC of the machine id; none where there is none yet (machine-id(5): empty or `uninitialized`).
pub fn machine(path: &Path) -> Option<Digest> {
    let text = std::fs::read_to_string(path).ok()?;
    let id = text.trim_end();
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, LABEL);
    Digest::from_slice(hmac::sign(&key, id.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_named_by_an_hmac_and_an_unfinished_image_not_at_all() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("machine-id");
        assert_eq!(machine(&path), None);
        for text in ["", "uninitialized\n", "0123\n"] {
            std::fs::write(&path, text).expect("written");
            assert_eq!(machine(&path), None, "{text}");
        }
        std::fs::write(&path, "0123456789abcdef0123456789abcdef\n").expect("written");
        // printf %s 0123456789abcdef0123456789abcdef | openssl dgst -sha256 -hmac "evidenced machine v1"
        let want = "4ba57e0f359d2399dbc0c9151b6c9a8dde7fb5ebb2eb853a087d620cbf4f1fe7";
        assert_eq!(machine(&path).map(|id| id.to_string()).as_deref(), Some(want));
    }
}
