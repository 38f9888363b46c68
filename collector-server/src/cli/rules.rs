//! `rules`: what judges, what an organisation lays over it, and what another overlay would do.

mod backtest;
mod diff;
mod list;

use super::{Data, Format, create, say, tell};
use crate::active;
use crate::catalogue::Catalogue;
use crate::clock;
use crate::config;
use crate::data::DataDir;
use crate::judge::{Profile, RuleError, RuleSet, read_overlay};
use crate::store::Store;
use anyhow::bail;
use clap::Subcommand;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// An overlay is refused, or an example of it does not behave.
const REFUSED: u8 = 3;
/// It could not be read at all.
const TROUBLE: u8 = 1;

#[derive(Subcommand)]
pub(super) enum Rules {
    /// List the rules that judge, with their parameters and the policies these follow, and those
    /// that are switched off.
    List {
        #[command(flatten)]
        data: Data,
        /// As they are for hosts of this group.
        #[arg(long)]
        group: Option<String>,
        /// The versions of the overlay instead: who activated which, and when.
        #[arg(long, conflicts_with = "group")]
        versions: bool,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Check the overlay in a directory and run the examples of its rules. Exit 0 when all behave,
    /// 3 when something is refused.
    Test {
        directory: PathBuf,
        /// Over the rules of this collector; else over those that the program brings.
        #[arg(long = "data", value_name = "DATA")]
        data: Option<PathBuf>,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Say which rules and parameters an overlay would change, and which results of hosts as they
    /// are now.
    Diff {
        directory: PathBuf,
        #[command(flatten)]
        data: Data,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Make the overlay in a directory the active one. Collectors that run take it up within
    /// seconds, and judge every host again.
    Activate {
        #[arg(required_unless_present = "none")]
        directory: Option<PathBuf>,
        #[command(flatten)]
        data: Data,
        /// Nothing is laid over the rules any more.
        #[arg(long, conflicts_with = "directory")]
        none: bool,
        #[arg(long, default_value = "", value_parser = super::actor::of_login)]
        actor: String,
    },
    /// Judge stored history by the rules that an overlay adds or changes. Nothing is written.
    Backtest(backtest::Backtest),
}

impl Rules {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::List { data, group, versions, format } => {
                let at = At::open(&data).await?;
                match versions {
                    true => list::versions(&at, format).await?,
                    false => list::rules(&at, group.as_deref(), format).await?,
                }
                at.store.close().await;
                Ok(ExitCode::SUCCESS)
            }
            Self::Test { directory, data, format } => {
                let chosen = match data {
                    Some(data) => DataDir::open(&data)?.config(None)?.rules,
                    None => every_profile(),
                };
                test(&directory, &chosen, format)
            }
            Self::Diff { directory, data, format } => {
                let at = At::open(&data).await?;
                let after = match at.with(&directory) {
                    Ok(after) => after,
                    Err(code) => return Ok(code),
                };
                diff::diff(&at, &after, format).await?;
                at.store.close().await;
                Ok(ExitCode::SUCCESS)
            }
            Self::Activate { directory, data, actor, .. } => {
                let at = At::open(&data).await?;
                let done = activate(&at, directory.as_deref(), &actor).await;
                at.store.close().await;
                done
            }
            Self::Backtest(backtest) => backtest.run().await,
        }
    }
}

/// A collector's rules, and where they come from.
struct At {
    store: Store,
    chosen: config::Rules,
    catalogue: Arc<Catalogue>,
    judging: active::Judging,
}

impl At {
    async fn open(data: &Data) -> anyhow::Result<Self> {
        let data = data.open()?;
        let chosen = data.config(None)?.rules;
        let store = create::open(&data).await?;
        let catalogue = Arc::new(Catalogue::builtin()?);
        let judging = active::load(&store, &chosen, &catalogue).await?;
        judging.refused.iter().for_each(|refused| tell(refused));
        Ok(Self { store, chosen, catalogue, judging })
    }

    fn rules(&self) -> &RuleSet {
        self.judging.judge.rules()
    }

    /// The rules as they would be under the overlay in a directory; if it is refused, that is told,
    /// and the exit code given.
    fn with(&self, directory: &Path) -> Result<RuleSet, ExitCode> {
        let overlay = read(directory)?;
        let rules = RuleSet::with_overlay(&self.chosen, &overlay, &self.catalogue);
        rules.map_err(|errors| refuse(errors, REFUSED))
    }
}

/// The files of an overlay.
fn read(directory: &Path) -> Result<Vec<(String, String)>, ExitCode> {
    read_overlay(directory).map_err(|errors| refuse(errors, TROUBLE))
}

fn refuse(errors: Vec<RuleError>, code: u8) -> ExitCode {
    errors.iter().for_each(|error| tell(&error.to_string()));
    ExitCode::from(code)
}

fn every_profile() -> config::Rules {
    let profiles =
        vec![Profile::Essential, Profile::Standard, Profile::Hardened, Profile::Optional];
    config::Rules { profiles, directory: PathBuf::new() }
}

fn test(directory: &Path, chosen: &config::Rules, format: Format) -> anyhow::Result<ExitCode> {
    // Rules of every profile are checked, whichever judge.
    let chosen = config::Rules { directory: chosen.directory.clone(), ..every_profile() };
    let standard = Catalogue::builtin()?;
    let checked = read(directory).and_then(|overlay| {
        let rules = RuleSet::with_overlay(&chosen, &overlay, &standard);
        rules.map_err(|errors| refuse(errors, REFUSED))
    });
    let rules = match checked {
        Ok(rules) => rules,
        Err(code) => return Ok(code),
    };
    let own: Vec<_> = rules.rules().iter().filter(|rule| rule.own).collect();
    let examples: usize = own.iter().map(|rule| rule.examples).sum();
    let controls = rules.catalogue().controls().len() - standard.controls().len();
    let policies = policies(&rules);
    match format {
        Format::Json => say(&json!({
            "rules": own.len(), "examples": examples, "controls": controls,
            "params": policies, "off": rules.off(), "groups": rules.groups().collect::<Vec<_>>(),
        })
        .to_string()),
        Format::Table => say(&format!(
            "{} rules of your own, whose {examples} examples behave; {controls} controls of your \
             own; {policies} parameters with a policy; {} rules switched off; groups named: {}.",
            own.len(),
            rules.off().len(),
            rules.groups().count(),
        )),
    }
    Ok(ExitCode::SUCCESS)
}

/// Parameters of any rule that follow a policy, each once.
fn policies(rules: &RuleSet) -> usize {
    let groups = std::iter::once("").chain(rules.groups());
    let all = groups.flat_map(|group| rules.rules_of(group));
    let named =
        all.flat_map(|rule| rule.policies.keys().map(|name| (rule.id.clone(), name.clone())));
    named.collect::<std::collections::BTreeSet<_>>().len()
}

async fn activate(at: &At, directory: Option<&Path>, actor: &str) -> anyhow::Result<ExitCode> {
    if actor.trim().is_empty() || actor.chars().any(char::is_control) {
        bail!("--actor: who it is, in one line");
    }
    let overlay = match directory {
        Some(directory) => match read(directory) {
            Ok(overlay) => overlay,
            Err(code) => return Ok(code),
        },
        None => vec![],
    };
    let rules = match RuleSet::with_overlay(&at.chosen, &overlay, &at.catalogue) {
        Ok(rules) => rules,
        Err(errors) => {
            let code = refuse(errors, REFUSED);
            tell("Nothing was activated.");
            return Ok(code);
        }
    };
    let groups = at.store.host_groups().await?;
    for group in rules.groups().filter(|group| !groups.iter().any(|known| known == group)) {
        tell(&format!("Note: no host is in group `{group}` now."));
    }
    match at.store.activate_overlay(&overlay, actor, clock::now_us()).await? {
        Some(version) => tell(&format!(
            "Version {} of the overlay is active; it is leaf {} of the log.",
            version.version, version.log_index
        )),
        None => tell("These files are the active overlay already."),
    }
    Ok(ExitCode::SUCCESS)
}
