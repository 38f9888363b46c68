//! Where in a text something stands, and what a misspelt word was meant to be.

/// Line and column of a byte offset, both from 1; columns count characters.
pub(crate) fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Offset of the first whole-word occurrence of `word` in `text`.
pub(crate) fn find_word(text: &str, word: &str) -> Option<usize> {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).map(|(at, _)| at).find(|&at| {
        let before = text[..at].chars().next_back().is_some_and(inside);
        let after = text[at + word.len()..].chars().next().is_some_and(inside);
        !before && !after
    })
}

/// The candidate nearest to `word`, if it is near enough to be a slip of the pen.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let limit = (word.chars().count() / 3).max(2);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(edits, _)| *edits <= limit)
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// The suggestion in serde's `unknown field `x`, expected one of `a`, `b``.
pub(crate) fn suggestion_of(message: &str) -> Option<String> {
    let mut words = message.split('`').skip(1).step_by(2);
    let unknown = words.next().filter(|_| message.starts_with("unknown "))?;
    nearest(unknown, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let text = "a\nää b\n";
        assert_eq!(line_column(text, 0), (1, 1));
        assert_eq!(line_column(text, text.find('b').expect("b")), (2, 4));
        assert_eq!(line_column(text, 9_999), (3, 1));
    }

    #[test]
    fn a_word_is_found_whole() {
        assert_eq!(find_word("uids.uid == 0", "uid"), Some(5));
        assert_eq!(find_word("uids", "uid"), None);
    }

    #[test]
    fn only_a_near_word_is_suggested() {
        let words = ["maxauthtries", "maxsessions"];
        assert_eq!(nearest("maxauthtris", words).as_deref(), Some("maxauthtries"));
        assert_eq!(nearest("banner", words), None);
        let message = "unknown field `titel`, expected one of `id`, `title`";
        assert_eq!(suggestion_of(message).as_deref(), Some("title"));
    }
}
