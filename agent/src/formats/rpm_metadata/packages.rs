//! `primary.xml`: the packages of a repository.

use super::{evr, is_word};
use crate::formats::xml::{Step, XmlError, walk};
use std::io::Read;

/// A package that can be had.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Available {
    pub name: String,
    pub arch: String,
    /// `[EPOCH:]VERSION-RELEASE`.
    pub evr: String,
    pub vendor: Option<String>,
}

/// Shows `take` every package whose name is `wanted`; says how many bytes there were. An error
/// unless there are as many packages as the list itself says.
pub fn packages(
    from: impl Read,
    max: u64,
    wanted: impl Fn(&str) -> bool,
    mut take: impl FnMut(Available),
) -> Result<u64, XmlError> {
    let (mut announced, mut count): (Option<u64>, u64) = (None, 0);
    let mut package = Available::default();
    let bytes = walk(from, max, &mut |step| {
        match step {
            Step::Open { depth: 1, name, attributes } => {
                if name != "metadata" {
                    return Err(XmlError::Other("packages"));
                }
                announced = attributes.get("packages").and_then(|count| count.parse().ok());
            }
            Step::Open { depth: 2, .. } => package = Available::default(),
            Step::Open { depth: 3, name: "version", attributes } => {
                package.evr = evr(attributes, ["epoch", "ver", "rel"])?;
            }
            Step::Close { depth: 3, name: "name", text } => text.clone_into(&mut package.name),
            Step::Close { depth: 3, name: "arch", text } => text.clone_into(&mut package.arch),
            Step::Close { depth: 4, name: "vendor", text } => {
                package.vendor = (!text.is_empty()).then(|| text.to_owned());
            }
            Step::Close { depth: 2, .. } => {
                count += 1;
                let parts = [&package.name, &package.arch, &package.evr];
                if !parts.into_iter().all(|part| is_word(part)) {
                    return Err(XmlError::Invalid(format!("package {count} is none")));
                }
                if wanted(&package.name) {
                    take(std::mem::take(&mut package));
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    match announced {
        Some(announced) if announced == count => Ok(bytes),
        _ => Err(XmlError::Invalid(format!("{count} packages are not as many as it says"))),
    }
}
