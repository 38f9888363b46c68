//! Conditions whose answer is the same in every interactive login shell of bash.

use super::Scripts;

/// Without quotes, and a variable without braces and the default it has when it is unset.
pub(super) fn plain(word: &str) -> String {
    let bare = word.replace(['"', '\''], "");
    let inner = bare.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let Some(inner) = inner else { return bare };
    let name = inner.strip_suffix(":-").or_else(|| inner.strip_suffix('-')).unwrap_or(inner);
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_name { format!("${name}") } else { bare.clone() }
}

/// A path that stands for itself.
pub(super) fn literal(word: &str) -> Option<&str> {
    let bare = ['"', '\''].iter().find_map(|quote| word.strip_prefix(*quote)?.strip_suffix(*quote));
    let path = bare.unwrap_or(word);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._+-".contains(c);
    (path.starts_with('/') && path.chars().all(is_plain)).then_some(path)
}

/// `None` where it is not known. `each` is the variable of a loop over scripts that are there.
pub(super) fn holds(
    words: &[String],
    each: Option<&str>,
    scripts: &mut dyn Scripts,
) -> Option<bool> {
    let plain: Vec<String> = words.iter().map(|word| self::plain(word)).collect();
    let all: Vec<&str> = plain.iter().map(String::as_str).collect();
    let (is_double, inner) = match all.as_slice() {
        ["true" | ":"] => return Some(true),
        ["shopt", "-q", "login_shell"] => return Some(true),
        ["[", inner @ .., "]"] | ["test", inner @ ..] => (false, inner),
        ["[[", inner @ .., "]]"] => (true, inner),
        _ => return None,
    };
    let (is_negated, inner) = match inner {
        ["!", inner @ ..] => (true, inner),
        inner => (false, inner),
    };
    let truth = match inner {
        ["$PS1" | "$BASH" | "$BASH_VERSION"] => true,
        ["-n", "$PS1" | "$BASH" | "$BASH_VERSION"] => true,
        ["-z", "$PS1" | "$BASH" | "$BASH_VERSION"] => false,
        ["$BASH", "!=", "/bin/sh"] => true,
        ["${-#*i}", "!=", "$-"] => true,
        ["$-", "==" | "=", "*i*"] if is_double => true,
        ["$-", "!=", "*i*"] if is_double => false,
        ["-r" | "-f" | "-e", variable]
            if each.is_some_and(|e| variable.strip_prefix('$') == Some(e)) =>
        {
            true
        }
        ["-r" | "-f" | "-e" | "-d", _] => {
            let path = literal(words.iter().rev().nth(usize::from(words.first()? != "test"))?)?;
            scripts.is_there(path)?
        }
        _ => return None,
    };
    Some(truth != is_negated)
}
