//! Wildcards: names of included files (glob(7)) and the patterns of ssh_config(5).

/// Whether a path component has wildcards, or escapes that hide one.
pub fn is_magic(component: &str) -> bool {
    component.contains(['*', '?', '[', '\\'])
}

/// glob(7) on one path component: `*`, `?`, `[a-z]`, `[!a]`, `[[:digit:]]`, `\*`. A leading dot
/// must be written out.
pub fn glob(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') && !pattern.starts_with("\\.") {
        return false;
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    glob_from(&pattern, &name)
}

fn glob_from(pattern: &[char], name: &[char]) -> bool {
    let Some((&first, rest)) = pattern.split_first() else { return name.is_empty() };
    if first == '*' {
        let rest = &pattern[pattern.iter().take_while(|c| **c == '*').count()..];
        return (0..=name.len()).any(|at| glob_from(rest, &name[at..]));
    }
    let Some((&c, after)) = name.split_first() else { return false };
    match first {
        '?' => glob_from(rest, after),
        '[' => match bracket(rest, c) {
            Some((true, rest)) => glob_from(rest, after),
            Some((false, _)) => false,
            None => c == '[' && glob_from(rest, after),
        },
        '\\' => match rest.split_first() {
            Some((&literal, rest)) => literal == c && glob_from(rest, after),
            None => false,
        },
        literal => literal == c && glob_from(rest, after),
    }
}

/// Whether `c` is in the bracket expression that `pattern` begins (after its `[`), and what
/// follows it. `None` when it does not end: the bracket is then an ordinary character.
fn bracket(pattern: &[char], c: char) -> Option<(bool, &[char])> {
    let negated = matches!(pattern.first(), Some('!' | '^'));
    let mut at = usize::from(negated);
    let start = at;
    let mut found = false;
    loop {
        let &first = pattern.get(at)?;
        if first == ']' && at > start {
            return Some((found != negated, &pattern[at + 1..]));
        }
        if first == '[' && pattern.get(at + 1) == Some(&':') {
            let tail = &pattern[at + 2..];
            let end = tail.windows(2).position(|pair| pair == [':', ']'])?;
            let class: String = tail[..end].iter().collect();
            found |= in_class(&class, c);
            at += end + 4;
            continue;
        }
        let escaped = usize::from(first == '\\');
        let &low = pattern.get(at + escaped)?;
        at += escaped + 1;
        let mut high = low;
        if pattern.get(at) == Some(&'-') && pattern.get(at + 1).is_some_and(|c| *c != ']') {
            high = pattern[at + 1];
            at += 2;
        }
        found |= (low..=high).contains(&c);
    }
}

fn in_class(class: &str, c: char) -> bool {
    match class {
        "alpha" => c.is_ascii_alphabetic(),
        "digit" => c.is_ascii_digit(),
        "alnum" => c.is_ascii_alphanumeric(),
        "upper" => c.is_ascii_uppercase(),
        "lower" => c.is_ascii_lowercase(),
        "punct" => c.is_ascii_punctuation(),
        "xdigit" => c.is_ascii_hexdigit(),
        "space" => c.is_ascii_whitespace(),
        _ => false,
    }
}

/// A pattern of ssh_config(5): `*` and `?` only.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where the last `*` stood, and how much it swallowed.
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, swallowed)) => {
                    star = Some((at, swallowed + 1));
                    p = at + 1;
                    t = swallowed + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

/// A comma-separated list of patterns: one must match and no `!` one may.
pub fn list_matches(list: &str, text: &str) -> bool {
    let mut found = false;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(negated) if matches(negated, text) => return false,
            Some(_) => {}
            None => found |= matches(pattern, text),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_matches_as_the_shell_does() {
        let yes = [("*.conf", "50-cloud-init.conf"), ("[0-9]?-*", "50-x"), ("[!a]", "b")];
        let yes = yes.iter().chain(&[("[[:digit:]]*", "1"), ("a[", "a["), ("\\*", "*")]);
        for (pattern, name) in yes.chain(&[(".*", ".x"), ("[]a]", "]"), ("**", "ab")]) {
            assert!(glob(pattern, name), "{pattern} {name}");
        }
        let no = [("*.conf", ".hidden.conf"), ("*.conf", "a.conf~"), ("[!a]", "a"), ("?", "")];
        for (pattern, name) in no.iter().chain(&[("[.]x", ".x"), ("\\*", "a"), ("a", "A")]) {
            assert!(!glob(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_list_needs_a_match_and_no_negated_one() {
        assert!(list_matches("*cbc*,3des*", "aes128-cbc"));
        assert!(!list_matches("*,!aes128-cbc", "aes128-cbc"));
        assert!(!list_matches("!aes128-cbc", "aes256-ctr"));
        assert!(list_matches("a?c*e", "abcdde"));
    }
}
