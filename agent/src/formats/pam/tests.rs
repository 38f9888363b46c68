use super::*;
use proptest::prelude::*;
use stack::{Handler, stack};
use std::collections::BTreeSet;

fn load(text: &str, files: &[(&str, &str)]) -> Vec<Handler> {
    let lines = parse(text, false).expect("lines");
    let mut open = |name: &str| {
        let file = files.iter().find(|(file, _)| *file == name);
        file.map(|(_, text)| parse(text, false)).transpose()
    };
    stack(&lines, Facility::Auth, &mut open).expect("a stack")
}

/// Every ending when each module may succeed or fail; marks say which succeeded, by the number that
/// is its argument.
fn endings(stack: &[Handler]) -> BTreeSet<walk::Ending> {
    let mut outcomes = |handler: &Handler, marks: u8| {
        let bit: u32 = handler.what.arguments()[0].parse().expect("a number");
        vec![(SUCCESS, marks | 1 << bit), (AUTH_ERR, marks)]
    };
    walk::endings(stack, &mut outcomes).expect("few ways")
}

fn successes(text: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let endings = endings(&load(text, files));
    endings.into_iter().filter(|(success, _)| *success).map(|(_, marks)| marks).collect()
}

#[test]
fn a_module_behind_a_sufficient_one_is_not_needed() {
    let text = "auth sufficient a.so 0\nauth required b.so 1\n";
    assert_eq!(successes(text, &[]), [0b01, 0b10]);
    let text = "auth required b.so 1\nauth sufficient a.so 0\n";
    assert_eq!(successes(text, &[]), [0b10, 0b11]);
}

#[test]
fn a_jump_passes_over_whole_substacks_and_not_past_the_end() {
    let files = [("two", "auth required x.so 1\nauth required y.so 2\n")];
    let text = "auth [success=1 default=die] a.so 0\nauth substack two\nauth required z.so 3\n";
    // The line of the substack is a step, and takes all of its lines with it.
    assert_eq!(successes(text, &files), [0b1001]);
    let text = "auth [success=2 default=ignore] a.so 0\nauth required z.so 3\n";
    assert_eq!(successes(text, &[]), [0b1000]);
}

#[test]
fn a_decision_in_a_substack_ends_the_substack_only() {
    let files = [("one", "auth sufficient x.so 0\nauth required y.so 1\n")];
    let substack = "auth substack one\nauth required z.so 2\n";
    assert_eq!(successes(substack, &files), [0b101, 0b110]);
    let include = "auth include one\nauth required z.so 2\n";
    assert_eq!(successes(include, &files), [0b001, 0b110]);
}

#[test]
fn words_in_brackets_are_one_and_comments_are_none() {
    let text =
        "# note\nauth [success=ok\tdefault=bad] a.so [x y=\\]] z # more\nAuth \\\n Required b.so\n";
    let lines = parse(text, false).expect("lines");
    let words = |line: &Line| match &line.what {
        What::Module { path, arguments, .. } => (path.clone(), arguments.join("|")),
        other => panic!("{other:?}"),
    };
    assert_eq!(words(&lines[0]), ("a.so".to_owned(), "x y=]|z".to_owned()));
    assert_eq!(words(&lines[1]), ("b.so".to_owned(), String::new()));
    assert_eq!(lines.len(), 2);
}

#[test]
fn a_line_that_is_not_finished_or_too_long_is_refused() {
    assert_eq!(parse("auth required a.so\nauth required \\\n", false), Err(2));
    assert_eq!(parse(&format!("auth required a.so {}\n", "x".repeat(1000)), false), Err(1));
    assert_eq!(parse("auth required \\\n\na.so\n", false), Err(2));
}

#[test]
fn files_that_include_one_another_end() {
    let files = [("a", "auth include a\nauth include a\n")];
    let lines = parse(files[0].1, false).expect("lines");
    let mut open = |_: &str| Ok::<_, usize>(Some(lines.clone()));
    assert_eq!(stack(&lines, Facility::Auth, &mut open), Err(stack::StackError::TooLong));
}

#[test]
fn every_control_is_what_the_manual_says() {
    let required = control("required");
    assert_eq!(
        required,
        control(
            "[success=ok new_authtok_reqd=ok ignore=ignore default=bad]".trim_matches(['[', ']'])
        )
    );
    assert_eq!(control("success=0"), [Action::Bad; 32]);
    assert_eq!(control("nothing"), [Action::Bad; 32]);
    assert_eq!(control("success=12")[SUCCESS], Action::Jump(12));
    assert_eq!(control("default=ignore success=bad")[SUCCESS], Action::Bad);
}

proptest! {
    #[test]
    fn every_text_has_an_answer(text in "(?s)[ -~\n\t]{0,300}", named in any::<bool>()) {
        if let Ok(lines) = parse(&text, named) {
            let mut open = |_: &str| Ok::<_, usize>(None);
            let _ = stack(&lines, Facility::Auth, &mut open).map(|stack| {
                walk::endings(&stack, &mut |_, marks| vec![(SUCCESS, marks), (AUTH_ERR, marks)])
            });
        }
    }
}
