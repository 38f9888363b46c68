//! login.defs(5), as the tools of the shadow suite read it: one name and value a line, the last
//! line of a name wins, numbers as strtol(3) reads them.

/// The value of a name, or `None` when no line sets it.
pub fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().rev().find_map(|line| {
        let line = line.trim();
        let (key, value) = line.split_once([' ', '\t'])?;
        if line.starts_with('#') || key != name {
            return None;
        }
        let value = value.trim_start_matches([' ', '"', '\t']);
        Some(value.split('"').next().unwrap_or_default())
    })
}

/// The number of a name, or `default` when no line sets it; `None` when its value is no number.
pub fn number(text: &str, name: &str, default: i64) -> Option<i64> {
    let Some(value) = value(text, name) else { return Some(default) };
    let (value, radix) = match value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if value.len() > 1 && value.starts_with('0') => (&value[1..], 8),
        None => (value, 10),
    };
    if !value.starts_with(|first: char| first.is_ascii_hexdigit()) {
        return None;
    }
    i64::from_str_radix(value, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_a_name_wins_and_comments_do_not_count() {
        let text =
            "#UID_MIN 1\nUID_MIN\t\t 500\n  UID_MIN 1000  \nUID_MINI 7\nQUOTED \"a b\"\nBARE\n";
        assert_eq!(value(text, "UID_MIN"), Some("1000"));
        assert_eq!(value(text, "QUOTED"), Some("a b"));
        assert_eq!(value(text, "BARE"), None);
        assert_eq!(number(text, "UID_MIN", 1), Some(1000));
        assert_eq!(number(text, "UID_MAX", 60000), Some(60000));
    }

    #[test]
    fn a_number_is_hexadecimal_octal_or_decimal_and_nothing_else() {
        for (text, want) in
            [("N 0x3E8", Some(1000)), ("N 01750", Some(1000)), ("N 0", Some(0)), ("N 1k", None)]
        {
            assert_eq!(number(text, "N", 5), want, "{text}");
        }
        assert_eq!(number("N -1", "N", 5), None);
    }
}
