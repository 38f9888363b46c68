//! The command line.

mod actor;
mod assess;
mod backup;
mod controls;
mod create;
mod demo;
mod exceptions;
mod export;
mod findings;
mod groups;
mod hosts;
mod inherited;
mod isms;
mod lists;
mod log;
mod notify;
mod people;
mod people_list;
mod records;
mod retention;
mod reviews;
mod rotate;
mod rules;
mod snapshot;
mod summary;
mod tokens;
mod verify;
mod windows;

use crate::data::DataDir;
use crate::seat::LOG_READER;
use crate::{logging, serve};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Keeps every state that hosts reported, judges it against ISO/IEC 27001 Annex A, and flags
/// drift.
#[derive(Parser)]
#[command(name = "evidenced-collector", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a collector: keys, certificate authority, store, administrator.
    Init {
        #[command(flatten)]
        data: Data,
        /// Name of the organisation.
        #[arg(long, default_value = "Example Org")]
        name: String,
        /// Where evidence is kept: postgres://USER@HOST/NAME, or sqlite:PATH.
        #[arg(long, default_value = "")]
        store: String,
    },
    /// Make a collector with a realistic organisation in it: a quarter of its history, to look at.
    Demo(demo::Demo),
    /// Serve agents and people. When ready, one line of JSON with both addresses.
    Serve {
        #[command(flatten)]
        data: Data,
        /// Configuration instead of DATA/collector.toml.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Address for agents, over the configured one. Port 0 takes any free port.
        #[arg(long)]
        listen_agents: Option<SocketAddr>,
        /// Address for people, over the configured one.
        #[arg(long)]
        listen_people: Option<SocketAddr>,
    },
    /// Print a link that logs the administrator in, once, within ten minutes.
    LoginLink {
        #[command(flatten)]
        data: Data,
    },
    /// Print what holds now: hosts, controls by evidence state, the worst results.
    Summary(summary::Summary),
    /// Hosts: their life, groups, tags, identities, and which are expected.
    #[command(subcommand)]
    Hosts(Box<hosts::Hosts>),
    /// Groups of hosts.
    #[command(subcommand)]
    Groups(Box<groups::Groups>),
    /// Management systems, their scope and their Statements of Applicability.
    #[command(subcommand)]
    Isms(Box<isms::Isms>),
    /// Controls by evidence state, over a period, and what owners tolerate.
    #[command(subcommand)]
    Controls(Box<controls::Controls>),
    /// Acceptance of failures for a time.
    #[command(subcommand)]
    Exceptions(Box<exceptions::Exceptions>),
    /// Evidence that somebody else gives, for a time.
    #[command(subcommand)]
    Inherited(Box<inherited::Inherited>),
    /// Nonconformities and improvements.
    #[command(subcommand)]
    Findings(findings::Findings),
    /// What people show for clauses and controls: registers, as CSV too, and the readiness check.
    #[command(subcommand)]
    Records(Box<records::Records>),
    /// Approved lists: which members of a population a group may have.
    #[command(subcommand)]
    Lists(Box<lists::Lists>),
    /// Change windows.
    #[command(subcommand)]
    Windows(windows::Windows),
    /// Access reviews.
    #[command(subcommand)]
    Reviews(reviews::Reviews),
    /// Who may sign in.
    #[command(subcommand)]
    People(people::People),
    /// Lists of people from the personnel office or a directory, against the accounts of hosts.
    #[command(subcommand)]
    PeopleList(people_list::PeopleList),
    /// Enrolment tokens.
    #[command(subcommand)]
    Token(tokens::Token),
    /// The certificate authority.
    #[command(subcommand)]
    Authority(rotate::AuthorityCommand),
    /// Tokens for programs.
    #[command(subcommand)]
    ApiToken(ApiToken),
    /// Where alerts are sent.
    #[command(subcommand)]
    Notify(notify::Notify),
    /// The log.
    #[command(subcommand)]
    Log(log::Log),
    /// Snapshots: frozen, signed archives for an auditor.
    #[command(subcommand)]
    Snapshot(snapshot::Snapshot),
    /// The rules that judge, and what an organisation lays over them.
    #[command(subcommand)]
    Rules(rules::Rules),
    /// Print results, drifts, hosts or evidence of a moment or a period, for other programs.
    Export(export::Export),
    /// How long bodies of facts are kept, and legal holds.
    #[command(subcommand)]
    Retention(retention::RetentionCommand),
    /// Write everything that is kept into one file, while the collector serves.
    Backup(backup::Backup),
    /// Make a collector of a backup, in a new directory and an empty store, and verify it.
    Restore(backup::Restore),
    /// Judge a collection (`evidenced-agent collect --format json`) without a collector.
    Assess(assess::Assess),
}

#[derive(Args)]
struct Data {
    /// The collector's directory.
    #[arg(long = "data", value_name = "DIR")]
    dir: PathBuf,
}

impl Data {
    fn open(&self) -> anyhow::Result<DataDir> {
        Ok(DataDir::open(&self.dir)?)
    }
}

#[derive(Subcommand)]
enum ApiToken {
    /// Print a new bearer token, and nothing else.
    Create {
        #[command(flatten)]
        data: Data,
        /// What its holder may do.
        #[arg(long)]
        seat: Seat,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Seat {
    /// Looks.
    Viewer,
    /// Looks, and acknowledges alerts.
    Operator,
    /// Reads the log (/log/…), and nothing else.
    LogReader,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

/// Runs the command and gives its exit code: 0, 1 trouble, 2 usage, and what the command adds.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // One provider, chosen once, before anything speaks TLS.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(cli.command)),
        Err(error) => Err(error.into()),
    };
    outcome.unwrap_or_else(|error| {
        tell(&format!("evidenced-collector: {error:#}"));
        ExitCode::from(1)
    })
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Init { data, name, store } => create::collector(&data.dir, &name, &store).await?,
        Command::Demo(demo) => demo.run().await?,
        Command::Serve { data, config, listen_agents, listen_people } => {
            let data = data.open()?;
            let mut config = data.config(config.as_deref())?;
            config.agents.listen = listen_agents.unwrap_or(config.agents.listen);
            config.people.listen = listen_people.unwrap_or(config.people.listen);
            logging::start(&config.log)?;
            serve::serve(&data, config).await?;
        }
        Command::LoginLink { data } => create::login_link(&data.open()?).await?,
        Command::Exceptions(exceptions) => exceptions.run().await?,
        Command::Inherited(inherited) => inherited.run().await?,
        Command::Findings(findings) => findings.run().await?,
        Command::Records(records) => return records.run().await,
        Command::Lists(lists) => lists.run().await?,
        Command::Windows(windows) => return windows.run().await,
        Command::Reviews(reviews) => reviews.run().await?,
        Command::People(people) => people.run().await?,
        Command::Token(token) => token.run().await?,
        Command::Authority(authority) => authority.run().await?,
        Command::ApiToken(ApiToken::Create { data, seat }) => {
            let seat = match seat {
                Seat::Viewer => "viewer",
                Seat::Operator => "operator",
                Seat::LogReader => LOG_READER,
            };
            create::api_token(&data.open()?, seat).await?;
        }
        Command::Notify(notify) => return notify.run().await,
        Command::Log(log) => return log.run().await,
        Command::Hosts(hosts) => return hosts.run().await,
        Command::Groups(groups) => return groups.run().await,
        Command::Isms(isms) => return isms.run().await,
        Command::Controls(controls) => return controls.run().await,
        Command::PeopleList(list) => return list.run().await,
        Command::Snapshot(snapshot) => return snapshot.run().await,
        Command::Summary(summary) => return summary.run().await,
        Command::Rules(rules) => return rules.run().await,
        Command::Export(export) => export.run().await?,
        Command::Retention(retention) => retention.run().await?,
        Command::Backup(backup) => backup.run().await?,
        Command::Restore(restore) => return restore.run().await,
        Command::Assess(assess) => return assess.run(),
    }
    Ok(ExitCode::SUCCESS)
}

/// A result, on standard output.
#[expect(clippy::print_stdout, reason = "results of commands go to standard output")]
fn say(text: &str) {
    println!("{text}");
}

/// Something for a person, on standard error.
#[expect(clippy::print_stderr, reason = "words for people go to standard error")]
fn tell(text: &str) {
    eprintln!("{text}");
}
