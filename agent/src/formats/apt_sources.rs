//! Where apt gets packages from: sources.list(5), in its one-line and its deb822 form.
//!
//! Takes text, gives sources of binary packages. Stricter than apt nowhere: a file that apt refuses
//! is refused, because apt then reads none of them.

use super::apt_conf::{switch, word};
use super::deb822::{Stanza, Stanzas};

/// One address with one suite.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AptSource {
    /// With user and password, if it has them: see [`public_uri`].
    pub uri: String,
    pub suite: String,
    /// None for a suite that is a path and ends with `/`.
    pub components: Vec<String>,
    /// The architectures named, instead of those of the host; empty for those.
    pub architectures: Vec<String>,
    pub added_architectures: Vec<String>,
    pub removed_architectures: Vec<String>,
    pub enabled: bool,
    pub trusted: Option<bool>,
    /// What waives signatures otherwise: allow-insecure, allow-weak, allow-downgrade-to-insecure.
    pub waives: Option<bool>,
    pub check_valid_until: Option<bool>,
    pub signed_by: bool,
}

/// Never shows the text itself: addresses hold passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct AptSourcesError {
    pub line: usize,
    pub fault: &'static str,
}

/// Options of the one-line form, and the fields of the other.
const WAIVERS: [(&str, &str); 3] = [
    ("allow-insecure", "Allow-Insecure"),
    ("allow-weak", "Allow-Weak"),
    ("allow-downgrade-to-insecure", "Allow-Downgrade-To-Insecure"),
];

/// The sources of a `.list` file.
pub fn one_line(text: &str) -> Result<Vec<AptSource>, AptSourcesError> {
    let mut sources = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let at = |fault| AptSourcesError { line: number + 1, fault };
        let line = without_comment(line).trim();
        if !line.is_empty() {
            sources.extend(source_of_line(line).map_err(at)?);
        }
    }
    Ok(sources)
}

/// A `#` within brackets is part of a name.
fn without_comment(line: &str) -> &str {
    let mut from = 0;
    while let Some(at) = line[from..].find(['#', '[']).map(|at| from + at) {
        if line[at..].starts_with('#') {
            return &line[..at];
        }
        match line[at..].find(']') {
            Some(close) => from = at + close,
            None => from = at + 1,
        }
    }
    line
}

fn source_of_line(line: &str) -> Result<Option<AptSource>, &'static str> {
    let next = |text| word(text).map_err(|_| "a quotation mark or bracket without its end");
    let (kind, mut rest) = next(line)?;
    let is_binary = match kind.as_str() {
        "deb" => true,
        "deb-src" => false,
        _ => return Err("it begins with neither `deb` nor `deb-src`"),
    };
    let mut source = AptSource { enabled: true, ..AptSource::default() };
    rest = rest.trim_start();
    if let Some(options) = rest.strip_prefix('[') {
        let (options, after) = options.split_once(']').ok_or("options without their end")?;
        for option in options.split_ascii_whitespace() {
            source.option(option)?;
        }
        rest = after;
    }
    let (uri, rest) = next(rest)?;
    let (suite, mut rest) = next(rest)?;
    if uri.is_empty() || suite.is_empty() {
        return Err("the address or the suite is missing");
    }
    while !rest.trim().is_empty() {
        let (component, after) = next(rest)?;
        source.components.push(component);
        rest = after;
    }
    source.place(&uri, &suite)?;
    Ok(is_binary.then_some(source))
}

/// The sources of a `.sources` file.
pub fn deb822(text: &str) -> Result<Vec<AptSource>, AptSourcesError> {
    let ended = if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
    let mut sources = Vec::new();
    for stanza in Stanzas::with_comments(&ended) {
        let stanza = stanza.map_err(|error| AptSourcesError {
            line: error.line,
            fault: "it is no list of fields",
        })?;
        let at = |fault| AptSourcesError { line: stanza.line, fault };
        sources.extend(sources_of_stanza(&stanza).map_err(at)?);
    }
    Ok(sources)
}

fn sources_of_stanza(stanza: &Stanza<'_>) -> Result<Vec<AptSource>, &'static str> {
    let words = |name| words(stanza, name);
    let types = words("Types");
    if types.is_empty() {
        return Err("a stanza without `Types`");
    }
    if !types.iter().all(|kind| kind == "deb" || kind == "deb-src") {
        return Err("`Types` has more than `deb` and `deb-src`");
    }
    let flag = |name| stanza.value(name).and_then(switch);
    let model = AptSource {
        components: words("Components"),
        architectures: words("Architectures"),
        added_architectures: words("Architectures-Add"),
        removed_architectures: words("Architectures-Remove"),
        enabled: flag("Enabled") != Some(false),
        trusted: flag("Trusted"),
        waives: WAIVERS.iter().filter_map(|(_, field)| flag(field)).reduce(|a, b| a || b),
        check_valid_until: flag("Check-Valid-Until"),
        signed_by: stanza.value("Signed-By").is_some_and(|value| !value.is_empty()),
        ..AptSource::default()
    };
    let (uris, suites) = (words("URIs"), words("Suites"));
    // What is not enabled may be half written; apt does not look at it.
    if (uris.is_empty() || suites.is_empty()) && model.enabled {
        return Err("a stanza without `URIs` or `Suites`");
    }
    let mut sources = Vec::new();
    for uri in &uris {
        for suite in &suites {
            let mut source = model.clone();
            match source.place(uri, suite) {
                Err(fault) if source.enabled => return Err(fault),
                _ => sources.push(source),
            }
        }
    }
    sources.retain(|_| types.iter().any(|kind| kind == "deb"));
    Ok(sources)
}

fn words(stanza: &Stanza<'_>, name: &str) -> Vec<String> {
    let lines = stanza.field(name).into_iter().flat_map(|field| field.lines());
    lines.flat_map(str::split_ascii_whitespace).map(str::to_owned).collect()
}

impl AptSource {
    fn place(&mut self, uri: &str, suite: &str) -> Result<(), &'static str> {
        let slash = if uri.ends_with('/') { "" } else { "/" };
        (self.uri, self.suite) = (format!("{uri}{slash}"), suite.to_owned());
        if !uri.contains(':') {
            return Err("the address has no scheme");
        }
        match (self.is_flat(), self.components.is_empty()) {
            (true, false) => Err("a suite that is a path, with components"),
            (false, true) => Err("a suite without components"),
            _ => Ok(()),
        }
    }

    fn option(&mut self, option: &str) -> Result<(), &'static str> {
        let (name, value) = option.split_once('=').ok_or("an option without its value")?;
        let values = || value.split(',').map(str::to_owned);
        match name {
            "arch" => self.architectures.extend(values()),
            "arch+" => self.added_architectures.extend(values()),
            "arch-" => self.removed_architectures.extend(values()),
            "trusted" => self.trusted = switch(value),
            "check-valid-until" => self.check_valid_until = switch(value),
            "signed-by" => self.signed_by = !value.is_empty(),
            name if WAIVERS.iter().any(|(waiver, _)| *waiver == name) => {
                self.waives = Some(self.waives == Some(true) || switch(value) == Some(true));
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether packages lie beside their list, without components.
    pub fn is_flat(&self) -> bool {
        self.suite.ends_with('/')
    }

    /// The architectures whose lists are read, of those that the host has.
    pub fn architectures<'s>(&'s self, host: &'s [String]) -> Vec<&'s str> {
        let own = if self.architectures.is_empty() { host } else { &self.architectures };
        let mut all: Vec<&str> =
            own.iter().chain(&self.added_architectures).map(String::as_str).collect();
        all.retain(|arch| !self.removed_architectures.iter().any(|gone| gone == arch));
        all
    }

    /// The host that serves it; empty for files.
    pub fn site(&self) -> String {
        let public = public_uri(&self.uri);
        let authority = public.split_once("://").map_or("", |(_, rest)| rest);
        let host = authority.split('/').next().unwrap_or_default();
        host.rsplit_once(':').map_or(host, |(host, _)| host).to_owned()
    }

    /// The name of a file of it among the lists: the address below it, without scheme and user,
    /// with `_` for `/`.
    pub fn list_name(&self, native: &str, file: &str) -> String {
        let public = public_uri(&self.uri);
        let (_, rest) = public.split_once(':').unwrap_or(("", &public));
        let base = match rest.strip_prefix("//") {
            Some(rest) if !rest.starts_with('/') => rest,
            Some(rest) => rest,
            None => rest,
        };
        let suite = self.suite.replace("$(ARCH)", native);
        let path = match (self.is_flat(), suite.as_str()) {
            (true, "/") => format!("{base}{file}"),
            (true, suite) => format!("{base}{suite}{file}"),
            (false, suite) => format!("{base}dists/{suite}/{file}"),
        };
        let mut name = String::new();
        for byte in path.bytes() {
            match byte {
                b'/' => name.push('_'),
                0..=b' ' | 0x7f.. => name.push_str(&format!("%{byte:02x}")),
                byte if b"\\|{}[]<>\"^~_=!@#$%&*".contains(&byte) => {
                    name.push_str(&format!("%{byte:02x}"));
                }
                byte => name.push(char::from(byte)),
            }
        }
        name
    }
}

/// An address without what may be secret in it: user, password, query and fragment.
pub fn public_uri(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else {
        return uri.split(['?', '#']).next().unwrap_or_default().to_owned();
    };
    let slash = rest.find('/').unwrap_or(rest.len());
    let authority = &rest[..slash];
    // A password may hold a slash that nobody escaped: what follows the colon is then no port.
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port.trim_end_matches(']'));
    let is_odd = !port.bytes().all(|b| b.is_ascii_hexdigit());
    let rest = match (authority.rfind('@'), rest.rfind('@')) {
        (Some(at), _) => &rest[at + 1..],
        (None, Some(at)) if is_odd => &rest[at + 1..],
        _ => rest,
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}://{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_has_options_an_address_a_suite_and_components() {
        let text = "# none\n\ndeb [ arch=amd64,i386 trusted=yes ] https://u:p@mirror.example/debian \
                    stable main contrib # more\ndeb-src http://mirror.example/ stable main\n\
                    deb [signed-by=/k.gpg] file:/srv/own ./\n";
        let sources = one_line(text).expect("sources");
        assert_eq!(sources.len(), 2);
        let (a, b) = (&sources[0], &sources[1]);
        assert_eq!((a.suite.as_str(), a.components.join(" ")), ("stable", "main contrib".into()));
        assert_eq!((a.architectures(&[]), a.trusted), (vec!["amd64", "i386"], Some(true)));
        assert_eq!(public_uri(&a.uri), "https://mirror.example/debian/");
        assert_eq!(
            a.list_name("amd64", "main/binary-amd64/Packages"),
            "mirror.example_debian_dists_stable_main_binary-amd64_Packages"
        );
        assert!(b.is_flat() && b.signed_by && b.trusted.is_none());
        assert_eq!(
            (b.site(), b.list_name("amd64", "Packages")),
            (String::new(), "_srv_own_._Packages".into())
        );
    }

    #[test]
    fn a_stanza_is_every_address_with_every_suite() {
        let text = "Types: deb deb-src\nURIs: https://mirror.example/a_b https://b.example\n\
                    Suites: x\n x-security\nComponents: main\nTrusted: yes\nSigned-By:\n KEY\n .\n\n\
                    # off\nEnabled: no\nTypes: deb\nURIs: http://c.example\nSuites: y\nComponents: main";
        let sources = deb822(text).expect("sources");
        let seen: Vec<_> =
            sources.iter().map(|s| (s.uri.as_str(), s.suite.as_str(), s.enabled)).collect();
        assert_eq!(seen[1], ("https://mirror.example/a_b/", "x-security", true));
        assert_eq!((seen.len(), seen[4]), (5, ("http://c.example/", "y", false)));
        assert!(sources[0].signed_by && sources[0].trusted == Some(true));
        assert_eq!(
            sources[0].list_name("amd64", "InRelease"),
            "mirror.example_a%5fb_dists_x_InRelease"
        );
    }

    #[test]
    fn what_apt_refuses_is_refused() {
        for text in [
            "deb http://a/ x",
            "rpm http://a/ x main",
            "deb http://a/",
            "deb [x http://a/ x main",
            "deb http://a/ ./ main",
        ] {
            assert!(one_line(text).is_err(), "{text}");
        }
        for text in [
            "URIs: http://a\nSuites: x\n",
            "Types: rpm\nURIs: http://a\nSuites: x/\n",
            "Types: deb\nSuites: x/\n",
            "bad\n",
        ] {
            assert!(deb822(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_secret_is_left_in_an_address() {
        for (uri, public) in [
            ("https://u:p@h.example/x", "https://h.example/x"),
            ("https://u:p/w@h.example/x", "https://h.example/x"),
            ("https://u@w:p@h.example:8443/x?token=t#f", "https://h.example:8443/x"),
            ("https://h.example:80/~a@b/", "https://h.example:80/~a@b/"),
            ("file:/srv/own?x", "file:/srv/own"),
        ] {
            assert_eq!(public_uri(uri), public);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(deb|[a-z:/@\\[\\]=#, \n]|Types: deb\n|URIs: ){0,40}") {
            for sources in [one_line(&text), deb822(&text)].into_iter().flatten() {
                for source in sources {
                    let _ = (source.site(), source.list_name("amd64", "Packages"));
                }
            }
        }
    }
}
