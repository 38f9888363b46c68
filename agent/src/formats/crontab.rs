//! crontab(5) and anacrontab(5): jobs with their time, user and command.

/// One line that starts something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub schedule: String,
    /// Where the table names one.
    pub user: Option<String>,
    pub command: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Of one person: no user on the line.
    Personal,
    /// /etc/crontab and /etc/cron.d.
    System,
    /// Period, delay, name, command.
    Anacron,
}

const NICKNAMES: [&str; 9] = [
    "@reboot",
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@midnight",
    "@hourly",
    "@every_minute",
];

/// Every entry, or the line (from 1) that is none: cron refuses the whole table for it.
pub fn parse(text: &str, form: Form) -> Result<Vec<Entry>, usize> {
    let mut entries = Vec::new();
    for (line, number) in text.lines().map(str::trim).zip(1usize..) {
        if line.is_empty() || line.starts_with('#') || is_assignment(line) {
            continue;
        }
        // cron takes a time without a command, and runs nothing.
        let is_bare =
            || line.split_whitespace().count() == 5 && line.split_whitespace().all(is_field);
        if form == Form::Personal && is_bare() {
            continue;
        }
        entries.push(entry(line, form).ok_or(number)?);
    }
    Ok(entries)
}

/// `NAME = value`, with blanks and quotes as one likes.
fn is_assignment(line: &str) -> bool {
    let Some((name, _)) = line.split_once('=') else { return false };
    let name = name.trim().trim_matches(['"', '\'']);
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn entry(line: &str, form: Form) -> Option<Entry> {
    let fields = match form {
        Form::Anacron => 2,
        _ if line.starts_with('@') => 1,
        _ => 5,
    };
    let mut rest = line;
    let mut schedule = Vec::new();
    for _ in 0..fields {
        schedule.push(word(&mut rest)?);
    }
    let sound = match form {
        Form::Anacron => is_period(schedule[0]) && schedule[1].bytes().all(|b| b.is_ascii_digit()),
        _ if fields == 1 => NICKNAMES.contains(&schedule[0]),
        _ => schedule.iter().all(|field| is_field(field)),
    };
    let user = match form {
        Form::Personal => None,
        // Some crons take a mark before the name for silence, or classes after it.
        Form::System => Some(word(&mut rest)?.split(':').next()?.to_owned()),
        Form::Anacron => {
            word(&mut rest)?;
            None
        }
    };
    let command = rest.trim();
    // `-` before the minute of SUSE's cron keeps it from logging.
    (sound && !command.is_empty()).then(|| Entry {
        schedule: schedule.join(" "),
        user,
        command: command.to_owned(),
    })
}

fn word<'l>(rest: &mut &'l str) -> Option<&'l str> {
    let line = rest.trim_start();
    let (word, after) = line.split_once([' ', '\t'])?;
    *rest = after;
    Some(word)
}

fn is_period(word: &str) -> bool {
    word.starts_with('@') || word.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_field(word: &str) -> bool {
    let word = word.strip_prefix('-').unwrap_or(word);
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b"*/,-~?#".contains(&b);
    !word.is_empty() && word.bytes().all(is_part)
}

/// Paths that a command names, but for what it writes into; its first word where there is none.
pub fn paths(command: &str) -> (String, Vec<String>) {
    // cron gives what follows `%` to the command as its input.
    let command = command.split('%').next().unwrap_or_default();
    let mut paths = Vec::new();
    let mut is_target = false;
    for word in command.split(|letter: char| letter.is_whitespace() || ";&|()`{}".contains(letter))
    {
        if word.is_empty() {
            continue;
        }
        let (before, after) = word.split_once('>').map_or((word, None), |(b, a)| (b, Some(a)));
        let path = before.trim_matches(['"', '\'']).trim_start_matches('<');
        if !is_target && path.starts_with('/') && path.len() > 1 && path.bytes().all(is_plain) {
            paths.push(path.to_owned());
        }
        is_target = after.is_some_and(|after| after.trim_start_matches(['>', '&']).is_empty());
    }
    // `PASSWORD=… pg_dump`: what is set before a program is no name of one.
    let first = command.split_whitespace().find(|word| !word.contains('=')).unwrap_or_default();
    let first = if first.bytes().all(is_plain) { first } else { "" };
    (paths.first().cloned().unwrap_or_else(|| first.to_owned()), paths)
}

/// What names of programs are made of; other letters may be those of a secret.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/._+@-".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_are_entries_assignments_or_wrong() {
        let text = "SHELL=/bin/sh\n MAILTO = \"\"\n# x\n17 *\t* * *\troot\tcd / && run-parts /etc/cron.hourly\n@daily ada /opt/x --password y\n";
        let entries = parse(text, Form::System).expect("a table");
        assert_eq!(entries[0].schedule, "17 * * * *");
        assert_eq!(entries[0].user.as_deref(), Some("root"));
        assert_eq!(entries[1].schedule, "@daily");
        assert_eq!(entries[1].command, "/opt/x --password y");
        assert_eq!(parse("* * * * *\n", Form::Personal), Ok(vec![]));
        assert_eq!(parse("* * * *\n", Form::Personal), Err(1));
        assert_eq!(parse("# x\n! * * * * /bin/x\n", Form::Personal), Err(2));
        assert_eq!(parse("@sometimes /bin/x\n", Form::Personal), Err(1));
        assert_eq!(
            parse("1 5 cron.daily run-parts /etc/cron.daily\n", Form::Anacron)
                .expect("a table")
                .len(),
            1
        );
    }

    #[test]
    fn of_a_command_only_paths_are_told_and_none_that_it_writes() {
        for (command, first, all) in [
            ("/opt/x --password y", "/opt/x", vec!["/opt/x"]),
            ("sh /opt/y.sh > /var/log/y.log 2>&1", "/opt/y.sh", vec!["/opt/y.sh"]),
            (
                "cd /srv && /usr/bin/php /srv/a.php >>/tmp/l",
                "/srv",
                vec!["/srv", "/usr/bin/php", "/srv/a.php"],
            ),
            ("pg_dump hidden", "pg_dump", vec![]),
            ("PGPASSWORD=hidden pg_dump all", "pg_dump", vec![]),
            (
                "PGPASSWORD=hidden /usr/bin/pg_dump all",
                "/usr/bin/pg_dump",
                vec!["/usr/bin/pg_dump"],
            ),
            ("curl /hook?hidden=1", "curl", vec![]),
            ("{echo,hidden}", "", vec![]),
            ("mail -s x%/etc/shadow", "mail", vec![]),
        ] {
            assert_eq!(
                paths(command),
                (first.to_owned(), all.iter().map(|p| (*p).to_owned()).collect()),
                "{command}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in "\\PC{0,200}") {
            for form in [Form::Personal, Form::System, Form::Anacron] {
                if let Ok(entries) = parse(&text, form) {
                    for entry in entries {
                        let _ = paths(&entry.command);
                    }
                }
            }
        }
    }
}
