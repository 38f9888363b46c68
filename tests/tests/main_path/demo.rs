//! The demonstration: a collector that can be looked at without a fleet.

use evidenced_tests::{Ended, program};

async fn collector(args: &[&str]) -> Ended {
    let mut command = program("evidenced-collector");
    command.args(args);
    Ended::of(command).await
}

#[tokio::test]
async fn a_demonstration_holds_a_log_that_verifies_and_what_its_script_says() {
    let directory = tempfile::tempdir().expect("a directory");
    let dir = directory.path().join("demo").display().to_string();
    let made = collector(&["demo", "--data", &dir, "--hosts", "16", "--days", "12"]).await.out();
    assert_eq!(made, "", "what it says of itself is no output");
    let verified = collector(&["log", "verify", "--data", &dir]).await;
    assert_eq!(verified.code, Some(0), "{}", verified.stderr);
    let summary = collector(&["summary", "--data", &dir]).await.out();
    assert!(summary.contains("Databases and caches do not listen on all addresses"), "{summary}");
    assert!(summary.contains(" of 16 hosts: "), "failures are told by rule: {summary}");
    // The script of its last days: a host fell silent, and one more never came.
    assert!(summary.contains("+ 1 missing"), "{summary}");
    // It is never mixed with evidence.
    let again = collector(&["demo", "--data", &dir]).await;
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("is not empty"), "{}", again.stderr);
    let few = collector(&["demo", "--data", "/nonexistent/demo", "--hosts", "3"]).await;
    assert!(few.code == Some(1) && few.stderr.contains("--hosts: 8 to"), "{}", few.stderr);
}
