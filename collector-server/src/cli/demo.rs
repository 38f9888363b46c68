//! `demo`: a collector with a realistic organisation in it.

use super::create;
use super::tell;
use crate::demo::{self, Size};
use clap::Args;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

#[derive(Args)]
pub(super) struct Demo {
    /// A new or empty directory.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Hosts that report; each of the eight groups has one at least.
    #[arg(long, value_name = "N", default_value_t = 400)]
    hosts: usize,
    /// Days of history until now.
    #[arg(long, value_name = "N", default_value_t = 91)]
    days: i64,
}

impl Demo {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let size = Size { hosts: self.hosts, days: self.days };
        size.check()?;
        demo::refuse_what_is_there(&self.data)?;
        let begin =
            SystemTime::now() - Duration::from_secs(86_400 * (size.days.unsigned_abs() + 1));
        let (data, _) = create::made(&self.data, demo::ORGANISATION, "", begin).await?;
        demo::judge_more(&data)?;
        demo::fill(&data, size, |day, of| {
            if day % 7 == 0 || day == of {
                tell(&format!("Day {day} of {of} is lived."));
            }
        })
        .await?;
        let dir = self.data.display();
        tell(&format!("Next: evidenced-collector serve --data {dir}"));
        tell(&format!("And for a person: evidenced-collector login-link --data {dir}"));
        Ok(())
    }
}
