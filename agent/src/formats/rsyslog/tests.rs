use super::*;

fn read(text: &str) -> Result<Vec<Forward>, Fault> {
    forwards("/etc/rsyslog.conf", text, &mut |_, _| Err("no includes here"))
}

/// `protocol target port tls conditional`.
fn lines(text: &str) -> Vec<String> {
    lines_of(&format!("module(load=\"imuxsock\") {text}"))
}

fn lines_of(text: &str) -> Vec<String> {
    let forwards = read(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    let line = |f: &Forward| {
        let tls = if f.tls { " tls" } else { "" };
        let conditional = if f.conditional { " conditional" } else { "" };
        format!("{:?} {} {}{tls}{conditional}", f.protocol, f.target, f.port)
    };
    forwards.iter().map(line).collect()
}

#[test]
fn every_way_to_forward_everything_is_seen() {
    let cases = [
        ("*.* @log.example.org\n", "Udp log.example.org 514"),
        ("*.*\t@@(o)192.0.2.7:6514;RSYSLOG_Format\n", "Tcp 192.0.2.7 6514"),
        ("*.* @[2001:db8::7]:514\n", "Udp 2001:db8::7 514"),
        ("$ModLoad omrelp\n*.* :omrelp:192.0.2.7:2514\n", "Relp 192.0.2.7 2514"),
        (
            "action(type=\"omfwd\" target=\"a.example\" # note\n protocol=\"tcp\")",
            "Tcp a.example 514",
        ),
        ("*.* action(type=\"omfwd\"\n  Target=\"a.example\")\n", "Udp a.example 514"),
        (
            "module(load=\"omrelp\")\naction(type=\"omrelp\" target=\"a.example\" port=\"1\" tls=\"on\")",
            "Relp a.example 1 tls",
        ),
        (
            "$DefaultNetstreamDriver gtls\n$ActionSendStreamDriverMode 1\n*.* @@a.example:6514",
            "Tcp a.example 6514 tls",
        ),
        (
            "action(type=\"omfwd\" target=\"a.example\" protocol=\"tcp\" StreamDriver=\"ossl\" \
             StreamDriverMode=\"1\")",
            "Tcp a.example 514 tls",
        ),
    ];
    for (text, expect) in cases {
        assert_eq!(lines(text), [expect], "{text}");
    }
}

#[test]
fn what_is_commented_out_forwards_nothing() {
    for text in ["#*.* @a.example\n", "/* *.* @a.example\n */\n", "mail.* /x # @a.example\n", ""] {
        assert_eq!(lines(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn what_not_every_message_reaches_is_conditional() {
    for text in [
        "auth.* @a.example\n",
        ":msg, contains, \"then *.* @b.example\" @a.example\n",
        "if $msg contains 'x then @b' then @a.example\n",
        "if ($a == 1) then {\n  /var/log/x\n  @a.example\n}\n",
        "if $a == 1 then stop\n*.* @a.example\n",
        ":msg, contains, \"x\" ~\n*.* @a.example\n",
        "ruleset(name=\"x\") { stop action(type=\"omfwd\" target=\"a.example\") }\n",
        "$RuleSet other\n*.* @a.example\n",
        "if $a == 1 then /var/log/x\nelse @a.example\n",
        "mail.* /var/log/mail\n& @a.example\n",
        "action(type=\"omfwd\" target=\"a.example\" action.execOnlyWhenPreviousIsSuspended=\"on\")",
    ] {
        assert_eq!(lines(text), ["Udp a.example 514 conditional"], "{text}");
    }
    let text = "ruleset(name=\"x\") { stop }\n*.* @a.example\n";
    assert_eq!(lines(text), ["Udp a.example 514"], "a discard elsewhere");
}

#[test]
fn without_an_input_of_this_host_nothing_of_it_is_forwarded() {
    for text in [
        "*.* @a.example\n",
        "module(load=\"imudp\")\n*.* @a.example\n",
        "module(load=\"imuxsock\" SysSock.Use=\"off\")\n*.* @a.example\n",
        "module(load=\"imjournal\" ruleset=\"x\")\n*.* @a.example\n",
        "$ModLoad imuxsock\n$OmitLocalLogging on\n*.* @a.example\n",
    ] {
        assert_eq!(lines_of(text), ["Udp a.example 514 conditional"], "{text}");
    }
    for (input, needs_handing_on) in [("imuxsock", true), ("imjournal", false)] {
        let forwards = read(&format!("$ModLoad {input}\n*.* @a.example\n")).expect("parsed");
        assert!(!forwards[0].conditional, "{input}");
        assert_eq!(forwards[0].needs_handing_on, needs_handing_on, "{input}");
    }
}

#[test]
fn half_of_tls_is_none() {
    for text in [
        "$DefaultNetstreamDriver gtls\n*.* @@a.example",
        "$ActionSendStreamDriverMode 1\n*.* @@a.example",
        "$DefaultNetstreamDriver ptcp\n$ActionSendStreamDriverMode 1\n*.* @@a.example",
        "$DefaultNetstreamDriver gtls\n$ActionSendStreamDriverMode 1\n$ResetConfigVariables\n\
         *.* @@a.example",
        "$DefaultNetstreamDriver gtls\n*.* @@a.example\n$ActionSendStreamDriverMode 1\n",
    ] {
        assert_eq!(lines(text), ["Tcp a.example 514"], "{text}");
    }
    let udp = "$DefaultNetstreamDriver gtls\n$ActionSendStreamDriverMode 1\n*.* @a.example";
    assert_eq!(lines(udp), ["Udp a.example 514"], "UDP is never encrypted");
}

#[test]
fn what_is_not_known_is_a_fault_with_its_line() {
    for text in [
        "\n!prog\n",
        "\naction(type=\"omkafka\" broker=\"a\")\n",
        "\n*.* :omelasticsearch:\n",
        "\naction(type=\"omfwd\" target=`echo $HOST`)\n",
        "\naction(type=\"omfwd\" target=[\"a\", \"b\"])\n",
        "\n*.* @a.example:syslog\n",
        "\n*.*\n",
        "\nwhatever\n",
        "\naction(type=\"omfwd\"",
        "\n*.* :omrelp:a.example:1\n",
    ] {
        let fault = read(text).expect_err(text);
        assert_eq!(fault.line, 2, "{text}: {fault}");
    }
    assert!(read(&"{".repeat(5000)).is_err());
}

/// The files of all messages; `None` where that is not known.
fn files(text: &str) -> Option<Vec<String>> {
    let text = format!("module(load=\"imuxsock\")\n{text}");
    let ways = ways("/etc/rsyslog.conf", &text, &mut |_, _| Err("no includes here"));
    ways.unwrap_or_else(|fault| panic!("{text}: {fault}")).files
}

#[test]
fn files_that_everything_goes_to_are_known() {
    for (text, expected) in [
        (
            "*.*;auth,authpriv.none\t\t-/var/log/syslog\nauth.* /var/log/auth.log\n",
            Some("/var/log/syslog"),
        ),
        ("*.info;mail.none;authpriv.none;cron.none /var/log/messages\n", Some("/var/log/messages")),
        ("*.* action(type=\"omfile\" file=\"/var/log/all\")\n", Some("/var/log/all")),
        ("action(type=\"omfile\" file=\"/var/log/all\")\n", Some("/var/log/all")),
        (
            ":syslogtag, isequal, \"[A]\" /var/log/a\n& stop\n*.* /var/log/all\n",
            Some("/var/log/all"),
        ),
        (":msg, contains, \"x\" ~\n*.* /var/log/all;RSYSLOG_FileFormat\n", Some("/var/log/all")),
        ("*.* /var/log/all\n*.* stop\n", Some("/var/log/all")),
        ("ruleset(name=\"x\") { stop }\n*.* /var/log/all\n", Some("/var/log/all")),
        ("#*.* /var/log/syslog\n", Some("")),
        ("*.err /var/log/syslog\n", Some("")),
        ("*.*;daemon.none /var/log/syslog\n", Some("")),
        ("mail.* /var/log/syslog\n", Some("")),
        ("*.* stop\n*.* /var/log/syslog\n", Some("")),
        ("*.info stop\n*.* /var/log/syslog\n", Some("")),
        ("mail.* /var/log/mail\n& /var/log/syslog\n", Some("")),
        ("if $a == 1 then /var/log/syslog\n", Some("")),
        ("$RuleSet other\n*.* /var/log/syslog\n", Some("")),
        ("*.* ?Dynamic\n", Some("")),
        ("if $syslogseverity > 2 then stop\n*.* /var/log/syslog\n", None),
        (":msg, !contains, \"x\" ~\n*.* /var/log/syslog\n", None),
        (":msg, contains, \"\" ~\n*.* /var/log/syslog\n", None),
        ("daemon.* stop\n*.* /var/log/syslog\n", None),
        ("call other\n*.* /var/log/syslog\n", None),
    ] {
        let joined = files(text).map(|files| files.join(" "));
        assert_eq!(joined.as_deref(), expected, "{text}");
    }
    let ways = ways("f", "*.* /var/log/syslog\n", &mut |_, _| Err("no includes here"));
    assert_eq!(ways.expect("read").files, Some(vec![]), "nothing comes in");
}
