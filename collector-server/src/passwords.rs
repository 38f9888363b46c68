//! Passwords of people: argon2id, worked out away from the async threads, few at once.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::rand;
use std::sync::{Arc, LazyLock};
use tokio::sync::Semaphore;

/// Shortest password, in characters (NIST SP 800-63B section 3.1.1.2 asks for length, not for
/// sorts of characters).
pub const MIN_CHARACTERS: usize = 12;
/// Longest password, in bytes of UTF-8.
pub const MAX_BYTES: usize = 1024;
/// OWASP's least for argon2id: 19 MiB, two passes, one lane (RFC 9106 section 3.1).
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Computed at once: their memory is what logins can take, 2 × 19 MiB.
const AT_ONCE: usize = 2;
/// Computed or waiting; past it logins are told to come back.
const MAX_WAITING: usize = 16;

/// What a person typed. Nothing writes it anywhere.
pub struct Password(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weak {
    #[error("a password has at least {MIN_CHARACTERS} characters; a few words do well")]
    Short,
    #[error("a password has at most {MAX_BYTES} bytes")]
    Long,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too many wait already.
    #[error("too many people sign in at once")]
    Busy,
    #[error("the password could not be worked out")]
    Failed,
}

impl Password {
    /// A password somebody wants to have.
    pub fn new(text: String) -> Result<Self, Weak> {
        if text.chars().count() < MIN_CHARACTERS {
            return Err(Weak::Short);
        }
        Self::tried(text)
    }

    /// A password that is tried: any that can be one, also if it is shorter than a new one may be.
    pub fn tried(text: String) -> Result<Self, Weak> {
        if text.len() > MAX_BYTES { Err(Weak::Long) } else { Ok(Self(text)) }
    }
}

/// The place where passwords are worked out.
pub struct Passwords {
    entrance: Arc<Semaphore>,
    slots: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self { entrance: semaphore(MAX_WAITING), slots: semaphore(AT_ONCE) }
    }
}

impl Passwords {
    /// The PHC form to keep.
    pub async fn hash(&self, password: Password) -> Result<String, PasswordError> {
        self.work(move || hash(&password.0)).await?.ok_or(PasswordError::Failed)
    }

    /// Whether it is the password of this PHC form. Without one the work is the same and the
    /// answer no, so that time does not tell which names exist.
    pub async fn verify(
        &self,
        password: Password,
        phc: Option<String>,
    ) -> Result<bool, PasswordError> {
        self.work(move || {
            let known = phc.is_some();
            let phc = phc.as_deref().unwrap_or(&NOBODY);
            verify(&password.0, phc) && known
        })
        .await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let entrance = Arc::clone(&self.entrance).try_acquire_owned();
        let entered = entrance.map_err(|_| PasswordError::Busy)?;
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        let slot = slot.map_err(|_| PasswordError::Failed)?;
        // Both go with the work: a request that is given up frees nothing before its memory is.
        let done = tokio::task::spawn_blocking(move || {
            let _held = (entered, slot);
            work()
        });
        done.await.map_err(|_| PasswordError::Failed)
    }
}

/// The hash of a password that nobody has.
static NOBODY: LazyLock<String> = LazyLock::new(|| {
    let mut bytes = [0; 32];
    let random = rand::fill(&mut bytes).ok().and_then(|()| hash(&hex::encode(bytes)));
    random.unwrap_or_default()
});

fn argon2() -> Option<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &str) -> Option<String> {
    let mut salt = [0; 16];
    rand::fill(&mut salt).ok()?;
    let hash: PasswordHash = argon2()?.hash_password_with_salt(password.as_bytes(), &salt).ok()?;
    Some(hash.to_string())
}

fn verify(password: &str, phc: &str) -> bool {
    let (Some(argon2), Ok(hash)) = (argon2(), PasswordHash::new(phc)) else { return false };
    argon2.verify_password(password.as_bytes(), &hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::tried(text.to_owned()).expect("a password")
    }

    #[tokio::test]
    async fn only_the_password_itself_is_accepted_and_its_form_names_argon2id_with_its_cost() {
        let passwords = Passwords::default();
        let phc = passwords.hash(password("four words do well")).await.expect("hash");
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(!phc.contains("four"));
        let again = passwords.hash(password("four words do well")).await.expect("hash");
        assert_ne!(phc, again, "every one has its own salt");
        for (tried, right) in [
            ("four words do well", true),
            ("four words do well ", false),
            ("Four words do well", false),
            ("", false),
        ] {
            let answer = passwords.verify(password(tried), Some(phc.clone())).await;
            assert_eq!(answer, Ok(right), "{tried:?}");
        }
        assert_eq!(passwords.verify(password("four words do well"), None).await, Ok(false));
        let broken = Some("$argon2id$v=19$m=19456".to_owned());
        assert_eq!(passwords.verify(password("four words do well"), broken).await, Ok(false));
    }

    #[test]
    fn length_is_asked_for_and_nothing_else() {
        let new = |text: &str| Password::new(text.to_owned()).err();
        assert_eq!(new("elevenchars"), Some(Weak::Short));
        assert_eq!(new("twelve chars"), None);
        assert_eq!(new("zwölfzeichen"), None);
        assert_eq!(new("ööööööööööö"), Some(Weak::Short), "characters are counted, not bytes");
        assert_eq!(new(&"a".repeat(1024)), None);
        assert_eq!(new(&"a".repeat(1025)), Some(Weak::Long));
    }

    #[tokio::test]
    async fn past_its_bound_it_answers_busy_and_takes_no_memory() {
        let passwords = Passwords::default();
        let held: Vec<_> =
            (0..MAX_WAITING).map(|_| Arc::clone(&passwords.entrance).try_acquire_owned()).collect();
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(passwords.verify(password("x"), None).await, Err(PasswordError::Busy));
        drop(held);
        assert_eq!(passwords.verify(password("x"), None).await, Ok(false));
    }
}
