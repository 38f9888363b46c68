//! chrony.conf(5), as far as it says where the time comes from. Directives and options are taken
//! without regard to case; a line that begins with one of `!;#%` is a comment.

/// A line of the file that matters here, and what chronyd makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Directive {
    Source(Source),
    /// Another file, or files by a pattern of glob(7).
    Include(String),
    /// Directories of `*.conf` files.
    ConfDir(Vec<String>),
    /// Directories of `*.sources` files, which hold sources only.
    SourceDir(Vec<String>),
    /// Where the rate of the clock is kept, and whether that is done at most once an hour.
    DriftFile {
        path: String,
        hourly: bool,
    },
    /// The time may be set by hand.
    Manual,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub form: Form,
    /// Name or address; of a reference clock its driver and parameter, joined by a colon.
    pub address: String,
    pub nts: bool,
    pub noselect: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Server,
    Pool,
    Peer,
    Refclock,
}

/// The directives of a file, in order. The error names the line, from 1, that lacks a parameter.
pub fn directives(text: &str) -> Result<Vec<Directive>, usize> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_ascii();
        if !line.is_empty() && !line.starts_with(['!', ';', '#', '%']) {
            found.extend(directive(line).ok_or(index + 1)?);
        }
    }
    Ok(found)
}

/// `Some(None)` for a directive that does not matter here.
fn directive(line: &str) -> Option<Option<Directive>> {
    let mut words = line.split_ascii_whitespace();
    let name = words.next()?.to_ascii_lowercase();
    let rest: Vec<&str> = words.collect();
    let directories = || (!rest.is_empty()).then(|| rest.iter().map(|d| (*d).to_owned()).collect());
    Some(Some(match name.as_str() {
        "server" => Directive::Source(source(Form::Server, &rest)?),
        "pool" => Directive::Source(source(Form::Pool, &rest)?),
        "peer" => Directive::Source(source(Form::Peer, &rest)?),
        "refclock" => Directive::Source(source(Form::Refclock, &rest)?),
        // The rest of the line is one pattern, blanks and all.
        "include" => Directive::Include((!rest.is_empty()).then(|| rest.join(" "))?),
        "confdir" => Directive::ConfDir(directories()?),
        "sourcedir" => Directive::SourceDir(directories()?),
        "driftfile" => {
            Directive::DriftFile { path: (*rest.first()?).to_owned(), hourly: rest.len() == 1 }
        }
        "manual" => Directive::Manual,
        _ => return Some(None),
    }))
}

fn source(form: Form, words: &[&str]) -> Option<Source> {
    let (address, options) = match (form, words) {
        (Form::Refclock, [driver, parameter, options @ ..]) => {
            (format!("{driver}:{parameter}"), options)
        }
        (Form::Refclock, _) => return None,
        (_, [address, options @ ..]) => ((*address).to_owned(), options),
        (_, []) => return None,
    };
    let has = |name: &str| options.iter().any(|option| option.eq_ignore_ascii_case(name));
    let nts = form != Form::Refclock && has("nts");
    Some(Source { form, address, nts, noselect: has("noselect") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_comments_are_those_of_chronyd() {
        let text =
            "! a\n # b\n\n%c\nSERVER a.example iburst NTS\n\tpool  b.example\tNoSelect\nrtcsync\n";
        let source = |form, address: &str, nts, noselect| {
            Directive::Source(Source { form, address: address.to_owned(), nts, noselect })
        };
        let want = [
            source(Form::Server, "a.example", true, false),
            source(Form::Pool, "b.example", false, true),
        ];
        assert_eq!(directives(text), Ok(want.to_vec()));
        let clock = source(Form::Refclock, "PHC:/dev/ptp0", false, false);
        assert_eq!(directives("refclock PHC /dev/ptp0 refid NTS"), Ok(vec![clock]));
    }

    #[test]
    fn a_directive_without_its_parameter_is_a_fault() {
        for text in
            ["server", "pool ", "refclock PPS", "include", "confdir", "sourcedir", "driftfile"]
        {
            assert_eq!(directives(&format!("rtcsync\n{text}\n")), Err(2), "{text}");
        }
        let hourly = |text| match directives(text).as_deref() {
            Ok([Directive::DriftFile { hourly, .. }]) => Some(*hourly),
            _ => None,
        };
        assert_eq!(hourly("driftfile /var/lib/chrony/drift"), Some(true));
        assert_eq!(hourly("driftfile /var/lib/chrony/drift interval 86400"), Some(false));
    }
}
