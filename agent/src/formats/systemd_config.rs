//! Configuration files of systemd (systemd.syntax(7)): sections, `Key=value`, comments, lines that
//! continue; times (systemd.time(7)), sizes and booleans. What systemd would skip with a warning is
//! refused here: then nobody can tell what its author meant to be in force.

/// `Key=value` lines of one section, in order. The error names the line, from 1.
pub fn settings(text: &str, section: &str) -> Result<Vec<(String, String)>, usize> {
    let mut inside = false;
    let mut found = Vec::new();
    let mut joined: Option<String> = None;
    for (index, raw) in text.lines().enumerate() {
        let line = raw.trim();
        if line.starts_with(['#', ';']) || (line.is_empty() && joined.is_none()) {
            continue;
        }
        let whole = joined.take().unwrap_or_default() + line;
        if let Some(start) = whole.strip_suffix('\\') {
            joined = Some(format!("{start} "));
            continue;
        }
        if whole.starts_with('[') {
            let name = whole.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            inside = name.ok_or(index + 1)? == section;
            continue;
        }
        let (key, value) = whole.split_once('=').ok_or(index + 1)?;
        if inside {
            found.push((key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    joined.map_or(Ok(found), |_| Err(text.lines().count()))
}

/// The words of a value, each as a whole in quotes or without (systemd.syntax(7)). `None` for a quote
/// that is left open or stands inside a word, and for backslashes.
pub fn words(value: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = value.trim();
    while let Some(first) = rest.chars().next() {
        let end = |c: char| c.is_whitespace();
        let (word, after) = match first {
            '"' | '\'' => rest.get(1..)?.split_once(first)?,
            _ => rest.split_at(rest.find(end).unwrap_or(rest.len())),
        };
        let is_plain = |c: char| !matches!(c, '"' | '\'' | '\\');
        let is_quoted = matches!(first, '"' | '\'');
        if word.contains('\\')
            || !(is_quoted || word.chars().all(is_plain))
            || !(after.is_empty() || after.starts_with(end))
        {
            return None;
        }
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    Some(words)
}

/// Seconds of a time span of whole numbers; a number alone is seconds.
pub fn seconds(text: &str) -> Option<i64> {
    let mut total: i64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: i64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        total = total.checked_add(number.checked_mul(unit(&rest[..letters])?)?)?;
        rest = rest[letters..].trim_start();
    }
    Some(total)
}

fn unit(name: &str) -> Option<i64> {
    Some(match name {
        "" | "seconds" | "second" | "sec" | "s" => 1,
        "minutes" | "minute" | "min" | "m" => 60,
        "hours" | "hour" | "hr" | "h" => 3600,
        "days" | "day" | "d" => 86_400,
        "weeks" | "week" | "w" => 604_800,
        "months" | "month" | "M" => 2_629_800,
        "years" | "year" | "y" => 31_557_600,
        _ => return None,
    })
}

/// Bytes of a whole number with a suffix to the base 1024.
pub fn bytes(text: &str) -> Option<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: i64 = text[..digits].parse().ok()?;
    let factor: i64 = match text[digits..].trim() {
        "" | "B" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor).filter(|bytes| *bytes < 1 << 53)
}

pub fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lines_of_the_section_count() {
        let text =
            "[Other]\nA=1\n[Journal]\n#A=2\n;A=3\n A = 4 \nB=x \\\n# between\n y\n[Z]\nA=5\n";
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(settings(text, "Journal"), Ok(vec![pair("A", "4"), pair("B", "x  y")]));
        assert_eq!(settings("[Journal]\nStorage none\n", "Journal"), Err(2));
        assert_eq!(settings("[Journal\nStorage=none\n", "Journal"), Err(1));
        assert_eq!(settings("[Journal]\nStorage=none\\", "Journal"), Err(2));
    }

    #[test]
    fn spans_and_sizes_are_whole_numbers_with_units() {
        assert_eq!(seconds("90"), Some(90));
        assert_eq!(seconds("1month 2day"), Some(2_629_800 + 172_800));
        assert_eq!(seconds("1h30min"), Some(5400));
        for text in ["", "1.5h", "1 fortnight", "infinity", "-1", "h"] {
            assert_eq!(seconds(text), None, "{text}");
        }
        assert_eq!(bytes("2G"), Some(2 << 30));
        assert_eq!(bytes("0"), Some(0));
        for text in ["", "G", "1.5G", "10%", "infinity", "9000000T"] {
            assert_eq!(bytes(text), None, "{text}");
        }
        assert_eq!(
            (boolean("On"), boolean("n"), boolean("maybe")),
            (Some(true), Some(false), None)
        );
    }
}
