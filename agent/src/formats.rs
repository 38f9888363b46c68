//! Parsers of file formats that more than one kind reads. Pure: text in, values out.

pub mod deb822;
pub mod dpkg;
