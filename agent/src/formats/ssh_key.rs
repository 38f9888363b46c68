//! Public keys of OpenSSH (sshd(8), RFC 4253 section 6.6), and authorized_keys files.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use evidence::Digest;

/// A public key without its comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// `rsa`, `dsa`, `ecdsa`, `ed25519`, `ecdsa-sk`, `ed25519-sk`.
    pub key_type: &'static str,
    pub bits: i64,
    /// `SHA256:` and the hash in base64, as ssh-keygen(1) -l prints it.
    pub fingerprint: String,
}

/// A line of an authorized_keys file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizedKey {
    pub key: PublicKey,
    /// Names of its options, lower case, in the order of the line.
    pub options: Vec<String>,
}

/// The key in `TYPE BASE64 [COMMENT]`.
pub fn public_key(text: &str) -> Option<PublicKey> {
    let mut words = text.split_ascii_whitespace();
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
        "sk-ssh-ed25519@openssh.com" => ("ed25519-sk", 256),
        "sk-ecdsa-sha2-nistp256@openssh.com" => ("ecdsa-sk", 256),
        _ => return None,
    };
    let hash = STANDARD_NO_PAD.encode(Digest::of(&blob).as_bytes());
    Some(PublicKey { key_type, bits, fingerprint: format!("SHA256:{hash}") })
}

/// The lines of an authorized_keys file; Err names the first line (from 1) that is neither a key
/// nor a comment. sshd(8) passes such a line over; who lists keys must not.
pub fn authorized_keys(text: &str) -> Result<Vec<AuthorizedKey>, usize> {
    let mut keys = Vec::new();
    for (number, line) in (1_usize..).zip(text.lines()) {
        let line = line.trim_matches([' ', '\t', '\r']);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        keys.push(authorized_key(line).ok_or(number)?);
    }
    Ok(keys)
}

/// A line begins with its key, or with options and then its key.
fn authorized_key(line: &str) -> Option<AuthorizedKey> {
    if let Some(key) = public_key(line) {
        return Some(AuthorizedKey { key, options: Vec::new() });
    }
    let end = end_of_options(line)?;
    let key = public_key(&line[end..])?;
    Some(AuthorizedKey { key, options: option_names(&line[..end]) })
}

/// Options end at the first blank outside quotes; `\"` within them is a quote.
fn end_of_options(line: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in line.char_indices() {
        match c {
            '"' if !escaped => quoted = !quoted,
            ' ' | '\t' if !quoted => return Some(at),
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

fn option_names(options: &str) -> Vec<String> {
    let (mut names, mut name) = (Vec::new(), String::new());
    let (mut quoted, mut escaped, mut value) = (false, false, false);
    for c in options.chars() {
        match c {
            '"' if !escaped => quoted = !quoted,
            ',' if !quoted => {
                names.push(std::mem::take(&mut name));
                value = false;
            }
            '=' if !quoted => value = true,
            c if !value && !quoted => name.push(c.to_ascii_lowercase()),
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    names.push(name);
    names.retain(|name| !name.is_empty());
    names
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A key made by ssh-keygen(1), and what it says of it: bits, fingerprint.
    fn made(key_type: &str, bits: &str) -> (String, String, String) {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("key");
        let keygen = |args: &[&str]| {
            let output = std::process::Command::new("ssh-keygen").args(args).arg(&path).output();
            let output = output.expect("ssh-keygen runs");
            assert!(output.status.success());
            String::from_utf8(output.stdout).expect("text")
        };
        keygen(&["-q", "-t", key_type, "-b", bits, "-N", "", "-C", "a comment", "-f"]);
        let said = keygen(&["-l", "-f"]);
        let mut words = said.split(' ').map(str::to_owned);
        let text = std::fs::read_to_string(path.with_extension("pub")).expect("public key");
        (text, words.next().expect("bits"), words.next().expect("fingerprint"))
    }

    #[test]
    fn keys_are_what_ssh_keygen_says_they_are() {
        for (key_type, bits) in [("rsa", "2048"), ("ecdsa", "384"), ("ed25519", "256")] {
            let (text, said_bits, fingerprint) = made(key_type, bits);
            let key = public_key(&text).expect("a key");
            assert_eq!((key.key_type, key.bits.to_string()), (key_type, said_bits));
            assert_eq!(key.fingerprint, fingerprint);
            let line = format!("command=\"echo \\\"a, b\\\"\",no-pty,FROM=\"192.0.2.1\" {text}");
            let read = authorized_keys(&format!("# {text}\n\n{line}{text}")).expect("two keys");
            assert_eq!(read.len(), 2);
            assert_eq!(read[0].options, ["command", "no-pty", "from"]);
            assert_eq!((&read[0].key, &read[1].key), (&key, &key));
            assert!(read[1].options.is_empty());
        }
    }

    #[test]
    fn a_line_that_is_no_key_is_named() {
        let (text, ..) = made("ed25519", "256");
        for bad in ["ssh-ed25519 AAAA", "no-pty", "ssh-new AAAA x", "command=\"open ssh-ed25519"] {
            assert_eq!(authorized_keys(&format!("{text}{bad}\n")), Err(2), "{bad}");
        }
        let cut = &text[..text.len() / 2];
        assert_eq!(authorized_keys(cut), Err(1));
    }

    proptest! {
        #[test]
        fn every_text_has_an_answer(text in "(?s)[ -~\n\t]{0,200}") {
            let _ = authorized_keys(&text);
        }
    }
}
