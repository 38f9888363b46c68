//! The running collector: boot order and shutdown.

use crate::active::{self, Active, Following};
use crate::anchor::Anchoring;
use crate::anchor::tsa::Tsa;
use crate::app::App;
use crate::authority::AuthorityError;
use crate::catalogue::Catalogue;
use crate::clock::{self, Clock};
use crate::config::Config;
use crate::data::DataDir;
use crate::http::peer::{PeerAcceptor, agents_tls};
use crate::http::{agents, people};
use crate::ingest::Ingest;
use crate::judgement::Worker;
use crate::keyring::{self, Keyring, KeyringError, Keys};
use crate::life;
use crate::log_check::{self, LogCheck};
use crate::metrics::Metrics;
use crate::notify::{Channel, Notifier, Teller};
use crate::overview;
use crate::record::Registers;
use crate::retention;
use crate::settings;
use crate::snapshot::job::Job;
use crate::store::Store;
use anyhow::{Context, bail};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// How long open requests may take once the collector is told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// Age at which the listener's certificate is made anew: a third of its life.
const LISTENER_RENEWAL: Duration = Duration::from_secs(30 * 86_400);

/// Serves until SIGTERM or SIGINT.
pub async fn serve(data: &DataDir, config: Config) -> anyhow::Result<()> {
    let running = Running::start(data, config, Clock::system()).await?;
    ready(data, running.agents, running.people)?;
    wait_for_signal().await?;
    tracing::info!("stopping: requests in hand are finished, nothing new is taken");
    running.stop().await
}

/// A collector at work.
pub struct Running {
    pub agents: SocketAddr,
    pub people: SocketAddr,
    store: Store,
    handle: Handle<SocketAddr>,
    servers: [JoinHandle<std::io::Result<()>>; 2],
    /// Commits what waits, and ends when the last handler has dropped the queue's entrance.
    writer: JoinHandle<()>,
    /// Tells the jobs to end.
    stop: watch::Sender<bool>,
    jobs: Vec<JoinHandle<()>>,
}

impl Running {
    /// Starts everything; both ports are open when this returns.
    pub async fn start(data: &DataDir, config: Config, clock: Clock) -> anyhow::Result<Self> {
        refuse_plain_pages(&config)?;
        let store = Store::open(&data.store_url(&config)).await.context("cannot open the store")?;
        let catalogue = Arc::new(Catalogue::builtin()?);
        let judging = active::load(&store, &config.rules, &catalogue).await?;
        // An organisation's own controls are known once its rules are.
        let rules = judging.judge.rules();
        let known = |id: &str| rules.catalogue().get(id).is_some();
        let registers = Arc::new(Registers::load(&data.registers(), known)?);
        active::announce(&store, &judging, clock.now_us()).await?;
        let judge = Active::new(judging);
        let grace = i64::try_from(config.drift.new_host_grace.0.as_micros()).unwrap_or(i64::MAX);
        store.set_new_host_grace(grace).await?;
        store.turn_day(clock::day_of(clock.now_us()), clock.now_us()).await?;
        let keyring = Keyring::load(data, &store, clock.now_us()).await?;
        let origin = store.setting(settings::LOG_ORIGIN).await?.unwrap_or_default();
        let channels = Channel::all(&config.notify, &config.organisation.zone())?;
        let keys = Keys::new(keyring);
        let held = (store.clone(), keys.clone(), clock.clone());
        let anchoring = Anchoring::new(&config.anchor, &channels, held, &origin)?;

        // Both ports are taken before anything is started, so that a refusal leaves nothing behind.
        let agents_listener = bind(config.agents.listen, "agents")?;
        let people_listener = bind(config.people.listen, "people")?;
        let (agents_at, people_at) = (agents_listener.local_addr()?, people_listener.local_addr()?);
        let people_url = match config.people.public_url.trim_end_matches('/') {
            "" => format!("http://{people_at}"),
            public => public.to_owned(),
        };
        let source = format!("urn:evidenced:{origin}");
        let teller = Teller { source, people_url: people_url.clone() };
        let (with, wait) = ((store.clone(), clock.clone()), config.notify.wait.0);
        let notifier = Notifier::new(with, channels, judge.clone(), teller, wait);
        let names = listener_names(&config, agents_at);
        let tls = RustlsConfig::from_config(listener_tls(&keys.now(), &names, &clock)?);

        let wake = Arc::new(Notify::new());
        let (stop, stopped) = watch::channel(false);
        let alerts = Arc::new(Notify::new());
        let worker = Worker::new(store.clone(), judge.clone(), clock.clone(), Arc::clone(&alerts));
        let following = Following {
            store: store.clone(),
            active: judge.clone(),
            chosen: config.rules.clone(),
            catalogue: Arc::clone(&catalogue),
            clock: clock.clone(),
            wake: Arc::clone(&wake),
        };
        let snapshots = Job {
            store: store.clone(),
            data: data.clone(),
            keys: keys.clone(),
            limits: overview::limits(&config).repair,
            clock: clock.clone(),
            wake: Arc::default(),
            shelf: Arc::default(),
            tsa: match config.anchor.tsa_url.as_str() {
                "" => None,
                url => Some(Tsa::new(url)?),
            },
        };
        let asked = Arc::clone(&snapshots.wake);
        let (checked, log_check) = watch::channel(LogCheck::NotYet { read: 0, of: 0 });
        let jobs = vec![
            tokio::spawn(worker.run(Arc::clone(&wake), stopped.clone())),
            tokio::spawn(active::follow(following, stopped.clone())),
            tokio::spawn(life::run(store.clone(), clock.clone(), stopped.clone())),
            tokio::spawn(retention::run(
                store.clone(),
                clock.clone(),
                config.retention.clone(),
                stopped.clone(),
            )),
            tokio::spawn(log_check::run(store.clone(), clock.clone(), checked, stopped.clone())),
            tokio::spawn(crate::watch::run(
                store.clone(),
                clock.clone(),
                (crate::watch::review_periods(&config.reviews), Arc::clone(&registers)),
                Arc::clone(&alerts),
                stopped.clone(),
            )),
            tokio::spawn(anchoring.run(stopped.clone())),
            tokio::spawn(notifier.run(Arc::clone(&alerts), stopped.clone())),
            tokio::spawn(snapshots.run(stopped.clone())),
            tokio::spawn(follow_keys(
                KeyWatch { data: data.clone(), store: store.clone(), keys: keys.clone(), names },
                tls.clone(),
                clock.clone(),
                stopped,
            )),
        ];
        let (ingest, writer) =
            Ingest::start(store.clone(), keys.clone(), Arc::clone(&wake), config.ingest.queue);
        let organisation = store.setting(settings::ORGANISATION).await?.unwrap_or_default();
        let agents_url = match config.agents.names.first() {
            Some(name) => format!("https://{name}:{}", agents_at.port()),
            None => format!("https://{agents_at}"),
        };
        let app = App {
            store: store.clone(),
            keys,
            ingest,
            holders: Arc::default(),
            catalogue,
            judge,
            registers,
            metrics: Arc::new(Metrics::default()),
            config: Arc::new(config),
            clock,
            passwords: Arc::default(),
            throttle: Arc::default(),
            people_url: people_url.into(),
            agents_url: agents_url.into(),
            alerts,
            judgements: wake,
            snapshots: asked,
            snapshot_folder: data.snapshots()?.into(),
            log_check,
            organisation: organisation.into(),
        };
        let handle = Handle::new();
        let agents = axum_server::from_tcp(agents_listener)?
            .acceptor(PeerAcceptor::new(tls))
            .handle(handle.clone())
            .serve(agents::router(app.clone()).into_make_service_with_connect_info::<SocketAddr>());
        let people = axum_server::from_tcp(people_listener)?
            .handle(handle.clone())
            .serve(people::router(app).into_make_service_with_connect_info::<SocketAddr>());
        let servers = [tokio::spawn(agents), tokio::spawn(people)];
        let (agents, people) = (agents_at, people_at);
        Ok(Self { agents, people, store, handle, servers, writer, stop, jobs })
    }

    /// Finishes the requests in hand, commits what waits, and ends.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.handle.graceful_shutdown(Some(DRAIN));
        for server in self.servers {
            server.await??;
        }
        self.writer.await?;
        self.stop.send_replace(true);
        for job in self.jobs {
            job.await?;
        }
        self.store.close().await;
        Ok(())
    }
}

/// What the job that follows rotations works with.
struct KeyWatch {
    data: DataDir,
    store: Store,
    keys: Keys,
    /// Names of the listener's certificate.
    names: Vec<String>,
}

/// Takes up rotated keys, and makes the listener's certificate anew before it ends, until `stop`.
/// Both reach new connections; open ones keep what they began with.
async fn follow_keys(
    watch: KeyWatch,
    tls: RustlsConfig,
    clock: Clock,
    mut stop: watch::Receiver<bool>,
) {
    let mut issued = clock.now();
    loop {
        tokio::select! {
            // The operator's time, whatever the clock says.
            () = tokio::time::sleep(keyring::LOOK_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let old = clock.now().duration_since(issued).is_ok_and(|age| age > LISTENER_RENEWAL);
        match look(&watch, &tls, &clock, old).await {
            Ok(true) => issued = clock.now(),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%error, "keys could not be taken up; the ones before are used on")
            }
        }
    }
}

/// Whether the listener has another certificate now.
async fn look(
    watch: &KeyWatch,
    tls: &RustlsConfig,
    clock: &Clock,
    old: bool,
) -> Result<bool, KeyringError> {
    let rotated = watch.store.trust_keys().await? != watch.keys.now().keys;
    if !rotated && !old {
        return Ok(false);
    }
    let keyring = Keyring::load(&watch.data, &watch.store, clock.now_us()).await?;
    tls.reload_from_config(listener_tls(&keyring, &watch.names, clock)?);
    watch.keys.replace(keyring);
    if rotated {
        tracing::info!(trust = %watch.keys.now().bundle_digest, "rotated keys taken up");
    }
    Ok(true)
}

fn listener_tls(
    keyring: &Keyring,
    names: &[String],
    clock: &Clock,
) -> Result<Arc<ServerConfig>, AuthorityError> {
    let listener = keyring.authority.issue_listener(names, clock.now())?;
    agents_tls(&keyring.believed, listener)
}

fn refuse_plain_pages(config: &Config) -> anyhow::Result<()> {
    let people = &config.people;
    if people.listen.ip().is_loopback() || people.behind_proxy {
        return Ok(());
    }
    bail!(
        "[people] listen = \"{}\" is not a loopback address and pages are plain HTTP: put a TLS \
         proxy in front and set behind_proxy = true, or listen on 127.0.0.1",
        people.listen
    )
}

fn bind(address: SocketAddr, who: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address);
    let listener = listener.with_context(|| format!("cannot listen for {who} on {address}"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Names an agent may use: the address itself, loopback, this machine's name, what is configured.
fn listener_names(config: &Config, at: SocketAddr) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !at.ip().is_unspecified() {
        names.push(at.ip().to_string());
    }
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    names.extend(Some(hostname.trim().to_owned()).filter(|name| !name.is_empty()));
    names.extend(config.agents.names.iter().cloned());
    names.sort();
    names.dedup();
    names
}

/// Says that it listens: one line of JSON for scripts, a note for `login-link`, a word to systemd.
#[expect(clippy::print_stdout, reason = "the ready line is the command's result")]
fn ready(data: &DataDir, agents: SocketAddr, people: SocketAddr) -> anyhow::Result<()> {
    let line = serde_json::json!({"agents": agents.to_string(), "people": people.to_string()});
    data.note_serving(&line.to_string())?;
    println!("{line}");
    tracing::info!(%agents, %people, "serving");
    // Without a service manager there is nobody to tell.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    Ok(())
}

async fn wait_for_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
