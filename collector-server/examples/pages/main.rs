//! Writes every page with made-up data into a directory, so that it can be looked at:
//! `cargo run -p evidenced-collector --example pages -- DIR`.
//!
//! Addresses on the pages begin with `/`: serve DIR as the root, or open a file and lose the style.

mod catalogue;
mod data;
mod decisions;
mod drifts;
mod people;
mod records;
mod render;
mod rules;
mod scope;
mod statements;

use anyhow::Context;
use std::fs;
use std::path::PathBuf;

fn main() -> anyhow::Result<()> {
    let dir = PathBuf::from(std::env::args_os().nth(1).context("usage: pages DIR")?);
    fs::create_dir_all(dir.join("assets"))?;
    let (path, style) = evidenced_collector::web::stylesheet();
    fs::write(dir.join(path.trim_start_matches('/')), style)?;
    for (name, html) in render::all()? {
        fs::write(dir.join(format!("{name}.html")), html)?;
    }
    Ok(())
}
