//! Cells that a spreadsheet takes for text. One that begins like a formula gets an apostrophe in
//! front, which is taken away when the file is read again.

/// What a spreadsheet reads as the beginning of a formula or of a command.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A cell as it is written: quoted, and no formula. One that begins with apostrophes before such a
/// sign gets one more, so that reading takes exactly one away.
pub(crate) fn closed(text: &str) -> String {
    let formula = text.trim_start_matches('\'').starts_with(FORMULA);
    let guard = if formula { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// The text of a cell that [`closed`] wrote, or that people wrote.
pub(crate) fn opened(text: &str) -> String {
    let rest =
        text.strip_prefix('\'').filter(|_| text.trim_start_matches('\'').starts_with(FORMULA));
    rest.unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_cell_begins_as_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "'=1"] {
            assert!(closed(text).starts_with("\"'"), "{text}");
        }
        for text in ["A.5.1", "it's", "'quoted'", ""] {
            assert_eq!(closed(text), format!("\"{text}\""));
        }
        assert_eq!(closed("say \"no\""), "\"say \"\"no\"\"\"");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(text in "['=+@a\\-\"]{0,6}") {
            let cell = closed(&text);
            let inner = cell.strip_prefix('"').and_then(|t| t.strip_suffix('"')).expect("quoted");
            prop_assert_eq!(opened(&inner.replace("\"\"", "\"")), text);
        }
    }
}
