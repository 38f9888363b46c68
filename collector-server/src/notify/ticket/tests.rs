use super::*;
use crate::config::Config;

fn section(text: &str) -> Result<Ticket, String> {
    // The program does it in `main`; a second time does nothing.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let config = Config::parse(text, "collector.toml").map_err(|error| error.to_string())?;
    let ticket = config.notify.ticket.first().ok_or("no section")?;
    Ticket::new(ticket).map_err(|error| error.to_string())
}

fn with(open: &str, more: &str) -> Result<Ticket, String> {
    section(&format!("[[notify.ticket]]\nname = \"jira\"\n{more}\n[notify.ticket.open]\n{open}\n"))
}

const URL: &str = "url = \"https://tickets.example.org/issue\"";

#[test]
fn what_a_host_said_stays_within_its_text() {
    let told = Told {
        title: "a\", \"priority\": \"{severity}".into(),
        severity: "high".into(),
        ..Told::default()
    };
    let body = serde_json::json!({"fields": {"summary": "{severity}: {title}", "n": 1}});
    let filled = each_text(&body, &|text| filled(text, &told, None));
    assert_eq!(filled["fields"]["summary"], "high: a\", \"priority\": \"{severity}");
    assert_eq!(filled["fields"]["n"], 1);
    let url = fill_url("https://t.example.org/{ticket}/note", &told, Some("../admin?x=1"));
    assert_eq!(url, "https://t.example.org/%2E%2E%2Fadmin%3Fx%3D1/note");
}

#[test]
fn what_cannot_be_sent_is_refused_with_what_is_wrong() {
    assert!(with(&format!("{URL}\nbody = {{ summary = \"{{title}}\" }}"), "").is_ok());
    for (open, more, says) in [
        (format!("{URL}\nbody = {{ s = \"{{titel}}\" }}"), "", "`{titel}` stands for nothing"),
        (format!("{URL}\nmethod = \"A B\"\nbody = \"\""), "", "`A B` is no method"),
        ("url = \"http://t.example.org/\"\nbody = \"\"".into(), "", "without TLS"),
        (
            format!("{URL}\nbody = \"\"\n[notify.ticket.resolve]\n{URL}\nbody = \"\""),
            "",
            "`resolve` needs `ticket`",
        ),
        (
            format!("{URL}\nbody = \"\""),
            "authorization_file = \"/nowhere\"",
            "cannot read /nowhere",
        ),
    ] {
        let error = with(&open, more).err().unwrap_or_default();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn a_ticket_is_called_what_the_answer_says() {
    let named = |answer: &str, at: &str| named(answer.as_bytes(), at);
    assert_eq!(named(r#"{"issue":{"key":"OPS-7"}}"#, "/issue/key").as_deref(), Some("OPS-7"));
    assert_eq!(named(r#"{"id":17}"#, "/id").as_deref(), Some("17"));
    assert_eq!(named(r#"{"id":null}"#, "/id"), None);
    assert_eq!(named("<html>", "/id"), None);
}
