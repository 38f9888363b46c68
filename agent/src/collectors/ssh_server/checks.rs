//! What sshd looks at once its files are read, before it starts: combinations of settings that
//! make it refuse them.

use super::effective::Effective;
use super::load::Directive;

/// Directives that sshd refuses in this company. It looks at the values of its first reading, in
/// which `Match all` counts as if it were not there.
pub(super) fn refused<'c>(effective: &Effective<'c>) -> Vec<&'c Directive> {
    let without_user = |command: &str, user: &str| {
        let command = effective.first_read(command).into_iter().next();
        let command = command.filter(|d| !d.words[0].eq_ignore_ascii_case("none"));
        command.filter(|_| effective.first_read(user).is_empty())
    };
    [
        without_user("authorizedkeyscommand", "authorizedkeyscommanduser"),
        without_user("authorizedprincipalscommand", "authorizedprincipalscommanduser"),
        unsatisfiable(effective),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `AuthenticationMethods` of which no list consists of enabled methods.
fn unsatisfiable<'c>(effective: &Effective<'c>) -> Option<&'c Directive> {
    let methods = effective.first_read("authenticationmethods").into_iter().next()?;
    let satisfied = |list: &String| list.split(',').all(|method| enabled(effective, method));
    let any = methods.words == ["any"] || methods.words.iter().any(satisfied);
    (!any).then_some(methods)
}

fn enabled(effective: &Effective<'_>, method: &str) -> bool {
    let keyword = match method.split(':').next().unwrap_or(method) {
        "none" => return true,
        "publickey" => "pubkeyauthentication",
        "password" => "passwordauthentication",
        "keyboard-interactive" => "kbdinteractiveauthentication",
        "hostbased" => "hostbasedauthentication",
        _ => "gssapiauthentication",
    };
    effective.first_value(keyword) == "yes"
}
