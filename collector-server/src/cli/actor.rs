//! Who the command line is in the log: the login of the machine that runs it, and the name it was
//! given. A name alone would pass for somebody else.

use std::os::unix::fs::MetadataExt;

/// Reads `--actor`: `lead` is `cli:root as lead`, nothing is `cli:root`.
pub(super) fn of_login(name: &str) -> Result<String, String> {
    let name = name.trim();
    if name.chars().any(char::is_control) || name.chars().count() > 200 {
        return Err("a name of at most 200 characters on one line".to_owned());
    }
    Ok(says(&login(), name))
}

fn says(login: &str, name: &str) -> String {
    if name.is_empty() { format!("cli:{login}") } else { format!("cli:{login} as {name}") }
}

/// The login that runs this, by the owner of its process; its number where passwd(5) has no name.
fn login() -> String {
    let Ok(uid) = std::fs::metadata("/proc/self").map(|process| process.uid()) else {
        return "unknown".to_owned();
    };
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_of(&passwd, uid).unwrap_or_else(|| uid.to_string())
}

fn name_of(passwd: &str, uid: u32) -> Option<String> {
    let mut users = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let user = users.find(|fields| fields.get(2).is_some_and(|text| *text == uid.to_string()))?;
    let name = *user.first()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (!name.is_empty() && name.chars().all(plain)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_stands_without_the_login_that_used_it() {
        assert_eq!(says("root", "lead"), "cli:root as lead");
        assert_eq!(says("root", ""), "cli:root");
        assert!(of_login("lead").expect("an actor").starts_with("cli:"));
        assert!(of_login("a\nb").is_err());
        let passwd = "root:x:0:0::/root:/bin/sh\nanna:x:1000:1000::/:/bin/sh\na b:x:7:7::/:\n";
        assert_eq!(name_of(passwd, 1000).as_deref(), Some("anna"));
        assert_eq!(name_of(passwd, 100), None);
        assert_eq!(name_of(passwd, 7), None, "a name that is none is shown by its number");
    }
}
