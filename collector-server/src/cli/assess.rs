//! `assess`: the rules without a collector.

use super::{say, tell};
use crate::assess::{self, Format, exit};
use crate::catalogue::Catalogue;
use crate::judge::{Judge, Profile, RuleSet};
use anyhow::Context;
use clap::Args;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Largest collection that is read, in bytes.
const MAX_INPUT_BYTES: u64 = 256 << 20;

#[derive(Args)]
pub(super) struct Assess {
    /// What `evidenced-agent collect --format json` printed; `-` or nothing for standard input.
    file: Option<PathBuf>,
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Rules of this directory judge too, over kinds declared in it (`own_NAME.toml`).
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// Rules of this profile judge; may be given more than once.
    #[arg(long = "profile", value_enum, default_values = ["essential"])]
    profiles: Vec<Profile>,
    /// Exit 0 although some results are unknown, as long as none failed.
    #[arg(long)]
    allow_unknown: bool,
}

impl Assess {
    /// Exit 0 all pass or not applicable, 3 any fail, 5 none failed but some unknown, 1 trouble.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let input = self.read()?;
        let catalogue = Catalogue::builtin()?;
        let rules = match &self.rules {
            Some(directory) => RuleSet::with_own(directory, &catalogue),
            None => RuleSet::builtin(&catalogue),
        };
        let rules = match rules {
            Ok(rules) => rules.only(&self.profiles),
            Err(errors) => {
                errors.iter().for_each(|error| tell(&error.to_string()));
                return Ok(ExitCode::from(exit::TROUBLE));
            }
        };
        // What does not judge is said, and never looks like a rule that passes.
        for off in rules.off() {
            let hosts = off.group.as_ref().map_or("all hosts".to_owned(), |g| format!("group {g}"));
            tell(&format!("{} is switched off for {hosts}: {}", off.rule, off.reason));
        }
        let results = assess::assess(&input, &Judge::new(Arc::new(rules)), None)?;
        say(assess::render(&results, self.format).trim_end());
        Ok(ExitCode::from(assess::exit_code(&results, self.allow_unknown)))
    }

    fn read(&self) -> anyhow::Result<Vec<u8>> {
        let mut input = Vec::new();
        match self.file.as_deref().filter(|file| file.as_os_str() != "-") {
            Some(file) => {
                let opened = std::fs::File::open(file);
                let opened = opened.with_context(|| format!("cannot read {}", file.display()))?;
                opened.take(MAX_INPUT_BYTES).read_to_end(&mut input)?
            }
            None => std::io::stdin().take(MAX_INPUT_BYTES).read_to_end(&mut input)?,
        };
        Ok(input)
    }
}
