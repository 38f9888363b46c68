//! Patterns of glob(7): `*`, `?` and `[…]`, none of which matches a `/`.

/// Whether a text has a character that makes it a pattern.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether `text` matches `pattern`, bytewise. A `[` without its `]` stands for itself.
pub fn matches(pattern: &str, text: &str) -> bool {
    within(pattern.as_bytes(), text.as_bytes())
}

/// Goes back to the last `*` only: an earlier one cannot match where the last one cannot, as long
/// as neither crosses a `/`.
fn within(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
            continue;
        }
        if let Some(width) = one(&pattern[p..], text[t]) {
            p += width;
            t += 1;
            continue;
        }
        match star {
            Some((at, from)) if text[from] != b'/' => {
                star = Some((at, from + 1));
                (p, t) = (at + 1, from + 1);
            }
            _ => return false,
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// How many bytes of the pattern match this one byte.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match *pattern.first()? {
        b'?' if byte != b'/' => Some(1),
        b'[' => match class(pattern) {
            Some((width, negated, members)) => {
                (byte != b'/' && is_member(members, byte) != negated).then_some(width)
            }
            None => (byte == b'[').then_some(1),
        },
        literal => (literal == byte && literal != b'?').then_some(1),
    }
}

/// Width of a `[…]`, whether it is negated, and its members. A `]` that comes first is a member.
fn class(pattern: &[u8]) -> Option<(usize, bool, &[u8])> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let start = 1 + usize::from(negated);
    let close = pattern.iter().skip(start + 1).position(|byte| *byte == b']')? + start + 1;
    Some((close + 1, negated, &pattern[start..close]))
}

fn is_member(members: &[u8], byte: u8) -> bool {
    match members {
        [low, b'-', high, rest @ ..] => (*low..=*high).contains(&byte) || is_member(rest, byte),
        [member, rest @ ..] => *member == byte || is_member(rest, byte),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_matches_within_one_part_of_a_path() {
        assert!(matches("net/ipv4/conf/*/rp_filter", "net/ipv4/conf/all/rp_filter"));
        assert!(matches("net/*/conf/*/rp_*r", "net/ipv4/conf/all/rp_filter"));
        assert!(!matches("net/*/rp_filter", "net/ipv4/conf/all/rp_filter"));
        assert!(!matches("net/ipv4/conf/?/rp_filter", "net/ipv4/conf/all/rp_filter"));
        assert!(!matches("*", "a/b"));
        assert!(matches("*", "") && matches("a**b", "ab"));
    }

    #[test]
    fn classes_have_members_ranges_and_a_negation() {
        assert!(matches("ipv[46]", "ipv6") && matches("ipv[4-6]", "ipv5"));
        assert!(!matches("ipv[46]", "ipv5") && !matches("ipv[!46]", "ipv6"));
        assert!(matches("[!a]", "b") && matches("[]a]", "]") && matches("[a", "[a"));
        assert!(!matches("a[/]b", "a/b") && !matches("a[!x]b", "a/b"));
    }
}
