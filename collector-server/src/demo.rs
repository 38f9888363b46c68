//! A realistic organisation in an empty directory: `evidenced-collector demo --data DIR`.
//!
//! Nothing of it is painted: its hosts sign check-ins as agents do, and store, judgement and watch
//! are those of a serving collector, on a clock that runs through a quarter in minutes. So whatever
//! the pages show of it can be explained, verified and put into a snapshot. Only the network is left
//! out, and hosts report once a day.

mod decisions;
mod facts;
mod fleet;
mod records;
mod scope;
mod script;
mod site;

use crate::clock;
use crate::data::DataDir;
use anyhow::{Context, bail, ensure};
use fleet::{DAY_US, HOUR_US, Host};
use script::Happening;
use site::Site;
use std::io::Write as _;
use std::ops::Range;
use std::path::Path;

/// What is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub hosts: usize,
    /// Days of history until now.
    pub days: i64,
}

/// The name that `init` is given.
pub const ORGANISATION: &str = "Example organisation";
/// Hours between two looks at the fleet.
const STEP: i64 = 6;

/// What a demonstration judges by, in the words of `config/collector.toml`.
const RULES: &str = "\n[rules]\nprofiles = [\"essential\", \"standard\"]\n";

impl Size {
    pub fn check(&self) -> anyhow::Result<()> {
        let least = script::GROUPS.len();
        ensure!((least..=10_000).contains(&self.hosts), "--hosts: {least} to 10000");
        ensure!((1..=script::DAYS).contains(&self.days), "--days: 1 to {}", script::DAYS);
        Ok(())
    }
}

/// Has a collector that nobody serves yet judge by more than the essential rules.
pub fn judge_more(data: &DataDir) -> anyhow::Result<()> {
    let path = data.config_path();
    let file = std::fs::OpenOptions::new().append(true).open(&path);
    let written = file.and_then(|mut file| file.write_all(RULES.as_bytes()));
    written.with_context(|| path.display().to_string())
}

/// Fills a collector that `init` made. Tells `progress` of each day that was lived, and of how many.
pub async fn fill(
    data: &DataDir,
    size: Size,
    mut progress: impl FnMut(i64, i64),
) -> anyhow::Result<()> {
    size.check()?;
    let now_us = clock::now_us();
    let begin_us = (now_us - size.days * DAY_US).div_euclid(STEP * HOUR_US) * STEP * HOUR_US;
    let mut demo = Demo::begun(data, size, begin_us).await?;
    for day in 0..size.days {
        demo.day(day, size.days).await?;
        progress(day + 1, size.days);
    }
    demo.until(now_us).await?;
    demo.site.end().await
}

/// Whether a directory may be filled: one that holds anything may not.
pub fn refuse_what_is_there(dir: &Path) -> anyhow::Result<()> {
    let entries = match std::fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(error).with_context(|| dir.display().to_string()),
    };
    if entries {
        bail!(
            "{} is not empty; a demonstration is never mixed with evidence: give it a directory of \
             its own",
            dir.display()
        );
    }
    Ok(())
}

struct Demo {
    site: Site,
    hosts: Vec<Host>,
    begin_us: i64,
    /// Steps that were lived.
    steps: i64,
}

impl Demo {
    async fn begun(data: &DataDir, size: Size, begin_us: i64) -> anyhow::Result<Self> {
        let site = Site::open(data, begin_us).await?;
        let mut hosts = vec![];
        let whole: usize = script::GROUPS.iter().map(|group| group.parts).sum();
        let mut before = 0;
        for (group, parts) in script::GROUPS.map(|group| (group.name, group.parts)) {
            // Cumulated, so that what is rounded off one group goes to the next.
            let (from, to) = (size.hosts * before / whole, size.hosts * (before + parts) / whole);
            before += parts;
            for n in 0..(to - from).max(1) {
                let first_us = begin_us + (hosts.len() as i64 % 4) * STEP * HOUR_US;
                hosts.push(Host::new(group, n, first_us)?);
            }
        }
        scope::describe(&site, &hosts).await?;
        site.enrols(&hosts).await?;
        Ok(Self { site, hosts, begin_us, steps: 0 })
    }

    /// One day, at each of whose steps hosts report, and what happens on it.
    async fn day(&mut self, day: i64, of: i64) -> anyhow::Result<()> {
        self.until(self.begin_us + day * DAY_US).await?;
        self.site.turns_day().await?;
        // The script is of a quarter; a shorter history is its end.
        let of_quarter = day + script::DAYS - of;
        for (_, happening) in script::of_day(of_quarter) {
            self.happens(happening).await?;
        }
        decisions::of_day(&self.site, &self.hosts, of_quarter, day).await
    }

    async fn happens(&mut self, happening: &Happening) -> anyhow::Result<()> {
        match happening {
            Happening::Becomes { group, hosts, changes } => self.becomes(group, *hosts, changes),
            Happening::FallsSilent { group, host } => {
                if let Some(host) = self.of(group, *host..*host + 1).next() {
                    host.off = true;
                }
            }
            Happening::ComesBack { group, host } => {
                if let Some(host) = self.of(group, *host..*host + 1).next() {
                    host.off = false;
                }
            }
        }
        Ok(())
    }

    fn of<'a>(
        &'a mut self,
        group: &'a str,
        hosts: Range<usize>,
    ) -> impl Iterator<Item = &'a mut Host> {
        self.hosts
            .iter_mut()
            .filter(move |host| host.group == group && hosts.contains(&host.number))
    }

    /// Hosts change, and report it at once, as a changed file makes them.
    fn becomes(
        &mut self,
        group: &str,
        (from, to): (usize, usize),
        changes: &'static [facts::Change],
    ) {
        let now_us = self.site.now_us();
        for host in self.of(group, from..to) {
            host.changes = changes;
            host.next_us = now_us;
        }
    }

    /// Lives step by step until this moment.
    async fn until(&mut self, to_us: i64) -> anyhow::Result<()> {
        while self.begin_us + self.steps * STEP * HOUR_US <= to_us {
            let now_us = self.begin_us + self.steps * STEP * HOUR_US;
            self.site.set(now_us);
            self.report().await?;
            self.site.looks().await?;
            self.steps += 1;
        }
        Ok(())
    }

    /// Everything that is due is signed, taken and judged.
    async fn report(&mut self) -> anyhow::Result<()> {
        let now_us = self.site.now_us();
        let due: Vec<_> = self.hosts.iter_mut().filter(|host| host.is_due(now_us)).collect();
        let mut signed = Vec::with_capacity(due.len());
        for host in due {
            signed.push(host.sign(now_us)?);
        }
        self.site.takes(signed).await
    }
}
