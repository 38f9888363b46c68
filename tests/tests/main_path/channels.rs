//! Alerts reach people where they are: in their mail, their chat, their tickets; each who wants to
//! know, and nobody else.

use crate::view::results;
use evidenced_tests::{Agent, Collector, Inbox, Root, Store, holds};
use serde_json::{Value, json};
use std::io::Write;

const TOOR: &str = "toor:x:0:0:<!channel>, Bcc; x@example.org:/root:/bin/bash\n";

/// A collector whose configuration ends with `sections`.
async fn configured(sections: &str) -> Collector {
    let mut collector = Collector::start(Store::Sqlite).await;
    assert!(collector.stop().await.success());
    let config = collector.data().join("collector.toml");
    let mut file = std::fs::File::options().append(true).open(config).expect("configuration");
    write!(file, "\n[notify]\nwait = \"0s\"\n{sections}").expect("written");
    collector.restart().await;
    collector
}

fn sections(inbox: &Inbox) -> String {
    let slack = inbox.secret("slack", &inbox.url("/services/secret"));
    let token = inbox.secret("token", "Bearer a-token\n");
    format!(
        r#"
[[notify.mail]]
name = "lead"
to = ["Lead <lead@example.org>", "deputy@example.org"]
only = {{ controls = ["A.8.2"] }}
[[notify.mail]]
name = "evening"
to = ["evening@example.org"]
lanes = ["queue"]
digest = ["00:00", "06:00", "12:00", "18:00"]
[[notify.mail]]
name = "director"
to = ["director@example.org"]
unacknowledged = "1h"
[[notify.slack]]
name = "chat"
url_file = "{slack}"
lanes = ["page"]
[[notify.slack]]
name = "network"
url_file = "{slack}"
only = {{ groups = ["network"] }}
[[notify.ticket]]
name = "tickets"
authorization_file = "{token}"
ticket = "/issue/key"
only = {{ severity = "high" }}
[notify.ticket.open]
url = "{open}"
body = {{ fields = {{ summary = "{{title}}", labels = ["{{severity}}", "evidenced"], n = 3 }} }}
[notify.ticket.resolve]
method = "PUT"
url = "{resolve}"
body = {{ body = "resolved at {{at}}" }}
{smtp}"#,
        slack = slack.display(),
        token = token.display(),
        open = inbox.url("/issue"),
        resolve = inbox.url("/issue/{ticket}/comment"),
        smtp = inbox.smtp(),
    )
}

/// What the delivery log says of a channel: `what state` in order of time.
async fn deliveries(collector: &Collector, channel: &str) -> Vec<String> {
    let path = format!("/api/v1/deliveries?channel={channel}");
    let mut items = collector.api().items(&path).await;
    items.reverse();
    let word = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
    items.iter().map(|item| format!("{} {}", word(item, "what"), word(item, "state"))).collect()
}

#[tokio::test]
async fn each_alert_reaches_who_wants_to_know_in_the_form_that_they_read() {
    let inbox = Inbox::start();
    let collector = configured(&sections(&inbox)).await;
    assert_eq!(collector.cli(&["notify", "test", "lead"]).await.out(), "lead took it: SMTP 250");
    assert_eq!(collector.cli(&["notify", "test", "chat"]).await.out(), "chat took it: HTTP 201");
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    agent.reports().await;
    results(&collector.api(), &agent.host()).await;

    inbox.is_full();
    let passwd = root.read("etc/passwd");
    root.append("etc/passwd", TOOR);
    root.write(
        "etc/ssh/sshd_config.d/10-x.conf",
        "PermitEmptyPasswords yes\nPasswordAuthentication yes\n",
    );
    agent.reports().await;
    holds("two tickets", async || {
        inbox.requests().iter().filter(|request| request["path"] == "/issue").count() == 2
    })
    .await;
    holds("mail that was refused for now", async || {
        let items = collector.api().items("/api/v1/deliveries?channel=lead").await;
        items.iter().any(|item| item["attempts"][0]["status"] == 452)
    })
    .await;
    inbox.has_room();

    // To the lead of A.8.2 goes what concerns it: within TLS, by name, and as one thread.
    let about = |mail: &Value| mail["body"].as_str().is_some_and(|body| body.contains("(toor)"));
    holds("the mail", async || inbox.mails().iter().any(about)).await;
    let mails = inbox.mails();
    let mail = mails.iter().find(|mail| about(mail)).expect("the mail");
    assert_eq!((&mail["tls"], &mail["by"]), (&json!(true), &json!("evidenced")));
    assert_eq!(mail["to"], json!(["lead@example.org", "deputy@example.org"]));
    let header = |name: &str| mail["headers"][name].as_str().unwrap_or_default().to_owned();
    assert!(header("subject").starts_with("[Evidenced] opened, critical: "), "{mail:#}");
    assert_eq!(header("auto-submitted"), "auto-generated");
    assert!(header("message-id").ends_with("@example.org>") && header("references").contains('@'));
    assert!(header("bcc").is_empty());
    let body = mail["body"].as_str().unwrap_or_default();
    for said in ["Controls: ", "A.8.2", "pass → fail (toor)", "/drift/"] {
        assert!(body.contains(said), "{said}: {body}");
    }

    // The chat hears pages only, another group's nothing.
    let requests = inbox.requests();
    let chat: Vec<_> = requests.iter().filter(|r| r["path"] == "/services/secret").collect();
    assert_eq!(chat.len(), 2, "a trial and a page: {chat:#?}");
    assert!(deliveries(&collector, "network").await.is_empty());
    let ticket = requests.iter().find(|request| request["path"] == "/issue").expect("a ticket");
    assert_eq!(ticket["headers"]["authorization"], "Bearer a-token");
    assert!(ticket["headers"]["idempotency-key"].is_string());
    assert_eq!(ticket["body"]["fields"]["n"], 3);
    assert_eq!(ticket["body"]["fields"]["labels"][1], "evidenced");

    // Evidence resolves the ticket, by the name that its system gave it.
    root.write("etc/passwd", &passwd);
    root.remove("etc/ssh/sshd_config.d/10-x.conf");
    agent.reports().await;
    holds("tickets resolved", async || {
        let requests = inbox.requests();
        requests.iter().filter(|r| r["path"] == "/issue/OPS-7%2Fx/comment").count() == 2
    })
    .await;

    // What waits for its hour waits, and nothing is lost of it; nobody needs to be woken any more.
    let waiting = deliveries(&collector, "evening").await;
    assert!(waiting.iter().any(|line| line == "opened waiting"), "{waiting:?}");
    let director = deliveries(&collector, "director").await;
    assert!(director.contains(&"opened waiting".to_owned()), "{director:?}");
    assert!(!director.contains(&"resolved delivered".to_owned()), "{director:?}");
    let mails = inbox.mails();
    let to = |who: &str| mails.iter().filter(|mail| mail["to"][0] == who).count();
    assert_eq!((to("evening@example.org"), to("director@example.org")), (0, 0));
}

#[tokio::test]
async fn a_channel_that_cannot_be_used_is_named_with_what_is_wrong() {
    let mut collector = Collector::start(Store::Sqlite).await;
    assert!(collector.stop().await.success());
    let config = collector.data().join("collector.toml");
    let whole = std::fs::read_to_string(&config).expect("configuration");
    let mail = "[[notify.mail]]\nname = \"lead\"\nto = [\"lead@example.org\"]\n";
    let smtp = "[notify.smtp]\nhost = \"mail.example.org\"\n";
    for (section, says) in [
        (mail.to_owned(), "no [notify.smtp] host"),
        (format!("{mail}{smtp}security = \"none\"\n"), "without TLS only a server on a loopback"),
        (format!("{mail}quiet = \"22-7\"\n{smtp}"), "write it as 22:00-07:00"),
        (mail.replace("lead@", "lead at ") + smtp, "is no address"),
        (format!("{mail}{mail}{smtp}"), "another channel has this name"),
        (format!("{mail}only = {{ group = [\"web\"] }}\n{smtp}"), "unknown field `group`"),
    ] {
        std::fs::write(&config, format!("{whole}\n{section}")).expect("written");
        let said = collector.cli(&["notify", "test", "lead"]).await.stderr;
        assert!(said.contains(says), "{section}\n{said}");
    }
}
