//! What modules demand of a new password: pam_pwquality(8) with pwquality.conf(5), pam_cracklib(8),
//! pam_passwdqc(8), pam_pwhistory(8).

use super::settings::Settings;
use crate::formats::pam::stack::Handler;
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::password_policy::{Quality, QualityModule};

const PWQUALITY: &str = "/etc/security/pwquality.conf";
const PWHISTORY: &str = "/etc/security/pwhistory.conf";
/// Largest module that is looked through, in bytes.
const MAX_MODULE_BYTES: u64 = 4 << 20;
/// Names of pwquality.conf(5). The module refuses every password where a file has another one.
const NUMBERS: [&str; 17] = [
    "difok",
    "minlen",
    "dcredit",
    "ucredit",
    "lcredit",
    "ocredit",
    "minclass",
    "maxrepeat",
    "maxclassrepeat",
    "maxsequence",
    "gecoscheck",
    "dictcheck",
    "usercheck",
    "usersubstr",
    "enforcing",
    "retry",
    "palindrome",
];
const WORDS: [&str; 4] = ["badwords", "dictpath", "enforce_for_root", "local_users_only"];

pub(super) const NONE: Quality = Quality {
    module: QualityModule::None,
    minlen: 0,
    minclass: 0,
    dictcheck: false,
    enforce_for_root: false,
};

/// The demands of a step, or `None` where it is no such module or only warns.
pub(super) fn demands(
    reading: &mut Reading<'_>,
    name: &str,
    handler: &Handler,
) -> Result<Option<Quality>, Failure> {
    match name {
        "pam_pwquality.so" => pwquality(reading, handler),
        "pam_cracklib.so" => cracklib(handler).map(Some),
        "pam_passwdqc.so" => passwdqc(handler),
        _ => Ok(None),
    }
}

/// Files of the directory come first in the order of their names, then the file itself, then
/// arguments: the last one counts.
fn pwquality(reading: &mut Reading<'_>, handler: &Handler) -> Result<Option<Quality>, Failure> {
    let mut paths = Vec::new();
    let directory = format!("{PWQUALITY}.d");
    match reading.list(&directory) {
        Ok(names) => {
            let names = names.into_iter().filter(|name| name.ends_with(".conf"));
            paths.extend(names.map(|name| format!("{directory}/{name}")));
        }
        Err(ReadError::Absent) => {}
        Err(error) => return Err(error.into()),
    }
    paths.push(PWQUALITY.to_owned());
    let mut settings = Settings::default();
    for path in paths {
        let Some(file) = Settings::of_file(reading, &path)? else { continue };
        let file = file.in_any_case();
        if !file.is_pwquality() {
            reading.malformed(&path, "a line that libpwquality refuses");
            return Err(Failure(Status::ParseError));
        }
        settings = settings.then(file);
    }
    let settings = settings.then(Settings::of_arguments(handler).in_any_case());
    if settings.number("enforcing", 1)? == 0 {
        return Ok(None);
    }
    Ok(Some(Quality {
        module: QualityModule::Pwquality,
        minlen: shortest(settings.number("minlen", 8)?.max(6), credits(&settings, 0)?),
        minclass: settings.number("minclass", 0)?.clamp(0, 4),
        dictcheck: settings.number("dictcheck", 1)? != 0,
        enforce_for_root: settings.has("enforce_for_root"),
    }))
}

impl Settings {
    fn is_pwquality(&self) -> bool {
        let number = |name: &str| self.number(name, 0).is_ok();
        self.names().all(|name| WORDS.contains(&name) || (NUMBERS.contains(&name) && number(name)))
    }
}

/// A positive credit is the number of characters of a class that count twice.
fn credits(settings: &Settings, default: i64) -> Result<i64, Failure> {
    let mut sum = 0;
    for name in ["dcredit", "ucredit", "lcredit", "ocredit"] {
        sum += settings.number(name, default)?.max(0);
    }
    Ok(sum)
}

/// Nobody has more characters that count twice than characters.
fn shortest(minlen: i64, credits: i64) -> i64 {
    (minlen - credits).max((minlen + 1) / 2)
}

fn cracklib(handler: &Handler) -> Result<Quality, Failure> {
    let settings = Settings::of_arguments(handler);
    Ok(Quality {
        module: QualityModule::Cracklib,
        minlen: shortest(settings.number("minlen", 9)?.max(5), credits(&settings, 1)?),
        minclass: settings.number("minclass", 0)?.clamp(0, 4),
        dictcheck: true,
        enforce_for_root: settings.has("enforce_for_root"),
    })
}

/// `min=N0,N1,N2,N3,N4`: shortest passwords of one class, of two, passphrases, of three and four.
fn passwdqc(handler: &Handler) -> Result<Option<Quality>, Failure> {
    let unclear = Failure(Status::Unsupported);
    let settings = Settings::of_arguments(handler);
    if settings.has("config") {
        return Err(unclear);
    }
    let enforce = settings.value("enforce").unwrap_or("everyone");
    let lengths = settings.value("min").unwrap_or("disabled,24,11,8,7");
    let lengths: Vec<Option<i64>> = lengths.split(',').map(|word| word.parse().ok()).collect();
    if lengths.len() != 5 || !matches!(enforce, "none" | "users" | "everyone") {
        return Err(unclear);
    }
    let allowed = lengths.iter().zip([1, 2, 1, 3, 4]);
    let allowed: Vec<_> =
        allowed.filter_map(|(length, classes)| Some(((*length)?, classes))).collect();
    let minlen = allowed.iter().map(|(length, _)| *length).min().ok_or(unclear)?;
    Ok((enforce != "none").then_some(Quality {
        module: QualityModule::Passwdqc,
        minlen,
        minclass: allowed.iter().map(|(_, classes)| *classes).min().unwrap_or(0),
        dictcheck: true,
        enforce_for_root: enforce == "everyone",
    }))
}

/// How many old passwords pam_pwhistory refuses. Its file is read from Linux-PAM 1.5.3 on, and by
/// some before: by those in which its name occurs. Of others it is not believed where it would say
/// more than the default.
pub(super) fn remembered(
    reading: &mut Reading<'_>,
    handler: &Handler,
    modules: &str,
) -> Result<i64, Failure> {
    const DEFAULT: i64 = 10;
    let arguments = Settings::of_arguments(handler).in_any_case();
    if arguments.has("conf") {
        return Err(Failure(Status::Unsupported));
    }
    let by_argument = arguments.number("remember", -1)?;
    let file = Settings::of_file(reading, PWHISTORY)?;
    let file = file.map(|file| file.in_any_case().first_counts());
    let by_file = file.map_or(Ok(-1), |file| file.number("remember", -1))?;
    if by_argument >= 0 || by_file < 0 {
        return Ok(if by_argument >= 0 { by_argument } else { DEFAULT });
    }
    let module = reading.bytes(&format!("{modules}/pam_pwhistory.so"), MAX_MODULE_BYTES)?;
    let name = b"/pwhistory.conf";
    let reads_it = module.windows(name.len()).any(|window| window == name);
    Ok(if reads_it { by_file } else { by_file.min(DEFAULT) })
}
