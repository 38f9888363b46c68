//! What the configurations of servers name: certificates, keys and further configurations.

use crate::formats::glob;
use crate::formats::server_conf::{Form, statements};
use crate::host::{FileKind, ReadError, Reading};
use std::collections::{BTreeMap, BTreeSet};

/// Most files of one server's configuration.
const MAX_FILES: usize = 500;
/// Most files of one directory that a server reads.
const MAX_MEMBERS: usize = 200;

/// A server, as data: where its configuration is, and which words name what.
struct Server {
    name: &'static str,
    form: Form,
    /// Patterns in any part.
    files: &'static [&'static str],
    /// What a relative path is relative to, unless it is the file's own directory.
    base: Option<&'static str>,
    words: &'static [(&'static str, Word)],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Certificate,
    Key,
    /// Certificates, keys or both, in files or a directory of them.
    Either,
    Include,
    /// Sets what relative paths of certificates are relative to.
    Base,
    /// The same for keys alone.
    KeyBase,
    /// Names certificates in a way that is not read.
    Elsewhere,
    /// A file whose lines begin with paths.
    List,
}

const SERVERS: &[Server] = &[
    Server {
        name: "apache",
        form: Form::Directives,
        files: &[
            "/etc/apache2/apache2.conf",
            "/etc/httpd/conf/httpd.conf",
            "/etc/apache2/httpd.conf",
        ],
        base: Some(""),
        words: &[
            ("sslcertificatefile", Word::Certificate),
            ("sslcertificatekeyfile", Word::Key),
            ("sslcertificatechainfile", Word::Certificate),
            ("sslproxymachinecertificatefile", Word::Either),
            ("mdcertificatefile", Word::Certificate),
            ("mdcertificatekeyfile", Word::Key),
            ("mdomain", Word::Elsewhere),
            ("<mdomainset", Word::Elsewhere),
            ("include", Word::Include),
            ("includeoptional", Word::Include),
        ],
    },
    Server {
        name: "dovecot",
        form: Form::Values,
        files: &["/etc/dovecot/dovecot.conf"],
        base: None,
        words: &[
            ("ssl_cert", Word::Certificate),
            ("ssl_key", Word::Key),
            ("ssl_alt_cert", Word::Certificate),
            ("ssl_alt_key", Word::Key),
            ("ssl_server_cert_file", Word::Certificate),
            ("ssl_server_key_file", Word::Key),
            ("ssl_server_alt_cert_file", Word::Certificate),
            ("ssl_server_alt_key_file", Word::Key),
            ("!include", Word::Include),
            ("!include_try", Word::Include),
        ],
    },
    Server {
        name: "haproxy",
        form: Form::Lines,
        files: &["/etc/haproxy/haproxy.cfg", "/etc/haproxy/conf.d/*.cfg"],
        base: None,
        words: &[
            ("crt", Word::Either),
            ("key", Word::Key),
            ("crt-base", Word::Base),
            ("key-base", Word::KeyBase),
            ("crt-list", Word::List),
        ],
    },
    Server {
        name: "nginx",
        form: Form::Blocks,
        files: &["/etc/nginx/nginx.conf"],
        base: Some("/etc/nginx"),
        words: &[
            ("ssl_certificate", Word::Certificate),
            ("ssl_certificate_key", Word::Key),
            ("proxy_ssl_certificate", Word::Certificate),
            ("proxy_ssl_certificate_key", Word::Key),
            ("grpc_ssl_certificate", Word::Certificate),
            ("grpc_ssl_certificate_key", Word::Key),
            ("uwsgi_ssl_certificate", Word::Certificate),
            ("uwsgi_ssl_certificate_key", Word::Key),
            ("include", Word::Include),
        ],
    },
    Server {
        name: "postfix",
        form: Form::Folded,
        files: &["/etc/postfix/main.cf"],
        base: Some("/etc/postfix"),
        words: &[
            ("smtpd_tls_cert_file", Word::Certificate),
            ("smtpd_tls_key_file", Word::Key),
            ("smtpd_tls_eccert_file", Word::Certificate),
            ("smtpd_tls_eckey_file", Word::Key),
            ("smtpd_tls_dcert_file", Word::Certificate),
            ("smtpd_tls_dkey_file", Word::Key),
            ("smtpd_tls_chain_files", Word::Either),
            ("tls_server_sni_maps", Word::Elsewhere),
            ("smtp_tls_cert_file", Word::Certificate),
            ("smtp_tls_key_file", Word::Key),
            ("smtp_tls_chain_files", Word::Either),
        ],
    },
    Server {
        name: "postgresql",
        form: Form::Values,
        files: &[
            "/etc/postgresql/*/*/postgresql.conf",
            "/var/lib/pgsql/data/postgresql.conf",
            "/var/lib/pgsql/data/postgresql.auto.conf",
            "/var/lib/pgsql/*/data/postgresql.conf",
            "/var/lib/pgsql/*/data/postgresql.auto.conf",
        ],
        base: None,
        words: &[
            ("ssl_cert_file", Word::Certificate),
            ("ssl_key_file", Word::Key),
            ("data_directory", Word::Base),
            ("include", Word::Include),
            ("include_if_exists", Word::Include),
            ("include_dir", Word::Include),
        ],
    },
    Server {
        name: "stunnel",
        form: Form::Values,
        files: &["/etc/stunnel/*.conf", "/etc/stunnel/conf.d/*.conf"],
        base: None,
        words: &[("cert", Word::Certificate), ("key", Word::Key), ("include", Word::Include)],
    },
];

/// What HAProxy adds to the name of a certificate: files of other kinds of keys, and of the key.
const KINDS_OF_KEYS: [&str; 4] = ["", ".rsa", ".ecdsa", ".dsa"];
/// What stands beside certificates of HAProxy and is none.
const BESIDE: [&str; 3] = [".issuer", ".ocsp", ".sctl"];
/// What is read from elsewhere than a file, and what only the running server resolves.
const NO_PATHS: [&str; 4] = ["data:", "engine:", "pkcs11:", "store:"];

/// Files that servers name, and by whom.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) certificates: BTreeMap<String, BTreeSet<&'static str>>,
    pub(super) keys: BTreeMap<String, BTreeSet<&'static str>>,
    /// Something that may name more was not read, or not understood.
    pub(super) unclear: bool,
}

pub(super) fn read(reading: &mut Reading<'_>) -> Named {
    let mut named = Named::default();
    for server in SERVERS {
        let mut configuration = Configuration {
            server,
            named: &mut named,
            seen: BTreeSet::new(),
            bases: server.base.map(str::to_owned),
            key_bases: None,
            clusters: BTreeMap::new(),
            cluster: String::new(),
        };
        for pattern in server.files {
            match expand(reading, pattern) {
                Ok(files) => {
                    for file in files {
                        configuration.begin(&file);
                        configuration.file(reading, &file, true);
                    }
                }
                Err((path, error)) => {
                    reading.failed(&path, error);
                    configuration.named.unclear = true;
                }
            }
        }
        configuration.end(reading);
    }
    named
}

struct Configuration<'n> {
    server: &'static Server,
    named: &'n mut Named,
    seen: BTreeSet<String>,
    /// What relative paths are relative to.
    bases: Option<String>,
    /// What those of keys are relative to, where it is something else.
    key_bases: Option<String>,
    /// Servers of this sort, by the directory of their configuration: PostgreSQL has many.
    clusters: BTreeMap<String, Cluster>,
    /// The one whose files are read now.
    cluster: String,
}

/// Whether one of the servers has encryption on, and where that is said; whether a line names its
/// certificate.
#[derive(Debug, Default)]
struct Cluster {
    is_on: Option<String>,
    names_one: bool,
}

impl Configuration<'_> {
    /// A file that no other includes.
    fn begin(&mut self, path: &str) {
        if self.server.name == "postgresql" {
            self.bases = None;
        }
        path.rsplit_once('/').map_or("", |(directory, _)| directory).clone_into(&mut self.cluster);
    }

    /// PostgreSQL takes server.crt in its directory of data where no line names a certificate.
    fn end(&mut self, reading: &mut Reading<'_>) {
        for cluster in self.clusters.values().filter(|cluster| !cluster.names_one) {
            if let Some(path) = &cluster.is_on {
                reading.note(path, "ssl is on, and no line names a certificate");
                self.named.unclear = true;
            }
        }
    }

    /// `is_optional` where nothing says that the file must be there.
    fn file(&mut self, reading: &mut Reading<'_>, path: &str, is_optional: bool) {
        if !self.seen.insert(path.to_owned()) {
            return;
        }
        if self.seen.len() > MAX_FILES {
            self.named.unclear = true;
            return;
        }
        let text = match reading.config(path) {
            Ok(text) => text,
            Err(ReadError::Absent) if is_optional => return,
            Err(_) => {
                self.named.unclear = true;
                return;
            }
        };
        let Some(statements) = statements(&text, self.server.form) else {
            reading.malformed(path, "a quote that is left open");
            self.named.unclear = true;
            return;
        };
        if self.server.name == "apache" && self.bases.as_deref() == Some("") {
            // The built-in root of the server is the directory it is packaged with.
            let is_debian = path.starts_with("/etc/apache2");
            self.bases = Some(if is_debian { "/etc/apache2" } else { "/etc/httpd" }.to_owned());
        }
        for statement in &statements {
            let resolved = resolved(self.server, statement, &statements);
            self.statement(reading, path, &resolved);
        }
        self.defaults(reading, path, &statements);
    }

    /// What a server takes when no line names it, and options that stand elsewhere.
    fn defaults(&mut self, reading: &mut Reading<'_>, path: &str, statements: &[Vec<String>]) {
        // A boolean may be shortened to what is still one: `t`, `ye`.
        let begins = |value: &str| ["true", "yes"].iter().any(|word| word.starts_with(value));
        let is_on = |words: &Vec<String>| {
            matches!(words.as_slice(), [name, value] if name.eq_ignore_ascii_case("ssl")
                && (matches!(value.to_ascii_lowercase().as_str(), "on" | "1")
                    || begins(&value.to_ascii_lowercase())))
        };
        if self.server.name == "postgresql" && statements.iter().any(is_on) {
            let cluster = self.clusters.entry(self.cluster.clone()).or_default();
            cluster.is_on = Some(path.to_owned());
        }
        if self.server.name == "postfix" {
            let services = path.replace("main.cf", "master.cf");
            let options = [
                "tls_cert_file",
                "tls_eccert_file",
                "tls_chain_files",
                "tls_key_file",
                "tls_server_sni_maps",
            ];
            match reading.config(&services) {
                Ok(text) if options.iter().any(|option| text.contains(option)) => {
                    reading.note(&services, "a service has certificates of its own");
                    self.named.unclear = true;
                }
                Ok(_) | Err(ReadError::Absent) => {}
                Err(_) => self.named.unclear = true,
            }
        }
    }

    fn statement(&mut self, reading: &mut Reading<'_>, file: &str, statement: &[String]) {
        if self.server.name == "apache"
            && let [word, root] = statement
            && word.eq_ignore_ascii_case("ServerRoot")
        {
            self.bases = Some(root.clone());
            return;
        }
        // HAProxy's words stand anywhere in a line; elsewhere the first one counts.
        let is_anywhere = self.server.name == "haproxy";
        let places = if is_anywhere { statement.len() } else { 1 };
        for (index, name) in statement.iter().enumerate().take(places) {
            let name = name.to_ascii_lowercase();
            let meaning = self.server.words.iter().find(|(word, _)| *word == name);
            let (Some((_, word)), Some(value)) = (meaning, statement.get(index + 1)) else {
                continue;
            };
            let lists = *word == Word::Either && self.server.name == "postfix";
            let values: Vec<&str> = match lists {
                true => value.split([',', ' ', '\t']).filter(|one| !one.is_empty()).collect(),
                false => vec![value],
            };
            for value in values {
                // A word that says so itself: what it includes need not be there.
                let is_optional = name.contains("optional")
                    || name.ends_with("_try")
                    || name.ends_with("_if_exists");
                self.value(reading, file, *word, value, is_optional);
            }
        }
    }

    fn value(
        &mut self,
        reading: &mut Reading<'_>,
        file: &str,
        word: Word,
        value: &str,
        is_optional: bool,
    ) {
        let value = value.strip_prefix('<').map_or(value, str::trim_start);
        // Postfix's word for no certificate, and an empty value.
        if value.is_empty() || (self.server.name == "postfix" && value == "none") {
            return;
        }
        // What it stands for, only the running server knows.
        let is_no_path = NO_PATHS.iter().any(|scheme| value.starts_with(scheme));
        if value.contains(['$', '%']) || is_no_path || word == Word::Elsewhere {
            reading.note(file, format!("`{}` is not resolved", passable(value)));
            self.named.unclear = true;
            return;
        }
        let path = self.absolute(file, word, value);
        let by = self.server.name;
        match word {
            Word::Certificate => {
                self.clusters.entry(self.cluster.clone()).or_default().names_one = true;
                self.named.certificates.entry(path).or_default().insert(by);
            }
            Word::Key => {
                self.named.keys.entry(path).or_default().insert(by);
            }
            Word::Either => self.either(reading, &path),
            Word::Base => {
                self.bases = Some(value.to_owned());
                if by == "postgresql" {
                    self.file(reading, &format!("{value}/postgresql.auto.conf"), true);
                }
            }
            Word::KeyBase => self.key_bases = Some(value.to_owned()),
            Word::List => self.list(reading, &path),
            Word::Include => self.include(reading, &path, is_optional),
            Word::Elsewhere => {}
        }
    }

    fn absolute(&self, file: &str, word: Word, value: &str) -> String {
        if value.starts_with('/') {
            return value.to_owned();
        }
        let own = file.rsplit_once('/').map_or("", |(directory, _)| directory);
        let is_of_file = matches!(word, Word::Include | Word::List)
            && matches!(self.server.name, "haproxy" | "postgresql");
        let of_keys = self.key_bases.as_deref().filter(|_| word == Word::Key);
        let base = of_keys.or(self.bases.as_deref()).filter(|_| !is_of_file).unwrap_or(own);
        format!("{}/{value}", base.trim_end_matches('/'))
    }

    /// A file with certificate and key, or a directory of such files.
    fn either(&mut self, reading: &mut Reading<'_>, path: &str) {
        let by = self.server.name;
        match reading.stat(path) {
            Ok(meta) if meta.kind == FileKind::Directory => match reading.list(path) {
                Ok(names) if names.len() <= MAX_MEMBERS => {
                    let is_one = |name: &String| {
                        !name.starts_with('.') && !BESIDE.iter().any(|end| name.ends_with(end))
                    };
                    for name in names.into_iter().filter(is_one) {
                        let path = format!("{path}/{name}");
                        self.named.certificates.entry(path).or_default().insert(by);
                    }
                }
                _ => self.named.unclear = true,
            },
            _ => {
                self.named.certificates.entry(path.to_owned()).or_default().insert(by);
                if by == "haproxy" {
                    self.companions(reading, path);
                }
            }
        }
    }

    /// HAProxy: `site.pem.rsa` and its like stand for `site.pem` that is not there, and keys beside
    /// certificates without one: `site.pem.key`, or `site.key`.
    fn companions(&mut self, reading: &Reading<'_>, path: &str) {
        let by = self.server.name;
        let is_there = |path: &str| !matches!(reading.stat(path), Err(ReadError::Absent));
        let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
        let mut keys = vec![format!("{stem}.key")];
        for kind in KINDS_OF_KEYS {
            keys.push(format!("{path}{kind}.key"));
            let other = format!("{path}{kind}");
            if is_there(&other) {
                self.named.certificates.entry(other).or_default().insert(by);
            }
        }
        for key in keys.into_iter().filter(|key| is_there(key)) {
            self.named.keys.entry(key).or_default().insert(by);
        }
    }

    /// A certificate's path at the beginning of each line.
    fn list(&mut self, reading: &mut Reading<'_>, path: &str) {
        let Ok(text) = reading.config(path) else {
            self.named.unclear = true;
            return;
        };
        for line in text.lines().map(str::trim) {
            let first = line.split_ascii_whitespace().next().unwrap_or_default();
            if !first.is_empty() && !first.starts_with('#') {
                let at = self.absolute(path, Word::Certificate, first);
                self.either(reading, &at);
            }
        }
    }

    fn include(&mut self, reading: &mut Reading<'_>, path: &str, is_optional: bool) {
        let is_pattern = glob::is_pattern(path);
        let files = match is_pattern {
            true => expand(reading, path),
            false => Ok(vec![path.to_owned()]),
        };
        match files {
            Ok(files) => {
                for file in files {
                    // A directory stands for the files in it.
                    match reading.stat(&file) {
                        Ok(meta) if meta.kind == FileKind::Directory => {
                            self.directory(reading, &file)
                        }
                        _ => self.file(reading, &file, is_optional || is_pattern),
                    }
                }
            }
            Err((path, error)) => {
                reading.failed(&path, error);
                self.named.unclear = true;
            }
        }
    }

    fn directory(&mut self, reading: &mut Reading<'_>, path: &str) {
        match reading.list(path) {
            Ok(names) => {
                for name in names.into_iter().filter(|name| !name.starts_with('.')) {
                    self.file(reading, &format!("{path}/{name}"), true);
                }
            }
            Err(_) => self.named.unclear = true,
        }
    }
}

/// Postfix: a value that is another parameter's, `$smtpd_tls_cert_file`, as that one is set here.
fn resolved(server: &Server, statement: &[String], all: &[Vec<String>]) -> Vec<String> {
    let of = |value: &String| {
        let name = value.strip_prefix('$')?;
        let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
        let named =
            |words: &&Vec<String>| words.len() == 2 && words.first().is_some_and(|w| w == name);
        all.iter().rev().find(named).and_then(|words| words.get(1).cloned())
    };
    match statement {
        [name, value] if server.name == "postfix" => {
            vec![name.clone(), of(value).unwrap_or_else(|| value.clone())]
        }
        other => other.to_vec(),
    }
}

/// A word of a configuration, short enough for a note; words of this sort hold no secrets.
fn passable(value: &str) -> String {
    value.chars().take(60).collect()
}

/// Every path that a pattern stands for, with patterns in any of its parts.
pub(super) fn expand(
    reading: &mut Reading<'_>,
    pattern: &str,
) -> Result<Vec<String>, (String, ReadError)> {
    let mut paths = vec![String::new()];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for path in paths {
            if !glob::is_pattern(part) {
                next.push(format!("{path}/{part}"));
                continue;
            }
            let names = match reading.list(&format!("{path}/")) {
                Ok(names) => names,
                Err(ReadError::Absent) => continue,
                Err(error) => return Err((format!("{path}/"), error)),
            };
            let names = names.into_iter().filter(|name| {
                glob::matches(part, name) && (!name.starts_with('.') || part.starts_with('.'))
            });
            next.extend(names.map(|name| format!("{path}/{name}")));
            if next.len() > MAX_FILES {
                return Err((format!("{path}/"), ReadError::TooLarge(MAX_FILES as u64)));
            }
        }
        paths = next;
    }
    Ok(paths)
}
