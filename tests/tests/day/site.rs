//! The collector of the day, in this process: on a small file system of its own that can be full,
//! with a clock that runs as fast as those of its hosts.

use crate::time::Time;
use evidence::wire::Token;
use evidenced_collector::data::DataDir;
use evidenced_collector::serve::Running;
use evidenced_tests::{Api, Ended, program};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Room for a day of fifty hosts, and little more.
const SIZE: &str = "size=96m";

pub(crate) struct Site {
    mount: PathBuf,
    running: Option<Running>,
    pub(crate) agents: SocketAddr,
    pub(crate) people: SocketAddr,
    api_token: String,
}

impl Site {
    pub(crate) async fn made(directory: &Path) -> Self {
        let mount = directory.join("collector");
        std::fs::create_dir(&mount).expect("a directory");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", SIZE, "tmpfs"])
            .arg(&mount)
            .status()
            .expect("mount");
        assert!(mounted.success(), "a tmpfs is mounted (this test needs root)");
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut site = Self {
            mount,
            running: None,
            agents: nowhere,
            people: nowhere,
            api_token: String::new(),
        };
        site.cli(&["init"]).await;
        site.api_token = site.cli(&["api-token", "create", "--seat", "viewer"]).await;
        site
    }

    fn data(&self) -> PathBuf {
        self.mount.join("data")
    }

    pub(crate) async fn cli(&self, words: &[&str]) -> String {
        let mut command = program("evidenced-collector");
        command.args(words).arg("--data").arg(self.data());
        Ended::of(command).await.out()
    }

    pub(crate) async fn token(&self, uses: usize) -> Token {
        let uses = uses.to_string();
        let token = self.cli(&["token", "create", "--uses", &uses, "--ttl", "30d"]).await;
        token.parse().expect("a token")
    }

    /// Serves at this time, on the ports it had before.
    pub(crate) async fn serve(&mut self, time: &Time) {
        let data = DataDir::open(&self.data()).expect("a data directory");
        let mut config = data.config(None).expect("a configuration");
        (config.agents.listen, config.people.listen) = (self.agents, self.people);
        let running = Running::start(&data, config, time.for_collector()).await;
        let running = running.expect("the collector serves");
        (self.agents, self.people) = (running.agents, running.people);
        self.running = Some(running);
    }

    pub(crate) async fn stop(&mut self) {
        let running = self.running.take().expect("it serves");
        running.stop().await.expect("it stops");
    }

    pub(crate) fn server(&self) -> String {
        format!("https://{}", self.agents)
    }

    pub(crate) fn api(&self) -> Api {
        Api::at(self.people, &self.api_token)
    }

    /// Leaves no room on its file system, or gives it back.
    pub(crate) fn set_full(&self, full: bool) {
        let path = self.mount.join("ballast");
        if !full {
            return std::fs::remove_file(path).expect("removed");
        }
        let mut ballast = std::fs::File::create(path).expect("a file");
        // Ends when there is no room: that is what it is for.
        let filled = std::io::copy(&mut std::io::repeat(0), &mut ballast);
        assert!(filled.is_err_and(|error| error.kind() == std::io::ErrorKind::StorageFull));
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // Lazily: files of a test that failed may still be open.
        let _ = Command::new("umount").arg("-l").arg(&self.mount).status();
    }
}
