//! What operators watch: OpenMetrics text. No host names, so that the number of series does not
//! grow with the fleet.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct State {
    state: String,
}

pub struct Metrics {
    registry: Registry,
    check_ins: Family<Outcome, Counter>,
    enrolments: Family<Outcome, Counter>,
    objects: Family<Outcome, Counter>,
    logins: Family<Outcome, Counter>,
    hosts: Family<State, Gauge>,
    results: Family<Outcome, Gauge>,
    log_size: Gauge,
}

/// What is read from the store when metrics are asked for.
#[derive(Debug, Default)]
pub struct Population {
    /// Hosts by state.
    pub hosts: Vec<(String, i64)>,
    pub log_size: i64,
    /// Open results by outcome.
    pub results: Vec<(&'static str, i64)>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("evidenced"),
            check_ins: Family::default(),
            enrolments: Family::default(),
            objects: Family::default(),
            logins: Family::default(),
            hosts: Family::default(),
            results: Family::default(),
            log_size: Gauge::default(),
        };
        let registry = &mut metrics.registry;
        let check_ins = metrics.check_ins.clone();
        registry.register("check_ins", "Check-ins by what became of them", check_ins);
        let enrolments = metrics.enrolments.clone();
        registry.register("enrolments", "Enrolments by what became of them", enrolments);
        registry.register("objects", "Manifests and facts received", metrics.objects.clone());
        registry.register("logins", "Logins by what became of them", metrics.logins.clone());
        registry.register("hosts", "Hosts by state", metrics.hosts.clone());
        registry.register("results", "Results that hold now, by outcome", metrics.results.clone());
        registry.register("log_size", "Leaves of the log", metrics.log_size.clone());
        metrics
    }
}

impl Metrics {
    pub fn check_in(&self, outcome: &'static str) {
        self.check_ins.get_or_create(&Outcome { outcome }).inc();
    }

    pub fn enrolment(&self, accepted: bool) {
        let outcome = if accepted { "accepted" } else { "refused" };
        self.enrolments.get_or_create(&Outcome { outcome }).inc();
    }

    /// `manifest` or `facts`.
    pub fn object(&self, outcome: &'static str) {
        self.objects.get_or_create(&Outcome { outcome }).inc();
    }

    /// `password`, `link`, `refused`, `throttled` or `link_refused`.
    pub fn login(&self, outcome: &'static str) {
        self.logins.get_or_create(&Outcome { outcome }).inc();
    }

    /// OpenMetrics text with the population as it is now.
    pub fn text(&self, population: Population) -> Result<String, std::fmt::Error> {
        for (state, count) in population.hosts {
            self.hosts.get_or_create(&State { state }).set(count);
        }
        for (outcome, count) in population.results {
            self.results.get_or_create(&Outcome { outcome }).set(count);
        }
        self.log_size.set(population.log_size);
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
