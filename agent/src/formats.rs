//! Parsers of file formats that more than one kind reads. Pure: text in, values out.

pub mod sshd_config;
