//! Secrets of channels, which are files; and signatures of Standard Webhooks 1.0.0: HMAC-SHA256 over
//! `ID.TIMESTAMP.BODY`.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Fewest and most bytes of a secret, as Standard Webhooks has it.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// What a channel signs with: usually one key, two while one is being replaced.
#[derive(Clone)]
pub(super) struct Secret(Vec<hmac::Key>);

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("everybody on this machine may read {}: run `chmod o= {}`", path.display(), path.display())]
    Open { path: PathBuf },
    /// The line does not hold a secret. Take one from the receiver, or make one.
    #[error(
        "{}:{line}: {why}; a secret is `whsec_` and the base64 of 24 to 64 random bytes, one a \
         line (make one: printf 'whsec_%s\\n' \"$(openssl rand -base64 32)\")", path.display()
    )]
    Malformed { path: PathBuf, line: usize, why: &'static str },
}

impl Secret {
    /// Reads a file of secrets, one a line; empty lines do not count.
    pub(super) fn read(path: &Path) -> Result<Self, SecretError> {
        let text = secret_text(path)?;
        Self::parse(&text).map_err(|(line, why)| {
            let path = path.to_owned();
            SecretError::Malformed { path, line, why }
        })
    }

    /// The line and what is wrong with it, if it holds none.
    fn parse(text: &str) -> Result<Self, (usize, &'static str)> {
        let lines = text.lines().map(str::trim).zip(1..).filter(|(line, _)| !line.is_empty());
        let keys = lines.map(|(line, n)| key(line).map_err(|why| (n, why)));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err((1, "no secret")) } else { Ok(Self(keys)) }
    }

    /// The header `webhook-signature`: one signature for each key.
    pub(super) fn sign(&self, id: &str, timestamp_s: i64, body: &str) -> String {
        let signed = format!("{id}.{timestamp_s}.{body}");
        let sign =
            |key| format!("v1,{}", STANDARD.encode(hmac::sign(key, signed.as_bytes()).as_ref()));
        self.0.iter().map(sign).collect::<Vec<_>>().join(" ")
    }
}

/// A file that not everybody may read.
pub(super) fn secret_text(path: &Path) -> Result<String, SecretError> {
    let read = |source| SecretError::Read { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(read)?.permissions().mode() & 0o007 != 0 {
        return Err(SecretError::Open { path: path.to_owned() });
    }
    std::fs::read_to_string(path).map_err(read)
}

fn key(line: &str) -> Result<hmac::Key, &'static str> {
    let text = line.strip_prefix("whsec_").ok_or("it does not begin with `whsec_`")?;
    let bytes = STANDARD.decode(text).map_err(|_| "it is not base64")?;
    if !BYTES.contains(&bytes.len()) {
        return Err("it is too short or too long");
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_secrets_is_read_or_refused_with_its_line() {
        let good = format!("whsec_{}", STANDARD.encode([7; 32]));
        let two = Secret::parse(&format!("\n{good}\n  whsec_{}\n", STANDARD.encode([8; 24])));
        let Ok(two) = two else { panic!("two secrets") };
        assert_eq!(two.sign("msg", 1, "{}").split(' ').count(), 2);
        let wrong = |text: &str| Secret::parse(text).err().map(|(line, _)| line);
        assert_eq!(wrong(""), Some(1));
        assert_eq!(wrong(&format!("{good}\nwhsec_!\n")), Some(2));
        assert_eq!(wrong("bm90IGEgc2VjcmV0IGF0IGFsbCwgbm90IGEgc2VjcmV0"), Some(1));
        assert_eq!(wrong(&format!("whsec_{}", STANDARD.encode([7; 23]))), Some(1));
    }

    #[test]
    fn a_secret_that_everybody_may_read_is_refused() -> std::io::Result<()> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(&file, "a word")?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o604))?;
        assert!(matches!(secret_text(file.path()), Err(SecretError::Open { .. })));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640))?;
        assert!(matches!(secret_text(file.path()).as_deref(), Ok("a word")));
        Ok(())
    }

    #[test]
    fn a_signature_is_of_id_time_and_body() {
        let Ok(secret) = Secret::parse(&format!("whsec_{}", STANDARD.encode([7; 32]))) else {
            panic!("a secret")
        };
        let one = secret.sign("msg", 1, "{}");
        assert!(one.starts_with("v1,"));
        for other in
            [secret.sign("msh", 1, "{}"), secret.sign("msg", 2, "{}"), secret.sign("msg", 1, "[]")]
        {
            assert_ne!(one, other);
        }
    }
}
