//! The HTTP interface for programs and operators.

use evidenced_tests::{Agent, Answer, Collector, Root, Store};

const READ: [&str; 5] = [
    "/api/v1/hosts",
    "/api/v1/controls",
    "/api/v1/results",
    "/api/v1/drifts",
    "/api/v1/log/checkpoint",
];

fn problem(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.content_type, "application/problem+json");
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    assert!(problem["type"].is_string(), "{problem}");
    format!("{} {}", problem["title"], problem["detail"])
}

#[tokio::test]
async fn the_api_is_for_those_with_a_token() {
    let collector = Collector::start(Store::Sqlite).await;
    for path in READ {
        let words = problem(&collector.stranger().get(path).await, 401);
        assert!(words.contains("bearer token"), "{path}: {words}");
        let wrong = collector.stranger().with_token("invented").get(path).await;
        problem(&wrong, 401);
        collector.api().document(path).await;
    }
    // An enrolment token is none.
    let token = collector.token().await;
    problem(&collector.stranger().with_token(&token).get("/api/v1/hosts").await, 401);
}

#[tokio::test]
async fn a_question_the_api_does_not_understand_is_refused_in_words() {
    let collector = Collector::start(Store::Sqlite).await;
    let api = collector.api();
    let outcome = problem(&api.get("/api/v1/results?outcome=failed").await, 400);
    assert!(outcome.contains("pass, fail, unknown, not_applicable"), "{outcome}");
    problem(&api.get("/api/v1/drifts?state=closed").await, 400);
    problem(&api.get("/api/v1/results?host=web-01").await, 400);
    problem(&api.get("/api/v1/results?outcom=fail").await, 400);
    problem(&api.get("/api/v1/hosts/01ARZ3NDEKTSV4RRFFQ69G5FAV").await, 404);
    problem(&api.get("/api/v1/nothing").await, 404);
}

#[tokio::test]
async fn operators_need_no_token_and_metrics_name_no_host() {
    let collector = Collector::start(Store::Sqlite).await;
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    agent.reports().await;
    let hosts = collector.api().items("/api/v1/hosts").await;
    let name = hosts[0]["name"].as_str().expect("name").to_owned();
    let stranger = collector.stranger();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(stranger.get(path).await.status, 200, "{path}");
    }
    let metrics = stranger.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.content_type.starts_with("application/openmetrics-text"));
    for line in [
        "evidenced_check_ins_total{outcome=\"accepted\"} ",
        "evidenced_enrolments_total{outcome=\"accepted\"} 1",
        "evidenced_hosts{state=\"active\"} 1",
    ] {
        assert!(metrics.body.contains(line), "{line}\n{}", metrics.body);
    }
    assert!(metrics.body.ends_with("# EOF\n"), "OpenMetrics has an end");
    assert!(!metrics.body.contains(&agent.host()) && !metrics.body.contains(&name), "{name}");
}
