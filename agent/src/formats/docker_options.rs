//! Options of dockerd(8): daemon.json, and the words of its command line as pflag reads them.
//! What is given in both places, or cannot be told apart, is refused: dockerd would not start, or
//! nobody knows with what.

use super::tree::{self, Tree};

/// Options that matter here, with what dockerd takes when they are not given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    pub hosts: Vec<String>,
    pub tls_verify: Option<bool>,
    pub userns_remap: Option<String>,
    pub no_new_privileges: Option<bool>,
    pub live_restore: Option<bool>,
    pub icc: Option<bool>,
    pub log_driver: Option<String>,
    pub log_max_size: Option<String>,
    pub insecure_registries: Vec<String>,
    pub data_root: Option<String>,
    pub config_file: Option<String>,
}

impl Options {
    /// daemon.json. An option of a wrong type is an error, as it is for dockerd.
    pub fn of_file(json: &str) -> Result<Self, String> {
        let tree =
            tree::json(json).map_err(|error| format!("line {}: {}", error.line, error.what))?;
        if !matches!(tree, Tree::Map(_)) {
            return Err("not an object".to_owned());
        }
        let at = |keys: &[&str]| {
            let keys: Vec<_> = keys.iter().map(|key| (*key).to_owned()).collect();
            tree.at(&keys).first().map(|tree| (*tree).clone())
        };
        Ok(Self {
            hosts: texts(at(&["hosts"]), "hosts")?,
            tls_verify: boolean(at(&["tlsverify"]), "tlsverify")?,
            userns_remap: text(at(&["userns-remap"]), "userns-remap")?,
            no_new_privileges: boolean(at(&["no-new-privileges"]), "no-new-privileges")?,
            live_restore: boolean(at(&["live-restore"]), "live-restore")?,
            icc: boolean(at(&["icc"]), "icc")?,
            log_driver: text(at(&["log-driver"]), "log-driver")?,
            log_max_size: text(at(&["log-opts", "max-size"]), "log-opts")?,
            insecure_registries: texts(at(&["insecure-registries"]), "insecure-registries")?,
            data_root: match text(at(&["data-root"]), "data-root")? {
                None => text(at(&["graph"]), "graph")?,
                some => some,
            },
            config_file: None,
        })
    }

    /// The words after the program.
    pub fn of_words(words: &[&str]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = words.iter().copied().peekable();
        while let Some(word) = words.next() {
            let (name, given) = split(word)?;
            if let Some(flag) = options.flag(name) {
                *flag = Some(match given {
                    None | Some("true" | "1" | "t" | "T" | "TRUE" | "True") => true,
                    Some("false" | "0" | "f" | "F" | "FALSE" | "False") => false,
                    Some(_) => return Err(format!("--{name}: neither true nor false")),
                });
                continue;
            }
            // dockerd takes no words by themselves: one that follows is a value.
            let value = match given {
                Some(value) => Some(value),
                None => words.next_if(|next| !next.starts_with('-')),
            };
            options.set(name, value)?;
        }
        Ok(options)
    }

    fn flag(&mut self, name: &str) -> Option<&mut Option<bool>> {
        match name {
            "tlsverify" => Some(&mut self.tls_verify),
            "no-new-privileges" => Some(&mut self.no_new_privileges),
            "live-restore" => Some(&mut self.live_restore),
            "icc" => Some(&mut self.icc),
            _ => None,
        }
    }

    fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), String> {
        let needed = || value.map(str::to_owned).ok_or(format!("--{name}: no value"));
        match name {
            "host" | "H" => self.hosts.push(needed()?),
            "userns-remap" => self.userns_remap = Some(needed()?),
            "log-driver" => self.log_driver = Some(needed()?),
            "log-opt" => {
                if let Some(size) = needed()?.strip_prefix("max-size=") {
                    self.log_max_size = Some(size.to_owned());
                }
            }
            "insecure-registry" => self.insecure_registries.push(needed()?),
            "data-root" | "graph" | "g" => self.data_root = Some(needed()?),
            "config-file" => self.config_file = Some(needed()?),
            _ => {}
        }
        Ok(())
    }

    /// Both together: nothing may be given twice.
    pub fn with(self, other: Self) -> Result<Self, String> {
        Ok(Self {
            hosts: one_list(self.hosts, other.hosts, "hosts")?,
            tls_verify: one(self.tls_verify, other.tls_verify, "tlsverify")?,
            userns_remap: one(self.userns_remap, other.userns_remap, "userns-remap")?,
            no_new_privileges: one(
                self.no_new_privileges,
                other.no_new_privileges,
                "no-new-privileges",
            )?,
            live_restore: one(self.live_restore, other.live_restore, "live-restore")?,
            icc: one(self.icc, other.icc, "icc")?,
            log_driver: one(self.log_driver, other.log_driver, "log-driver")?,
            log_max_size: one(self.log_max_size, other.log_max_size, "log-opts")?,
            insecure_registries: one_list(
                self.insecure_registries,
                other.insecure_registries,
                "insecure-registries",
            )?,
            data_root: one(self.data_root, other.data_root, "data-root")?,
            config_file: self.config_file.or(other.config_file),
        })
    }

    /// Whether it listens on TCP: an address without a scheme is one of TCP.
    pub fn listens_on_tcp(&self) -> bool {
        let local = |host: &String| {
            let host = host.trim();
            host.is_empty() || host.starts_with("unix://") || host.starts_with("fd://")
        };
        !self.hosts.iter().all(local)
    }

    /// Whether a socket unit hands it its sockets.
    pub fn takes_sockets(&self) -> bool {
        self.hosts.iter().any(|host| host.trim().starts_with("fd://"))
    }
}

/// `--name=value`, `--name`, `-Hvalue`, `-H=value`, `-H`. Several short ones in one word are refused.
fn split(word: &str) -> Result<(&str, Option<&str>), String> {
    if let Some(long) = word.strip_prefix("--").filter(|long| !long.is_empty()) {
        return Ok(match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        });
    }
    let short = word.strip_prefix('-').filter(|short| !short.is_empty() && *short != "-");
    let short = short.ok_or("a word that is no option")?;
    let (name, rest) = short.split_at_checked(1).ok_or("an option that is not understood")?;
    let takes_value = matches!(name, "H" | "G" | "g" | "b" | "l" | "p" | "s");
    match rest {
        "" => Ok((name, None)),
        _ if takes_value => Ok((name, Some(rest.strip_prefix('=').unwrap_or(rest)))),
        _ => Err("several options in one word".to_owned()),
    }
}

fn one<T>(a: Option<T>, b: Option<T>, name: &str) -> Result<Option<T>, String> {
    match (a, b) {
        (Some(_), Some(_)) => Err(format!("{name} is given by daemon.json and by the unit")),
        (a, b) => Ok(a.or(b)),
    }
}

fn one_list(a: Vec<String>, b: Vec<String>, name: &str) -> Result<Vec<String>, String> {
    match (a.is_empty(), b.is_empty()) {
        (false, false) => Err(format!("{name} is given by daemon.json and by the unit")),
        (true, _) => Ok(b),
        (false, true) => Ok(a),
    }
}

fn boolean(tree: Option<Tree>, name: &str) -> Result<Option<bool>, String> {
    match tree {
        None => Ok(None),
        Some(Tree::Boolean(value)) => Ok(Some(value)),
        Some(_) => Err(format!("{name}: neither true nor false")),
    }
}

fn text(tree: Option<Tree>, name: &str) -> Result<Option<String>, String> {
    match tree {
        None => Ok(None),
        Some(Tree::Text(value)) => Ok(Some(value)),
        Some(_) => Err(format!("{name}: no text")),
    }
}

fn texts(tree: Option<Tree>, name: &str) -> Result<Vec<String>, String> {
    match tree {
        None => Ok(Vec::new()),
        Some(Tree::List(items)) => {
            let one = |item: Tree| text(Some(item), name).map(Option::unwrap_or_default);
            items.into_iter().map(one).collect()
        }
        Some(_) => Err(format!("{name}: no list")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(line: &str) -> Result<Options, String> {
        Options::of_words(&line.split(' ').collect::<Vec<_>>())
    }

    #[test]
    fn a_host_is_found_in_each_form_of_the_option() {
        for line in [
            "-H tcp://0.0.0.0:2375",
            "-Htcp://0.0.0.0:2375",
            "-H=tcp://0.0.0.0:2375",
            "--host tcp://0.0.0.0:2375",
            "--debug --host=tcp://0.0.0.0:2375",
            "--containerd /run/c.sock -H fd:// -H tcp://0.0.0.0:2375",
            "-H 0.0.0.0:2375",
            "-H :2375",
        ] {
            assert!(words(line).expect(line).listens_on_tcp(), "{line}");
        }
        for line in ["-H fd://", "-H unix:///run/docker.sock", "--debug --mtu 1400", "-D -H fd://"]
        {
            assert!(!words(line).expect(line).listens_on_tcp(), "{line}");
        }
        for line in ["-DH tcp://0.0.0.0:2375", "tcp://0.0.0.0:2375", "-- -H", "-H"] {
            assert!(words(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_flag_takes_no_value_from_the_next_word() {
        let options = words("--tlsverify --icc=false --live-restore").expect("options");
        assert_eq!((options.tls_verify, options.icc), (Some(true), Some(false)));
        assert!(words("--icc false").is_err(), "a word by itself");
        assert!(words("--icc=maybe").is_err());
    }

    #[test]
    fn what_is_given_twice_is_refused() {
        let file = Options::of_file(r#"{"hosts":["fd://"],"icc":true}"#).expect("options");
        assert!(file.clone().with(words("-H fd://").expect("options")).is_err());
        assert!(file.clone().with(words("--icc=false").expect("options")).is_err());
        let both = file.with(words("--tlsverify").expect("options")).expect("both");
        assert_eq!((both.tls_verify, both.icc), (Some(true), Some(true)));
    }

    proptest! {
        #[test]
        fn every_text_has_an_answer(text in "(?s).{0,120}") {
            let _ = (Options::of_file(&text), words(&text));
        }
    }
}
