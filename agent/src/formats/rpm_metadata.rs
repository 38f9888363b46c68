//! Metadata of RPM repositories, as createrepo_c(8) writes it: `repomd.xml` names the other files,
//! `primary.xml` the packages, `updateinfo.xml` the advisories.

mod advisories;
mod index;
mod packages;

pub use advisories::{Advice, Advised, Rating, advisories};
pub use index::{Data, Index, Sum, index};
pub use packages::{Available, packages};

use super::xml::{Attributes, XmlError};

/// Epoch, version and release of an element's attributes, as rpm's `%{EVR}` writes them.
fn evr(attributes: Attributes<'_>, names: [&str; 3]) -> Result<String, XmlError> {
    let part = |name: &str| attributes.get(name).filter(|part| is_word(part));
    let invalid = || XmlError::Invalid("a version that is none".to_owned());
    let epoch = attributes.get(names[0]).unwrap_or_default();
    let is_number = epoch.bytes().all(|byte| byte.is_ascii_digit());
    let (version, release) =
        (part(names[1]).ok_or_else(invalid)?, part(names[2]).ok_or_else(invalid)?);
    match epoch.as_str() {
        _ if !is_number => Err(invalid()),
        "" | "0" => Ok(format!("{version}-{release}")),
        epoch => Ok(format!("{epoch}:{version}-{release}")),
    }
}

/// What names, versions and architectures are made of.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests;
