use super::settings::Settings;
use super::*;

fn settings(text: &str) -> Settings {
    let mut settings = Settings::built_in(false, 900);
    for statement in parse(text).expect(text) {
        if let What::Defaults { scope, settings: lines } = statement.what {
            lines.iter().for_each(|line| settings.apply(scope, line).expect("value"));
        }
    }
    settings
}

#[test]
fn the_last_line_for_everyone_counts() {
    assert!(settings("Defaults use_pty\n").always("use_pty"));
    assert!(!settings("Defaults use_pty\nDefaults !use_pty\n").always("use_pty"));
    assert!(settings("Defaults !use_pty, use_pty\n").always("use_pty"));
}

#[test]
fn a_line_for_some_weakens_what_is_said_for_all_unless_a_later_line_replaces_it() {
    assert!(!settings("Defaults:alice !authenticate\n").always("authenticate"));
    assert!(settings("Defaults:alice !authenticate\n").for_everyone("authenticate"));
    assert!(settings("Defaults:a !use_pty\nDefaults use_pty\n").always("use_pty"));
    assert!(!settings("Defaults!/bin/ls !use_pty\nDefaults use_pty\n").always("use_pty"));
    assert!(!settings("Defaults>root !use_pty\nDefaults use_pty\n").always("use_pty"));
}

#[test]
fn timeouts_are_minutes_with_a_fraction_and_negative_ones_never_end() {
    let timeout = |value: &str| {
        settings(&format!("Defaults timestamp_timeout={value}\n")).longest_timeout_s()
    };
    assert_eq!(settings("").longest_timeout_s(), Some(900));
    assert_eq!(timeout("1.5"), Some(90));
    assert_eq!(timeout("0.001"), Some(1));
    assert_eq!(timeout("-1"), None);
    assert_eq!(settings("Defaults !timestamp_timeout\n").longest_timeout_s(), Some(0));
    let both = "Defaults timestamp_timeout=5\nDefaults:a timestamp_timeout=60\n";
    assert_eq!(settings(both).longest_timeout_s(), Some(3600));
}

#[test]
fn arguments_are_told_apart_and_dropped() {
    let arguments = |command: &str| {
        let statements = parse(&format!("a ALL = {command}\n")).expect(command);
        let What::Grant { privileges, .. } = &statements[0].what else { panic!("{command}") };
        match &privileges[0].commands[0].command.value {
            Command::Path { arguments, .. } => *arguments,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(arguments("/bin/ls"), Arguments::Any);
    assert_eq!(arguments("/bin/ls \"\""), Arguments::None);
    assert_eq!(arguments("/bin/ls -l\\=x /root"), Arguments::Pinned);
    assert_eq!(arguments("/bin/ls /home/*"), Arguments::Pattern);
    assert_eq!(arguments("/bin/ls ^-l$"), Arguments::Pattern);
    assert!(!format!("{:?}", parse("a ALL = /bin/ls --key secret\n")).contains("secret"));
}

#[test]
fn a_number_sign_begins_a_comment_a_number_or_an_include() {
    let statements = parse("#1000 ALL = ALL\n# x ALL = ALL\n #include /x\n#include /y\n");
    let whats: Vec<_> = statements.expect("text").into_iter().map(|s| (s.line, s.what)).collect();
    assert_eq!(whats.len(), 2);
    assert!(matches!(&whats[0], (1, What::Grant { principals, .. })
        if principals[0].value == Member::Id("1000".to_owned())));
    assert_eq!(whats[1], (4, What::Include("/y".to_owned())));
}

#[test]
fn a_comment_is_not_continued_and_everything_else_is() {
    assert_eq!(parse("# a \\\nx ALL = ALL\n").expect("text").len(), 1);
    let continued = parse("x ALL = \\\n  /bin/ls, \\\n/bin/cat\ny ALL = ALL").expect("text");
    assert_eq!(continued.iter().map(|s| s.line).collect::<Vec<_>>(), [1, 4]);
}

#[test]
fn what_breaks_the_grammar_is_named_with_its_line() {
    for (text, line) in [
        ("x ALL\n", 1),
        ("\nx ALL = ls\n", 2),
        ("x ALL = (root ALL\n", 1),
        ("x ALL = \"ALL\n", 1),
        ("User_Alias lower = x\n", 1),
        ("User_Alias ALL = x\n", 1),
        ("x ALL = ALL ALL\n", 1),
        ("% ALL = ALL\n", 1),
        ("x ALL = /bin/ ls\n", 1),
        ("Defaults Use_pty\n", 1),
        ("x ALL = ALL\0\n", 1),
        ("x ALL = /bin/ls\n@include /a b\n", 2),
    ] {
        assert_eq!(parse(text).map_err(|error| error.line), Err(line), "{text:?}");
    }
}
