//! A snapshot, from the agent's check-in to what an auditor does with the archive: with tools that
//! are not ours.

use crate::view::results;
use evidenced_tests::{Agent, Collector, Ended, Root, Store};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A collector with a host that fails something, and its snapshots.
struct Site {
    collector: Collector,
    agent: Agent,
    directory: TempDir,
}

impl Site {
    async fn new(store: Store) -> Self {
        let collector = Collector::start(store).await;
        let root = Root::debian();
        root.append("etc/passwd", "toor:x:0:0:Toor:/root:/bin/bash\n");
        root.append("etc/shadow", "toor:$y$j9T$invented$invented:20100:0:99999:7:::\n");
        let agent = Agent::enrolled(&collector).await.root(&root);
        agent.reports().await;
        results(&collector.api(), &agent.host()).await;
        Self { collector, agent, directory: tempfile::tempdir().expect("a directory") }
    }

    async fn create(&self, name: &str, more: &[&str]) -> PathBuf {
        let path = self.directory.path().join(name);
        let output = path.to_string_lossy().into_owned();
        let args = [&["snapshot", "create", "--output", &output], more].concat();
        self.collector.cli(&args).await.out();
        path
    }

    /// The archive's files, as an auditor unpacks them.
    fn unpacked(&self, archive: &Path) -> PathBuf {
        let to = archive.with_extension("files");
        std::fs::create_dir(&to).expect("a directory");
        shell(&to, &format!("tar xf {}", archive.display())).out();
        to
    }

    /// `allowed_signers`, as the operator hands it over.
    async fn signers(&self) -> PathBuf {
        let path = self.directory.path().join("allowed_signers");
        let lines = self.collector.cli(&["snapshot", "signers"]).await.out();
        std::fs::write(&path, lines + "\n").expect("written");
        path
    }
}

fn shell(directory: &Path, script: &str) -> Ended {
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", script]).current_dir(directory);
    command.output().expect("bash").into()
}

const LISTING: &str = "diff <(cut -c67- SHA256SUMS | LC_ALL=C sort) <(find . -type f \
     ! -path ./SHA256SUMS ! -path ./SHA256SUMS.sig ! -path ./SHA256SUMS.sig.tsr \
     -printf '%P\\n' | LC_ALL=C sort)";

#[tokio::test]
async fn an_auditor_verifies_a_snapshot_with_ssh_keygen_and_sha256sum() {
    let site = Site::new(Store::Sqlite).await;
    let archive = site.create("one.tar", &["--label", "Audit"]).await;
    let signers = site.signers().await;
    let files = site.unpacked(&archive);
    let verify = format!(
        "ssh-keygen -Y verify -f {} -I collector -n evidenced-snapshot -s SHA256SUMS.sig < SHA256SUMS",
        signers.display()
    );
    assert!(shell(&files, &verify).out().contains("Good \"evidenced-snapshot\" signature"));
    shell(&files, "sha256sum --strict --quiet -c SHA256SUMS").out();
    shell(&files, LISTING).out();
    let host = site.agent.host();
    let document = std::fs::read_to_string(files.join(format!("hosts/{host}.json")));
    let document: serde_json::Value = serde_json::from_str(&document.expect("a host")).expect("JSON");
    assert_eq!(document["disagrees"], serde_json::json!([]));
    assert_eq!(document["judged"], true);

    // The near misses: another purpose, a changed byte, a file more.
    assert_ne!(shell(&files, &verify.replace("-n evidenced-snapshot", "-n git")).code, Some(0));
    shell(&files, "echo >> README.txt").out();
    assert_ne!(shell(&files, "sha256sum --strict --quiet -c SHA256SUMS").code, Some(0));
    shell(&files, "echo > SHA256SUMSx").out();
    assert_ne!(shell(&files, LISTING).code, Some(0));
}
