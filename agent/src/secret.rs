//! Text that must never leave the host.

use std::fmt;

/// Bytes of a secret: a password hash, a shadow file. It cannot be printed or serialised, so that
/// none can reach facts, logs or errors by mistake, and its buffer is zeroed when it is dropped.
///
/// ```compile_fail
/// fn leaves<T: serde::Serialize>(_: T) {}
/// leaves(evidenced_agent::secret::Secret::new(vec![1]));
/// ```
///
/// ```compile_fail
/// println!("{}", evidenced_agent::secret::Secret::new(vec![1]));
/// ```
pub struct Secret(Vec<u8>);

impl Secret {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// For parsers, which give back what may leave.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Zeroes the bytes. `black_box` keeps the compiler from dropping writes nobody reads.
    fn wipe(&mut self) {
        self.0.fill(0);
        std::hint::black_box(&mut self.0);
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_nothing_and_wipes_all_of_itself() {
        let mut secret = Secret::new(b"$6$invented".to_vec());
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(secret.expose(), b"$6$invented");
        secret.wipe();
        assert_eq!(secret.expose(), [0; 11]);
    }
}
