//! Which version apt prefers: apt_preferences(5).

use super::deb822::Stanzas;
use super::glob;

/// A record for one package pattern.
#[derive(Debug, Clone)]
pub struct Pin {
    /// `None` for `*`: it gives a priority to whole archives.
    pub package: Option<PackagePattern>,
    pub to: PinTo,
    pub priority: Priority,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    Number(i16),
    Never,
}

/// `name`, `name:arch`, `src:name`, each with wildcards or as `/regex/`.
#[derive(Debug, Clone)]
pub struct PackagePattern {
    name: Expression,
    arch: Option<String>,
    is_source: bool,
}

#[derive(Debug, Clone)]
pub enum PinTo {
    Version(Expression),
    /// The archive, by what its Release says.
    Release(Box<ReleasePin>),
    /// The host that serves it.
    Origin(Expression),
}

#[derive(Debug, Clone, Default)]
pub struct ReleasePin {
    pub is_all: bool,
    pub archive_or_codename: Option<Expression>,
    pub version: Option<Expression>,
    pub origin: Option<Expression>,
    pub archive: Option<Expression>,
    pub codename: Option<Expression>,
    pub label: Option<Expression>,
    pub component: Option<Expression>,
    pub architecture: Option<Expression>,
}

/// A text, a pattern of fnmatch(3), or a regular expression between slashes; case does not matter.
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
    regex: Option<regex_lite::Regex>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct PreferencesError {
    pub line: usize,
    pub fault: &'static str,
}

/// The records of a file, one for every pattern. An error where apt has one, and for a regular
/// expression that this reader does not know.
pub fn pins(text: &str) -> Result<Vec<Pin>, PreferencesError> {
    let ended = if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
    let mut pins = Vec::new();
    for stanza in Stanzas::with_comments(&ended) {
        let stanza = stanza
            .map_err(|e| PreferencesError { line: e.line, fault: "it is no list of fields" })?;
        let at = |fault| PreferencesError { line: stanza.line, fault };
        let package = stanza.value("Package").filter(|package| !package.is_empty());
        let package = package.ok_or(at("a record without `Package`"))?;
        let Some(pin) = stanza.value("Pin") else { continue };
        let (kind, data) = pin.split_once(char::is_whitespace).unwrap_or((pin, ""));
        let is_general = package == "*";
        let Some(to) = pin_to(kind, data.trim(), is_general).map_err(at)? else { continue };
        let value = stanza.value("Pin-Priority").unwrap_or_default();
        let priority = priority(value, is_general).map_err(at)?;
        if is_general {
            pins.push(Pin { package: None, to, priority });
            continue;
        }
        for word in package.split_ascii_whitespace() {
            let package = Some(PackagePattern::new(word).map_err(at)?);
            pins.push(Pin { package, to: to.clone(), priority });
        }
    }
    Ok(pins)
}

/// apt passes over kinds of pins that it does not know.
fn pin_to(kind: &str, data: &str, is_general: bool) -> Result<Option<PinTo>, &'static str> {
    Ok(match kind.to_ascii_lowercase().as_str() {
        "version" if !is_general => Some(PinTo::Version(Expression::new(data)?)),
        "release" => Some(PinTo::Release(Box::new(ReleasePin::new(data)?))),
        "origin" => {
            let bare = data.strip_prefix('"').and_then(|data| data.strip_suffix('"'));
            Some(PinTo::Origin(Expression::new(bare.unwrap_or(data))?))
        }
        _ => None,
    })
}

fn priority(value: &str, is_general: bool) -> Result<Priority, &'static str> {
    if value == "never" {
        return match is_general {
            true => Ok(Priority::Never),
            false => Err("`never` is for all packages only"),
        };
    }
    match value.parse::<i16>() {
        Ok(0) | Err(_) => Err("a priority that is none"),
        Ok(number) => Ok(Priority::Number(number)),
    }
}

impl PackagePattern {
    fn new(word: &str) -> Result<Self, &'static str> {
        let (is_source, word) = match word.strip_prefix("src:") {
            Some(rest) => (true, rest),
            None => (false, word),
        };
        let (name, arch) = match word.rsplit_once(':') {
            Some((name, arch)) => (name, Some(arch.to_owned())),
            None => (word, None),
        };
        Ok(Self { name: Expression::new(name)?, arch, is_source })
    }

    pub fn matches(&self, name: &str, source: &str, arch: &str, native: &str) -> bool {
        let of_arch = match self.arch.as_deref() {
            None | Some("any") => true,
            Some("native") => arch == native,
            Some(named) => named == arch,
        };
        of_arch && self.name.matches_name(if self.is_source { source } else { name })
    }
}

impl ReleasePin {
    /// `a=stable,o=Debian`, or one word for archive, codename or version.
    pub fn new(data: &str) -> Result<Self, &'static str> {
        let mut pin = Self { is_all: data == "*", ..Self::default() };
        if pin.is_all {
            return Ok(pin);
        }
        if !data.contains('=') {
            let is_version = data.starts_with(|c: char| c.is_ascii_digit());
            let part = if is_version { &mut pin.version } else { &mut pin.archive_or_codename };
            *part = Some(Expression::new(data)?);
            return Ok(pin);
        }
        for part in data.split(',').map(str::trim).filter(|part| part.len() >= 3) {
            let Some((key, value)) = part.split_at_checked(2) else { continue };
            let expression = Some(Expression::new(value)?);
            match key.to_ascii_lowercase().as_str() {
                "v=" => pin.version = expression,
                "o=" => pin.origin = expression,
                "a=" => pin.archive = expression,
                "n=" => pin.codename = expression,
                "l=" => pin.label = expression,
                "c=" => pin.component = expression,
                "b=" => pin.architecture = expression,
                _ => {}
            }
        }
        Ok(pin)
    }
}

impl Expression {
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let inner = text.strip_prefix('/').and_then(|text| text.strip_suffix('/'));
        let regex = match inner.filter(|inner| !inner.is_empty()) {
            None => None,
            Some(inner) => Some(
                regex_lite::RegexBuilder::new(inner)
                    .case_insensitive(true)
                    .build()
                    .map_err(|_| "a regular expression that is not understood")?,
            ),
        };
        Ok(Self { text: text.to_owned(), regex })
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// As [`Self::matches`], but a name without wildcards is that name and no other.
    fn matches_name(&self, name: &str) -> bool {
        let is_pattern = self.regex.is_some() || glob::is_pattern(&self.text);
        if is_pattern { self.matches(name) } else { self.text == name }
    }

    pub fn matches(&self, text: &str) -> bool {
        match &self.regex {
            Some(regex) => regex.is_match(text),
            None => fnmatch(&self.text, text),
        }
    }
}

/// fnmatch(3) without regard to case; a `/` is a letter like any other.
pub fn fnmatch(pattern: &str, text: &str) -> bool {
    let folded = |text: &str| text.to_ascii_lowercase().replace('/', "\u{1}");
    glob::matches(&folded(pattern), &folded(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_record_names_packages_what_they_are_pinned_to_and_a_priority() {
        let text = "# none\nExplanation: x\nPackage: a /^b.*c$/ src:d*:amd64\nPin: version 1.2*\n\
                    Pin-Priority: 1001\n\nPackage: *\nPin: release o=Debian,a=sta*\nPin-Priority: never\n\n\
                    Package: x\nPin: colour red\nPin-Priority: 1\n\nPackage: *\nPin: origin \"\"\nPin-Priority: -5";
        let pins = pins(text).expect("pins");
        assert_eq!(pins.len(), 5);
        let matches = |at: usize, name| {
            pins[at].package.as_ref().expect("package").matches(name, "dee", "amd64", "amd64")
        };
        assert!(matches(0, "a") && !matches(0, "ab") && matches(1, "Bxc") && matches(2, "q"));
        let PinTo::Version(version) = &pins[0].to else { panic!("{:?}", pins[0]) };
        assert!(version.matches("1.2-1/x") && !version.matches("1.3"));
        assert_eq!((pins[3].priority, pins[4].priority), (Priority::Never, Priority::Number(-5)));
    }

    #[test]
    fn what_apt_refuses_is_refused() {
        for text in [
            "Pin: release *\nPin-Priority: 1\n",
            "Package: a\nPin: release *\n",
            "Package: a\nPin: release *\nPin-Priority: 0\n",
            "Package: a\nPin: release *\nPin-Priority: 99999\n",
            "Package: a\nPin: release *\nPin-Priority: never\n",
            "x\n",
        ] {
            assert!(pins(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(Package: |Pin: |Pin-Priority: |release |version |[a-z*/=,1\n ]){0,30}") {
            let _ = pins(&text);
        }
    }
}
