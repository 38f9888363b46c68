//! The command line: what was asked, and how it ended.
//!
//! Exit codes: 0 done, 1 trouble, 2 usage.

mod status;

use crate::arrive::{SelfEnrolment, arrive};
use crate::clock::{Clock, Moment};
use crate::collectors;
use crate::config::{self, Config};
use crate::confine::confine;
use crate::durable::RealDisk;
use crate::host::{Host, Own};
use crate::identity::{Identity, MACHINE_ID, StateDir};
use crate::kinds::Kinds;
use crate::renew::Renewal;
use crate::run::{Agent, Gather, Parts, Plan};
use crate::schedule::{self, Schedule};
use crate::ship::{Backoff, Route, Shipper};
use crate::spool::{Keep, Limits, Spool};
use crate::watch::{self, Watch};
use crate::{enroll, leave, logging, modest, report};
use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};
use evidence::wire::Token;
use evidence::{ChainId, Digest};
use sd_notify::NotifyState;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// Gathers signed evidence about this host and ships it to a collector.
#[derive(Parser)]
#[command(name = "evidenced-agent", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes this host known to a collector, once.
    Enroll(EnrollArgs),
    /// Gathers evidence on its schedules and ships it, until it is stopped.
    Run(RunArgs),
    /// Gathers evidence now and prints it. Nothing is kept and nothing is sent.
    Collect(CollectArgs),
    /// Shows who this host is, where its chain stands, and what waits to be sent.
    Status {
        /// The state directory.
        #[arg(long, value_name = "DIR")]
        state: PathBuf,
    },
    /// Ends this host's service: ships what waits, tells the collector, and wipes the keys. For
    /// hosts that are about to be destroyed.
    Leave(LeaveArgs),
    /// Lists the kinds of evidence this agent gathers; as JSON also what each reads, what never
    /// leaves the host, and what is unread without a privilege.
    Kinds {
        /// The configuration file, which may declare more kinds.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// How they are printed.
        #[arg(long, value_enum, default_value_t = Output::Table)]
        format: Output,
    },
    /// Prints the JSON Schema of one kind.
    Schema {
        /// The kind, as `evidenced-agent kinds` names it.
        kind: String,
        /// The configuration file, which may declare more kinds.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

#[derive(clap::Args)]
struct EnrollArgs {
    /// The state directory: keys, identity, spool. It is made if it is not there.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// The collector's address.
    #[arg(long, value_name = "https://HOST:PORT")]
    server: String,
    /// What `evidenced-collector token create` printed.
    #[arg(long)]
    token: Token,
    /// The file that names this machine.
    #[arg(long, value_name = "FILE", default_value = MACHINE_ID, hide = true)]
    machine_id: PathBuf,
}

#[derive(clap::Args)]
struct LeaveArgs {
    /// The state directory of the host that leaves.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Wipes the keys even if the collector cannot be told.
    #[arg(long)]
    force: bool,
}

#[derive(clap::Args)]
struct RunArgs {
    /// The state directory of an enrolled host.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// The configuration file. Without it every setting has its default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Reads another root file system instead of the running system.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Gathers everything now, ships it, and ends when every receipt is in.
    #[arg(long)]
    once: bool,
    /// Where this machine enrols if it is not enrolled, or if its state directory was copied from
    /// another machine; over [enroll] of the configuration.
    #[arg(long, value_name = "https://HOST:PORT", requires = "enroll_token_file")]
    enroll_server: Option<String>,
    /// The file that holds the token for that.
    #[arg(long, value_name = "FILE", requires = "enroll_server")]
    enroll_token_file: Option<PathBuf>,
    /// The file that names this machine.
    #[arg(long, value_name = "FILE", default_value = MACHINE_ID, hide = true)]
    machine_id: PathBuf,
}

#[derive(clap::Args)]
struct CollectArgs {
    /// Reads another root file system instead of the running system.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// The configuration file, which may declare more kinds.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Gathers this kind only; may be given more than once.
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<String>,
    /// How the result is printed.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    format: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Json,
    Table,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Enroll(args) => enroll(&args),
        Command::Run(args) => run(&args),
        Command::Leave(args) => leave(&args),
        Command::Collect(args) => collect(&args),
        Command::Status { state } => status::text(&state, now_ms()).and_then(|text| print(&text)),
        Command::Kinds { config, format } => {
            kinds(config.as_deref()).and_then(|kinds| match format {
                Output::Json => print(&format!("{:#}", report::kinds_json(&kinds))),
                Output::Table => print(&report::kinds_table(&kinds)),
            })
        }
        Command::Schema { kind, config } => schema(&kind, config.as_deref()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("evidenced-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn enroll(args: &EnrollArgs) -> anyhow::Result<()> {
    let machine_id = &args.machine_id;
    let work = enroll::enroll(&args.state, &args.server, &args.token, machine_id, now_ms());
    let identity = runtime()?.block_on(work)?;
    print(&format!("enrolled as host {} with {}", identity.host, identity.server))
}

fn leave(args: &LeaveArgs) -> anyhow::Result<()> {
    let outcome = runtime()?.block_on(leave::leave(&args.state, args.force, now_ms()))?;
    print(&match outcome {
        leave::Outcome::Left(host) => format!("host {host} has left; its keys are wiped"),
        leave::Outcome::Before(host) => format!("host {host} had left before; its keys are wiped"),
        leave::Outcome::Wiped(host) => {
            format!("the keys of host {host} are wiped; the collector does not know that it left")
        }
    })
}

fn run(args: &RunArgs) -> anyhow::Result<()> {
    let config = Config::load(args.config.as_deref(), schedule::validate)?;
    logging::start(config.log.level, config.log.format);
    let (server, token) = (args.enroll_server.as_deref(), args.enroll_token_file.as_deref());
    let enrolment = SelfEnrolment::of(&config.enroll, server, token);
    let own = own(&config, args.config.as_deref(), &args.state)?;
    let kinds = Kinds::load(&config.own)?;
    let schedules = schedules(&config.schedule, &kinds)?;
    // Only what exists can be left open for writing.
    if enrolment.is_some() {
        StateDir::make(&args.state)?;
    }
    let off = own.kinds_off.as_deref().unwrap_or_default();
    modest::step_back();
    let landlock = confine(config.confine.landlock, &args.state, off)?;
    tracing::debug!(landlock, "confinement");
    let own = Own { landlock: Some(landlock), ..own };
    let host = open_host(args.root.as_deref())?.about(own).remembering(Box::new(Moment::now));
    let host = Arc::new(host);
    let runtime = runtime()?;
    let work = async {
        let patience = Backoff::new(config.ship.retry_min, config.ship.retry_max);
        let patience = (!args.once).then_some(patience);
        let (enrolment, machine_id) = (enrolment.as_ref(), &args.machine_id);
        let arrived = arrive(&args.state, machine_id, enrolment, patience, &now_ms).await;
        let (state, identity) = arrived?;
        let mut agent = agent(Arc::new(state), &identity, &config, gather(host, kinds), schedules)?;
        if args.once {
            return Ok(agent.once().await?);
        }
        if config.watch.enabled && args.root.is_none() {
            let config::Watch { settle, at_most_every, .. } = config.watch;
            let pace = watch::Pace { settle, at_most_every };
            let kinds = agent.plan.kinds();
            agent.heed_changes(Watch::start(Path::new("/"), &kinds, pace, agent.clock.clone()));
        }
        serve(&mut agent).await
    };
    let outcome = runtime.block_on(work);
    // Gathering that still goes on is abandoned: it keeps nothing by itself.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

async fn serve(agent: &mut Agent) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    tracing::info!(host = %agent.host, waiting = agent.spool.len(), "the agent is running");
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    agent.serve(stop).await;
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    tracing::info!(waiting = agent.spool.len(), "the agent stops");
    Ok(())
}

fn agent(
    state: Arc<StateDir>,
    identity: &Identity,
    config: &Config,
    gather: Gather,
    schedules: BTreeMap<String, Schedule>,
) -> anyhow::Result<Agent> {
    let key = state.evidence_key()?;
    let limits = Limits { max_size: config.spool.max_size, max_age: config.spool.max_age };
    let disk = Arc::new(RealDisk);
    let mut spool = Spool::open(state.path(), disk, &key.public(), limits, ChainId::generate())?;
    spool.keep(Keep { age: config.spool.keep, size: config.spool.keep_size })?;
    let config::Ship { timeout, servers, proxy, .. } = &config.ship;
    let route = Route { servers: servers.clone(), proxy: proxy.clone() };
    let shipper = Shipper::by(&state, identity, *timeout, &route)?;
    let backoff = Backoff::new(config.ship.retry_min, config.ship.retry_max);
    let renewal = Renewal::new(state, identity.clone(), *timeout, backoff.clone())?.by(route);
    let (every, coalesce) = (config.check_in.at_least_every, config.check_in.coalesce);
    let mut agent = Agent::new(Parts {
        host: identity.host,
        key,
        spool,
        shipper,
        backoff,
        plan: Plan::new(identity.host, schedules, every, coalesce),
        gather,
        clock: Clock::system(),
    });
    agent.renewal = Some(renewal);
    Ok(agent)
}

fn gather(host: Arc<Host>, kinds: Kinds) -> Gather {
    Arc::new(move |kind| match kinds.find(kind) {
        Some(kind) => kind.collect(&host),
        None => collectors::Collected {
            status: evidence::Status::Unsupported,
            facts: None,
            sources: vec![],
            unread: vec![],
        },
    })
}

/// What the agent knows about itself while it runs.
fn own(config: &Config, file: Option<&Path>, state: &Path) -> anyhow::Result<Own> {
    let text = match file {
        Some(file) => std::fs::read(file).with_context(|| file.display().to_string())?,
        None => config::DEFAULT_TEXT.as_bytes().to_vec(),
    };
    let off = config.schedule.iter().filter(|(_, schedule)| **schedule == config::Schedule::Off);
    // At the first start there is none yet.
    let path = state.canonicalize().or_else(|_| std::path::absolute(state));
    let state = path.with_context(|| state.display().to_string())?;
    Ok(Own {
        config: Some(Digest::of(&text)),
        kinds_off: Some(off.map(|(kind, _)| kind.clone()).collect()),
        state: state.to_str().map(str::to_owned),
        ..Own::default()
    })
}

/// When each kind is gathered: as configured, or else on the collector's own schedule.
fn schedules(
    configured: &BTreeMap<String, config::Schedule>,
    kinds: &Kinds,
) -> anyhow::Result<BTreeMap<String, Schedule>> {
    kinds.cover(configured.keys())?;
    let wanted = kinds.all().filter_map(|kind| {
        let text = match configured.get(kind.name()) {
            Some(config::Schedule::Off) => return None,
            Some(config::Schedule::Cron(text)) => text.as_str(),
            None => kind.schedule(),
        };
        Some((kind.name(), text))
    });
    wanted
        .map(|(kind, text)| {
            let schedule = text.parse().with_context(|| format!("schedule of `{kind}`"))?;
            Ok((kind.to_owned(), schedule))
        })
        .collect()
}

fn collect(args: &CollectArgs) -> anyhow::Result<()> {
    let host = open_host(args.root.as_deref())?;
    let root = args.root.as_deref().unwrap_or(Path::new("/")).display().to_string();
    let kinds = kinds(args.config.as_deref())?;
    let collection = report::gather(&host, &root, &kinds, &args.kinds, now_ms() / 1000)?;
    match args.format {
        Output::Json => print(&collection.to_json().to_string()),
        Output::Table => print(&collection.to_table(width())),
    }
}

fn schema(kind: &str, config: Option<&Path>) -> anyhow::Result<()> {
    print(&report::schema(&kinds(config)?, kind)?)
}

/// The kinds of a configuration; without one, those of the agent.
fn kinds(config: Option<&Path>) -> anyhow::Result<Kinds> {
    Ok(Kinds::load(&Config::load(config, schedule::validate)?.own)?)
}

fn open_host(root: Option<&Path>) -> anyhow::Result<Host> {
    match root {
        Some(root) => Host::rooted(root).with_context(|| root.display().to_string()),
        None => Host::live().context("/"),
    }
}

/// One thread: the agent waits nearly always.
fn runtime() -> anyhow::Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Prints a result. A reader that went away is no trouble.
fn print(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout(), "{}", text.trim_end()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        outcome => Ok(outcome?),
    }
}

/// Columns of the terminal, as the shell says.
fn width() -> u16 {
    std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(100)
}

/// The clock of this host. Everything below gets the time as a parameter.
fn now_ms() -> i64 {
    Clock::system().now_ms()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_agent_knows_its_configuration_and_what_it_switches_off() {
        let directory = tempfile::tempdir().expect("directory");
        let file = directory.path().join("agent.toml");
        let text = "[schedule]\nsudo = \"off\"\nlogins = \"off\"\nmeta = \"1 * * * *\"\n";
        std::fs::write(&file, text).expect("written");
        let config = Config::load(Some(&file), schedule::validate).expect("valid");
        let own = own(&config, Some(&file), directory.path()).expect("own");
        assert_eq!(own.kinds_off, Some(vec!["logins".to_owned(), "sudo".to_owned()]));
        assert_eq!(own.config, Some(Digest::of(text.as_bytes())));
        assert!(own.state.is_some_and(|state| state.starts_with('/')));
        let defaults = super::own(&Config::default(), None, directory.path()).expect("own");
        assert_eq!(defaults.kinds_off, Some(vec![]));
        assert_eq!(defaults.config, Some(Digest::of(config::DEFAULT_TEXT.as_bytes())));
    }

    #[test]
    fn every_collector_has_a_schedule_that_crontab_knows() {
        let schedules = schedules(&BTreeMap::new(), &Kinds::default()).expect("schedules");
        assert_eq!(schedules.len(), collectors::ALL.len());
        let off = collectors::ALL.iter().map(|it| (it.kind.to_owned(), config::Schedule::Off));
        assert!(super::schedules(&off.collect(), &Kinds::default()).expect("schedules").is_empty());
    }
}
