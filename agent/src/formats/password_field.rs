//! The password field of passwd(5), shadow(5), group(5) and gshadow(5): crypt(5) text that never
//! leaves the host. Only its state and its scheme do.

use crate::secret::Secret;
use evidence::kinds::accounts::{HashScheme, PasswordState};

/// Prefixes of crypt(5) and the schemes they name.
const PREFIXES: &[(&str, HashScheme)] = &[
    ("$y$", HashScheme::Yescrypt),
    ("$gy$", HashScheme::GostYescrypt),
    ("$7$", HashScheme::Scrypt),
    ("$2$", HashScheme::Bcrypt),
    ("$2a$", HashScheme::Bcrypt),
    ("$2b$", HashScheme::Bcrypt),
    ("$2x$", HashScheme::Bcrypt),
    ("$2y$", HashScheme::Bcrypt),
    ("$6$", HashScheme::Sha512),
    ("$5$", HashScheme::Sha256),
    ("$1$", HashScheme::Md5),
];

/// Length of a traditional DES hash: two characters of salt, eleven of hash.
const DES_LENGTH: usize = 13;
/// `_`, four characters of rounds, four of salt, eleven of hash.
const BSDI_LENGTH: usize = 20;

#[derive(Debug)]
pub struct PasswordField(Secret);

impl PasswordField {
    pub fn new(field: &[u8]) -> Self {
        Self(Secret::new(field.to_vec()))
    }

    /// What the field means to a program that checks a password.
    pub fn state(&self) -> PasswordState {
        let field = self.0.expose();
        match field.first() {
            None => PasswordState::Empty,
            Some(b'*') => PasswordState::Disabled,
            Some(b'!') if scheme_of(unmarked(field)).is_some() => PasswordState::Locked,
            Some(b'!') => PasswordState::Disabled,
            Some(_) if scheme_of(field).is_some() => PasswordState::Set,
            // No scheme writes so few characters, so no password matches (`x`, `NP`, `LK`).
            Some(first) if field.len() < DES_LENGTH && !b"$_".contains(first) => {
                PasswordState::Disabled
            }
            Some(_) => PasswordState::Unknown,
        }
    }

    /// Scheme of the hash, behind marks of locking too; `None` without a hash.
    pub fn scheme(&self) -> Option<HashScheme> {
        scheme_of(unmarked(self.0.expose()))
    }

    /// passwd(5): `x` says that the password is in shadow(5).
    pub fn is_shadowed(&self) -> bool {
        self.0.expose() == b"x"
    }

    /// A password opens what the field guards.
    pub fn opens(&self) -> bool {
        matches!(self.state(), PasswordState::Set | PasswordState::Unknown)
    }
}

/// The field behind `!` and `*`, which tools put before a hash to lock it.
fn unmarked(field: &[u8]) -> &[u8] {
    let marks = field.iter().take_while(|byte| b"!*".contains(byte)).count();
    &field[marks..]
}

fn scheme_of(hash: &[u8]) -> Option<HashScheme> {
    let known = PREFIXES.iter().find(|(prefix, _)| hash.starts_with(prefix.as_bytes()));
    if let Some((prefix, scheme)) = known {
        return (hash.len() > prefix.len()).then_some(*scheme);
    }
    match hash.first()? {
        b'$' => is_modular(hash).then_some(HashScheme::Unknown),
        b'_' => (hash.len() == BSDI_LENGTH && is_hash64(&hash[1..])).then_some(HashScheme::Bsdi),
        // bigcrypt adds eleven characters for every eight of the password; pam_unix accepts it.
        _ => {
            let whole = hash.len() >= DES_LENGTH && (hash.len() - 2).is_multiple_of(11);
            (whole && is_hash64(hash)).then_some(HashScheme::Des)
        }
    }
}

/// `$id$…` of a scheme that is not in the table; libxcrypt may well accept it.
fn is_modular(hash: &[u8]) -> bool {
    let mut parts = hash.splitn(3, |byte| *byte == b'$').skip(1);
    let id = parts.next().unwrap_or_default();
    let rest = parts.next().unwrap_or_default();
    !id.is_empty() && !rest.is_empty()
}

fn is_hash64(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"./".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use HashScheme::*;

    #[test]
    fn the_state_and_the_scheme_are_all_that_a_field_tells() {
        let cases: &[(&str, PasswordState, Option<HashScheme>)] = &[
            ("", PasswordState::Empty, None),
            ("*", PasswordState::Disabled, None),
            ("!", PasswordState::Disabled, None),
            ("!!", PasswordState::Disabled, None),
            ("!*", PasswordState::Disabled, None),
            ("*LK*", PasswordState::Disabled, None),
            ("x", PasswordState::Disabled, None),
            ("!$6$salt$hash", PasswordState::Locked, Some(Sha512)),
            ("!!$y$j9T$salt$hash", PasswordState::Locked, Some(Yescrypt)),
            ("*$6$salt$hash", PasswordState::Disabled, Some(Sha512)),
            ("$y$j9T$salt$hash", PasswordState::Set, Some(Yescrypt)),
            ("$gy$j9T$salt$hash", PasswordState::Set, Some(GostYescrypt)),
            ("$7$CU..salt$hash", PasswordState::Set, Some(Scrypt)),
            ("$2a$05$salthash", PasswordState::Set, Some(Bcrypt)),
            ("$2b$05$salthash", PasswordState::Set, Some(Bcrypt)),
            ("$2y$05$salthash", PasswordState::Set, Some(Bcrypt)),
            ("$6$salt$hash", PasswordState::Set, Some(Sha512)),
            ("$5$salt$hash", PasswordState::Set, Some(Sha256)),
            ("$1$salt$hash", PasswordState::Set, Some(Md5)),
            ("$3$$hash", PasswordState::Set, Some(Unknown)),
            ("abJnggxhB/yWI", PasswordState::Set, Some(Des)),
            ("!abJnggxhB/yWI", PasswordState::Locked, Some(Des)),
            ("abJnggxhB/yWIabJnggxhB/y", PasswordState::Set, Some(Des)),
            ("_J9..CCCCXBrJUJV154M", PasswordState::Set, Some(Bsdi)),
            ("_J9..", PasswordState::Unknown, None),
            ("$6$", PasswordState::Unknown, None),
            ("$", PasswordState::Unknown, None),
            ("abJnggxhB yWI", PasswordState::Unknown, None),
            ("abJnggxhB/yWIz", PasswordState::Unknown, None),
        ];
        for (text, state, scheme) in cases {
            let field = PasswordField::new(text.as_bytes());
            assert_eq!((field.state(), field.scheme()), (*state, *scheme), "{text:?}");
        }
    }

    #[test]
    fn debug_output_holds_no_hash() {
        let field = PasswordField::new(b"$6$salt$invented");
        assert_eq!(format!("{field:?}"), "PasswordField(Secret(…))");
    }
}
