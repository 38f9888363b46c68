//! Versions of RPM packages and their order, as rpm itself has it (rpm-version(7)).

use std::cmp::Ordering;

/// Which of two `[EPOCH:]VERSION[-RELEASE]` is newer. No epoch is epoch 0, and no release is older
/// than any.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (Parts::of(a), Parts::of(b));
    let order = a.epoch.cmp(&b.epoch).then_with(|| part(a.version, b.version));
    match (a.release, b.release) {
        (Some(x), Some(y)) => order.then_with(|| part(x, y)),
        (x, y) => order.then_with(|| x.is_some().cmp(&y.is_some())),
    }
}

struct Parts<'a> {
    epoch: u64,
    version: &'a str,
    release: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(evr: &'a str) -> Self {
        // What stands before a colon is an epoch only if it is a number, or nothing.
        let digits = evr.bytes().take_while(u8::is_ascii_digit).count();
        let (epoch, rest) = match evr[digits..].strip_prefix(':') {
            Some(rest) => (evr[..digits].parse().unwrap_or(0), rest),
            None => (0, evr),
        };
        match rest.rsplit_once('-') {
            Some((version, release)) => Self { epoch, version, release: Some(release) },
            None => Self { epoch, version: rest, release: None },
        }
    }
}

/// Runs of digits and runs of letters in turn; everything else only parts them, but `~`, which
/// comes before the end, and `^`, which comes after it and before all else.
fn part(mut a: &str, mut b: &str) -> Ordering {
    loop {
        (a, b) = (skip(a), skip(b));
        let (tilde_a, tilde_b) = (a.strip_prefix('~'), b.strip_prefix('~'));
        match (tilde_a, tilde_b) {
            (Some(x), Some(y)) => {
                (a, b) = (x, y);
                continue;
            }
            (None, Some(_)) => return Ordering::Greater,
            (Some(_), None) => return Ordering::Less,
            (None, None) => {}
        }
        match (a.strip_prefix('^'), b.strip_prefix('^')) {
            (Some(x), Some(y)) => {
                (a, b) = (x, y);
                continue;
            }
            (Some(_), None) => {
                return if b.is_empty() { Ordering::Greater } else { Ordering::Less };
            }
            (None, Some(_)) => {
                return if a.is_empty() { Ordering::Less } else { Ordering::Greater };
            }
            (None, None) => {}
        }
        if a.is_empty() || b.is_empty() {
            return a.len().min(1).cmp(&b.len().min(1));
        }
        let is_number = a.starts_with(|c: char| c.is_ascii_digit());
        let of_this_sort = |c: char| match is_number {
            true => c.is_ascii_digit(),
            false => c.is_ascii_alphabetic(),
        };
        let ((run_a, rest_a), (run_b, rest_b)) = (split(a, of_this_sort), split(b, of_this_sort));
        if run_b.is_empty() {
            // Numbers are newer than letters.
            return if is_number { Ordering::Greater } else { Ordering::Less };
        }
        let order = if is_number { number(run_a, run_b) } else { run_a.cmp(run_b) };
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

fn skip(text: &str) -> &str {
    text.trim_start_matches(|c: char| !c.is_ascii_alphanumeric() && c != '~' && c != '^')
}

fn split(text: &str, inside: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !inside(c)).unwrap_or(text.len()))
}

/// Numbers of any length.
fn number(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fmt::Write as _;

    /// What rpm(8) says of pairs, in one run.
    fn rpm(pairs: &[(String, String)]) -> Vec<Ordering> {
        let mut program = String::from("%{lua:");
        for (a, b) in pairs {
            write!(program, "print(rpm.vercmp(\"{a}\", \"{b}\") .. \" \") ").expect("text");
        }
        program.push('}');
        let output = std::process::Command::new("rpm").args(["--eval", &program]).output();
        let text = String::from_utf8(output.expect("rpm runs").stdout).expect("UTF-8");
        let answers = text.split_ascii_whitespace();
        answers.map(|n| n.parse::<i32>().expect(&text).cmp(&0)).collect()
    }

    #[test]
    fn versions_are_in_the_order_of_rpm() {
        let ascending = [
            "5.14.0~rc1-1.el9",
            "5.14.0-9.el9",
            "5.14.0-503.el9",
            "5.14.0-503.11.1.el9_5",
            "5.14.0-503.11.1.el9_6",
            "5.14.0^20260101git-1",
            "5.14.0.1-1",
            "5.14.10-1",
            "1:0.1-1",
        ];
        let pairs: Vec<_> =
            ascending.windows(2).map(|two| (two[0].to_owned(), two[1].to_owned())).collect();
        for ((a, b), said) in pairs.iter().zip(rpm(&pairs)) {
            assert_eq!(compare(a, b), Ordering::Less, "{a} {b}");
            assert_eq!(compare(b, a), Ordering::Greater, "{b} {a}");
            assert_eq!(said, Ordering::Less, "{a} {b}");
        }
        assert_eq!(compare("0:1.0-1", "1.0-1"), Ordering::Equal);
        assert_eq!(compare("1.0", "1.0-7"), Ordering::Less);
    }

    fn version() -> impl Strategy<Value = String> {
        "([0-2]:)?[0-9a-c.+~^_]{1,7}(-[0-9a-c.+~^]{1,4})?"
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..Default::default() })]

        #[test]
        fn the_order_is_that_of_rpm(
            pairs in prop::collection::vec((version(), version()), 60),
        ) {
            for ((a, b), said) in pairs.iter().zip(rpm(&pairs)) {
                prop_assert_eq!(compare(a, b), said, "{} {}", a, b);
            }
        }
    }
}
