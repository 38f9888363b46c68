//! The grammar of sudoers(5).

use super::cursor::Cursor;
use super::{
    Alias, AliasMembers, Arguments, Command, Granted, Item, Member, Privilege, Runas, Scope,
    Setting, Statement, SyntaxError, Tags, Value, What,
};

type Parsed<T> = Result<T, SyntaxError>;

/// What ends the name of a user, a group or a host.
fn ends_name(c: char) -> bool {
    "#>!=:,()\"".contains(c)
}

/// All statements of a file, in order.
pub fn parse(text: &str) -> Parsed<Vec<Statement>> {
    let mut cursor = Cursor::new(text);
    if text.contains('\0') {
        return cursor.error("a NUL byte");
    }
    let mut statements = Vec::new();
    while !cursor.is_at_end() {
        statement(&mut cursor, &mut statements)?;
    }
    Ok(statements)
}

fn statement(cursor: &mut Cursor<'_>, to: &mut Vec<Statement>) -> Parsed<()> {
    // Before a `#include` there may be no blank: it is a comment then.
    for (word, is_dir) in [("#includedir", true), ("#include", false)] {
        if is_keyword(cursor, word) {
            return include(cursor, word, is_dir, to);
        }
    }
    cursor.blanks();
    if cursor.is_at_line_end() {
        cursor.skip_line();
        return Ok(());
    }
    for (word, is_dir) in [("@includedir", true), ("@include", false)] {
        if is_keyword(cursor, word) {
            return include(cursor, word, is_dir, to);
        }
    }
    for word in ["User_Alias", "Runas_Alias", "Host_Alias", "Cmnd_Alias", "Cmd_Alias"] {
        if is_keyword(cursor, word) {
            return aliases(cursor, word, to);
        }
    }
    let line = cursor.line;
    let what = match cursor.rest().strip_prefix("Defaults") {
        Some(after) if after.starts_with([' ', '\t', '\\', ':', '@', '>', '!']) => {
            defaults(cursor)?
        }
        _ => grant(cursor)?,
    };
    cursor.end_line()?;
    to.push(Statement { line, what });
    Ok(())
}

/// Whether the word stands here with a blank after it.
fn is_keyword(cursor: &Cursor<'_>, word: &str) -> bool {
    cursor.rest().strip_prefix(word).is_some_and(|after| after.starts_with([' ', '\t', '\\']))
}

fn include(
    cursor: &mut Cursor<'_>,
    word: &str,
    is_dir: bool,
    to: &mut Vec<Statement>,
) -> Parsed<()> {
    let line = cursor.line;
    cursor.advance(word.len());
    cursor.blanks();
    let path = match cursor.quoted()? {
        Some(path) => path,
        None => cursor.word(|c| c == '"').1,
    };
    if path.is_empty() {
        return cursor.error("an include without a path");
    }
    cursor.end_line()?;
    let what = if is_dir { What::IncludeDir(path) } else { What::Include(path) };
    to.push(Statement { line, what });
    Ok(())
}

fn aliases(cursor: &mut Cursor<'_>, word: &str, to: &mut Vec<Statement>) -> Parsed<()> {
    cursor.advance(word.len());
    loop {
        cursor.blanks();
        let line = cursor.line;
        let (raw, name) = cursor.word(ends_name);
        if !is_alias(raw) || raw == "ALL" {
            return cursor.error("no name of an alias");
        }
        cursor.blanks();
        if !cursor.eat('=') {
            return cursor.error("an alias without `=`");
        }
        let members = match word {
            "User_Alias" => AliasMembers::User(list(cursor, user)?),
            "Runas_Alias" => AliasMembers::Runas(list(cursor, user)?),
            "Host_Alias" => AliasMembers::Host(list(cursor, host)?),
            _ => AliasMembers::Command(list(cursor, command)?),
        };
        to.push(Statement { line, what: What::Alias(Alias { name, members }) });
        if !cursor.eat(':') {
            return cursor.end_line();
        }
    }
}

/// `x, !y, z`, with blanks after it passed over.
fn list<T>(
    cursor: &mut Cursor<'_>,
    element: impl Fn(&mut Cursor<'_>) -> Parsed<T>,
) -> Parsed<Vec<Item<T>>> {
    let mut items = vec![item(cursor, &element)?];
    while cursor.eat(',') {
        items.push(item(cursor, &element)?);
    }
    Ok(items)
}

fn item<T>(
    cursor: &mut Cursor<'_>,
    element: impl Fn(&mut Cursor<'_>) -> Parsed<T>,
) -> Parsed<Item<T>> {
    cursor.blanks();
    let negated = negation(cursor);
    let value = element(cursor)?;
    cursor.blanks();
    Ok(Item { negated, value })
}

/// An odd number of `!`.
fn negation(cursor: &mut Cursor<'_>) -> bool {
    let mut negated = false;
    while cursor.eat('!') {
        negated = !negated;
        cursor.blanks();
    }
    negated
}

fn is_alias(raw: &str) -> bool {
    raw.starts_with(|c: char| c.is_ascii_uppercase())
        && raw.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

fn user(cursor: &mut Cursor<'_>) -> Parsed<Member> {
    if let Some(text) = cursor.quoted()? {
        return match quoted_member(&text) {
            Some(member) => Ok(member),
            None => cursor.error("an empty name in quotation marks"),
        };
    }
    match cursor.peek() {
        Some('#') => id(cursor).map(Member::Id),
        Some('%') => {
            cursor.bump();
            let non_unix = cursor.eat(':');
            let member = match cursor.peek() {
                Some('#') if non_unix => Member::NonUnixGroup(format!("#{}", id(cursor)?)),
                Some('#') => Member::Gid(id(cursor)?),
                _ => match (non_unix, name(cursor, "a group without a name")?) {
                    (true, name) => Member::NonUnixGroup(name),
                    (false, name) => Member::Group(name),
                },
            };
            Ok(member)
        }
        _ => word_member(cursor),
    }
}

/// A group after the `:` of a target, without a sign before its name.
fn group(cursor: &mut Cursor<'_>) -> Parsed<Member> {
    match cursor.peek() {
        Some('%' | '+') => cursor.error("a group without `%` is expected"),
        _ => user(cursor),
    }
}

fn quoted_member(text: &str) -> Option<Member> {
    let member = if let Some(name) = text.strip_prefix("%:") {
        Member::NonUnixGroup(name.to_owned())
    } else if let Some(id) = text.strip_prefix("%#") {
        Member::Gid(id.to_owned())
    } else if let Some(name) = text.strip_prefix('%') {
        Member::Group(name.to_owned())
    } else if let Some(name) = text.strip_prefix('+') {
        Member::Netgroup(name.to_owned())
    } else {
        Member::Name(text.to_owned())
    };
    let empty = matches!(text, "" | "%" | "%:" | "%#" | "+");
    (!empty).then_some(member)
}

fn id(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.eat('#');
    let (raw, text) = cursor.word(ends_name);
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return cursor.error("a `#` without a number");
    }
    Ok(text)
}

fn name(cursor: &mut Cursor<'_>, missing: &'static str) -> Parsed<String> {
    let (_, text) = cursor.word(ends_name);
    if text.is_empty() { cursor.error(missing) } else { Ok(text) }
}

/// A name, an alias, `ALL` or a netgroup.
fn word_member(cursor: &mut Cursor<'_>) -> Parsed<Member> {
    if cursor.starts_with("+") {
        cursor.bump();
        return name(cursor, "a netgroup without a name").map(Member::Netgroup);
    }
    let (raw, text) = cursor.word(ends_name);
    match raw {
        "" => cursor.error("a name is missing"),
        raw if raw.starts_with('/') => cursor.error("a path where a name is expected"),
        "ALL" => Ok(Member::All),
        raw if is_alias(raw) => Ok(Member::Alias(text)),
        _ => Ok(Member::Name(text)),
    }
}

fn host(cursor: &mut Cursor<'_>) -> Parsed<Member> {
    if let Some(text) = cursor.quoted()? {
        return match quoted_member(&text) {
            Some(member) => Ok(member),
            None => cursor.error("an empty name in quotation marks"),
        };
    }
    // An IPv6 address has colons in it, which end other words.
    let rest = cursor.rest();
    let address = |c: char| c.is_ascii_hexdigit() || ":./".contains(c);
    let candidate = &rest[..rest.find(|c| !address(c)).unwrap_or(rest.len())];
    let (ip, _) = candidate.split_once('/').unwrap_or((candidate, ""));
    if ip.parse::<std::net::Ipv6Addr>().is_ok() {
        cursor.advance(candidate.len());
        return Ok(Member::Name(candidate.to_owned()));
    }
    if cursor.starts_with("%") {
        return cursor.error("a group among hosts");
    }
    word_member(cursor)
}

fn defaults(cursor: &mut Cursor<'_>) -> Parsed<What> {
    cursor.advance("Defaults".len());
    let scope = match cursor.peek() {
        Some(':') => Scope::User,
        Some('@') => Scope::Host,
        Some('>') => Scope::Runas,
        Some('!') => Scope::Command,
        _ => Scope::Everyone,
    };
    if scope != Scope::Everyone {
        cursor.bump();
        scope_list(cursor, scope)?;
    }
    if !cursor.blanks() {
        return cursor.error("no blank before the settings");
    }
    let mut settings = vec![setting(cursor)?];
    while cursor.eat(',') {
        cursor.blanks();
        settings.push(setting(cursor)?);
    }
    Ok(What::Defaults { scope, settings })
}

/// Whom a line of `Defaults` is for. Its names are not kept: the settings count for all.
fn scope_list(cursor: &mut Cursor<'_>, scope: Scope) -> Parsed<()> {
    loop {
        cursor.blanks();
        negation(cursor);
        match scope {
            Scope::Command => scope_command(cursor)?,
            Scope::Host => drop(host(cursor)?),
            _ => drop(user(cursor)?),
        }
        if !cursor.eat(',') {
            return Ok(());
        }
    }
}

/// A command without arguments.
fn scope_command(cursor: &mut Cursor<'_>) -> Parsed<()> {
    let (raw, _) = cursor.word(|c| ",=:\"#".contains(c));
    let known = raw.starts_with('/') || raw.starts_with('^') || is_alias(raw);
    if known || matches!(raw, "sudoedit" | "list") {
        return Ok(());
    }
    cursor.error("expected the path of a command")
}

fn setting(cursor: &mut Cursor<'_>) -> Parsed<Setting> {
    let off = negation(cursor);
    let line = cursor.line;
    let (raw, name) = cursor.word(|c| "!=+-,\"#".contains(c));
    if raw.is_empty() || !raw.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
        return cursor.error("the name of a setting is missing");
    }
    cursor.blanks();
    let edit = cursor.starts_with("+=") || cursor.starts_with("-=");
    if edit {
        cursor.bump();
    }
    let value = match (cursor.eat('='), off) {
        (false, true) => Value::Off,
        (false, false) => Value::On,
        (true, true) => return cursor.error("a setting with `!` and a value"),
        (true, false) => {
            cursor.blanks();
            let text = match cursor.quoted()? {
                Some(text) => text,
                None => cursor.word(|c| "#=,\"".contains(c)).1,
            };
            if text.is_empty() && !edit {
                return cursor.error("a setting without its value");
            }
            if edit { Value::Edit } else { Value::Set(text) }
        }
    };
    cursor.blanks();
    Ok(Setting { line, name, value })
}

fn grant(cursor: &mut Cursor<'_>) -> Parsed<What> {
    let principals = list(cursor, user)?;
    let mut privileges = vec![privilege(cursor)?];
    while cursor.eat(':') {
        privileges.push(privilege(cursor)?);
    }
    Ok(What::Grant { principals, privileges })
}

fn privilege(cursor: &mut Cursor<'_>) -> Parsed<Privilege> {
    let hosts = list(cursor, host)?;
    if !cursor.eat('=') {
        return cursor.error("no `=` after the hosts");
    }
    let mut commands: Vec<Granted> = Vec::new();
    loop {
        cursor.blanks();
        let own = runas(cursor)?;
        options(cursor)?;
        let before = commands.last();
        // Target and tags hold for all commands after them.
        let runas = own.or_else(|| before.and_then(|before| before.runas.clone()));
        let tags = tags(cursor, before.map(|before| before.tags).unwrap_or_default())?;
        commands.push(Granted { runas, tags, command: item(cursor, command)? });
        if !cursor.eat(',') {
            return Ok(Privilege { hosts, commands });
        }
    }
}

fn runas(cursor: &mut Cursor<'_>) -> Parsed<Option<Runas>> {
    if !cursor.eat('(') {
        return Ok(None);
    }
    let mut runas = Runas::default();
    cursor.blanks();
    if !matches!(cursor.peek(), Some(':' | ')')) {
        runas.users = list(cursor, user)?;
    }
    if cursor.eat(':') {
        cursor.blanks();
        if cursor.peek() != Some(')') {
            runas.groups = list(cursor, group)?;
        }
    }
    if !cursor.eat(')') {
        return cursor.error("a parenthesis is left open");
    }
    cursor.blanks();
    Ok(Some(runas))
}

/// `CWD=…` and the like: they restrict, or move, what is run, and are not kept.
fn options(cursor: &mut Cursor<'_>) -> Parsed<()> {
    const NAMES: [&str; 8] =
        ["ROLE", "TYPE", "APPARMOR_PROFILE", "CWD", "CHROOT", "TIMEOUT", "NOTBEFORE", "NOTAFTER"];
    while let Some(name) = NAMES.iter().find(|name| has_option(cursor, name)) {
        cursor.advance(name.len());
        cursor.blanks();
        cursor.eat('=');
        cursor.blanks();
        let value = match cursor.quoted()? {
            Some(value) => value,
            None => cursor.word(|c| "#=:,()!\"".contains(c)).1,
        };
        if value.is_empty() {
            return cursor.error("an option without its value");
        }
        cursor.blanks();
    }
    Ok(())
}

fn has_option(cursor: &Cursor<'_>, name: &str) -> bool {
    let after = cursor.rest().strip_prefix(name);
    after.is_some_and(|after| after.trim_start_matches([' ', '\t']).starts_with('='))
}

fn tags(cursor: &mut Cursor<'_>, mut tags: Tags) -> Parsed<Tags> {
    loop {
        let rest = cursor.rest();
        let length = rest.find(|c: char| !c.is_ascii_uppercase() && c != '_');
        let (word, after) = rest.split_at(length.unwrap_or(rest.len()));
        if !after.trim_start_matches([' ', '\t']).starts_with(':') {
            return Ok(tags);
        }
        match word {
            "PASSWD" => tags.passwd = Some(true),
            "NOPASSWD" => tags.passwd = Some(false),
            "EXEC" => tags.exec = Some(true),
            "NOEXEC" => tags.exec = Some(false),
            "SETENV" => tags.setenv = Some(true),
            "NOSETENV" => tags.setenv = Some(false),
            "LOG_INPUT" | "NOLOG_INPUT" | "LOG_OUTPUT" | "NOLOG_OUTPUT" | "MAIL" | "NOMAIL"
            | "FOLLOW" | "NOFOLLOW" | "INTERCEPT" | "NOINTERCEPT" => {}
            // An alias before the `:` of the next hosts.
            _ => return Ok(tags),
        }
        cursor.advance(word.len());
        cursor.blanks();
        cursor.eat(':');
        cursor.blanks();
    }
}

fn command(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    digests(cursor)?;
    match cursor.peek() {
        Some('/') => path(cursor),
        Some('^') => {
            let path = regex(cursor)?;
            let arguments = arguments(cursor)?;
            Ok(Command::Path { path, arguments })
        }
        _ => {
            let (raw, text) = cursor.word(ends_name);
            match raw {
                "ALL" => Ok(Command::All),
                "sudoedit" | "list" => {
                    Ok(Command::Path { path: text, arguments: arguments(cursor)? })
                }
                raw if is_alias(raw) => Ok(Command::Alias(text)),
                _ => cursor.error("expected a fully-qualified path"),
            }
        }
    }
}

/// `sha256:…, sha512:… `: sums that restrict which file is run, and are not kept.
fn digests(cursor: &mut Cursor<'_>) -> Parsed<()> {
    const NAMES: [&str; 4] = ["sha224", "sha256", "sha384", "sha512"];
    while let Some(name) = NAMES.iter().find(|name| cursor.starts_with(name)) {
        cursor.advance(name.len());
        cursor.blanks();
        if !cursor.eat(':') {
            return cursor.error("a digest without `:`");
        }
        cursor.blanks();
        let rest = cursor.rest();
        let sum = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
        let length = rest.find(|c| !sum(c)).unwrap_or(rest.len());
        if length == 0 {
            return cursor.error("a digest without its sum");
        }
        cursor.advance(length);
        cursor.blanks();
        if cursor.eat(',') {
            cursor.blanks();
            if !NAMES.iter().any(|name| cursor.starts_with(name)) {
                return cursor.error("a digest without a command");
            }
        }
    }
    Ok(())
}

fn path(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    let (raw, text) = cursor.word(|c| "#:,=".contains(c));
    // A backslash before a wildcard is part of the pattern.
    let path = if raw.contains(['*', '?', '[']) { raw.to_owned() } else { text };
    cursor.blanks();
    let arguments = match raw.ends_with('/') && !is_at_command_end(cursor) {
        true => return cursor.error("a directory with arguments"),
        false => arguments(cursor)?,
    };
    Ok(Command::Path { path, arguments })
}

fn is_at_command_end(cursor: &Cursor<'_>) -> bool {
    cursor.is_at_end() || matches!(cursor.peek(), Some('\n' | '\r' | ',' | ':' | '=' | '#'))
}

/// `^…$`: up to the last `$` that can end it on this line, as sudo reads it.
fn regex(cursor: &mut Cursor<'_>) -> Parsed<String> {
    let rest = cursor.rest();
    let mut end = None;
    let mut escaped = false;
    for (at, c) in rest.char_indices() {
        match c {
            '\n' | '\r' => break,
            '#' if !escaped => break,
            '$' if !escaped => {
                let after = rest[at + 1..].chars().next();
                if after.is_none_or(|c| " \t\r\n,:=".contains(c)) {
                    end = Some(at + 1);
                    break;
                }
            }
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    let Some(end) = end else { return cursor.error("a regular expression without its `$`") };
    let text = rest[..end].to_owned();
    cursor.advance(end);
    Ok(text)
}

/// What stands after a command, up to the next one.
fn arguments(cursor: &mut Cursor<'_>) -> Parsed<Arguments> {
    cursor.blanks();
    if cursor.starts_with("^") {
        regex(cursor)?;
        cursor.blanks();
        return Ok(Arguments::Pattern);
    }
    let mut words: Vec<&str> = Vec::new();
    while !is_at_command_end(cursor) {
        let (raw, _) = cursor.word(|c| "#:,=".contains(c));
        if raw.is_empty() {
            return cursor.error("arguments that cannot be read");
        }
        words.push(raw);
        cursor.blanks();
    }
    Ok(match words.as_slice() {
        [] => Arguments::Any,
        ["\"\""] => Arguments::None,
        words if words.iter().any(|word| word.contains(['*', '?', '['])) => Arguments::Pattern,
        _ => Arguments::Pinned,
    })
}
