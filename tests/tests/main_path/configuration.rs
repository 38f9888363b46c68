//! A configuration that cannot be meant stops the program, and says where.

use evidenced_tests::{Agent, Collector, Ended, Store, program};

#[tokio::test]
async fn an_unknown_key_stops_the_collector_and_is_named_with_its_place() {
    let collector = Collector::start(Store::Sqlite).await;
    let directory = tempfile::tempdir().expect("directory");
    let file = directory.path().join("collector.toml");
    std::fs::write(&file, "[ingest]\nqueue = 7\n\n[people]\nbehind_prxy = true\n")
        .expect("written");
    let mut serve = program("evidenced-collector");
    serve.arg("serve").arg("--data").arg(collector.data()).arg("--config").arg(&file);
    let ended = Ended::of(serve).await;
    assert_ne!(ended.code, Some(0));
    let place = format!("{}:5:1: unknown key `behind_prxy`", file.display());
    assert!(ended.stderr.contains(&place), "{}", ended.stderr);
    assert!(ended.stderr.contains("did you mean `behind_proxy`?"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "", "it was never ready");
}

#[tokio::test]
async fn an_unknown_key_stops_the_agent_and_is_named_with_its_place() {
    let collector = Collector::start(Store::Sqlite).await;
    let agent = Agent::enrolled(&collector).await;
    let directory = tempfile::tempdir().expect("directory");
    let file = directory.path().join("agent.toml");
    let run = async |text: &str| {
        std::fs::write(&file, text).expect("written");
        let mut run = program("evidenced-agent");
        run.args(["run", "--once", "--state"]).arg(agent.state()).arg("--config").arg(&file);
        Ended::of(run).await
    };
    for (text, place, near) in [
        ("[ship]\nretry_mx = \"5m\"\n", ":2:1: ", "retry_max"),
        ("[spool]\nmax_age = \"30d\"\n\n[shedule]\n", ":4:2: ", "schedule"),
        ("[schedule]\nacounts = \"off\"\n", ":2:1: ", "accounts"),
    ] {
        let ended = run(text).await;
        assert_ne!(ended.code, Some(0), "{text}");
        let place = format!("{}{place}", file.display());
        assert!(ended.stderr.contains(&place), "{place}\n{}", ended.stderr);
        assert!(ended.stderr.contains(&format!("did you mean `{near}`?")), "{}", ended.stderr);
    }
    assert_eq!(agent.chain()["next_seq"], 0, "nothing was gathered");
}
