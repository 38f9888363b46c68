//! The keywords of sshd_config(5) as Debian and Ubuntu build sshd, GSSAPI and `DebianBanner`
//! included.

use super::Release;
use super::values::{
    COMPRESSION, FACILITY, FAMILY, FLAG, FORWARDING, GATEWAY, MANY, ONE, RHOSTS, ROOT_LOGIN, Shape,
    TUNNEL,
};

/// Where a keyword may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Outside of conditional `Match` blocks only.
    Global,
    Anywhere,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keyword {
    /// In lower case, with aliases resolved: the name under which `sshd -T` prints it.
    pub name: &'static str,
    pub scope: Scope,
    pub shape: Shape,
    /// Values of several lines add up; otherwise the first line wins.
    pub accumulates: bool,
}

use Scope::{Anywhere, Global};
use Shape::{Algorithms, Command, Ignored, Integer, Rest, Time, Words};

/// The first of the proven releases that knows a keyword: all of them, unless it says otherwise.
const ALWAYS: Release = Release::new(0, 0);
const V8_9: Release = Release::new(8, 9);
const V9_2: Release = Release::new(9, 2);
const V10_0: Release = Release::new(10, 0);

type Row = (&'static str, Scope, Shape, Release);

/// What `SshServer` reports, or what decides how it is read.
const REPORTED: &[Row] = &[
    ("permitrootlogin", Anywhere, ROOT_LOGIN, ALWAYS),
    ("passwordauthentication", Anywhere, FLAG, ALWAYS),
    ("kbdinteractiveauthentication", Anywhere, FLAG, ALWAYS),
    ("pubkeyauthentication", Anywhere, FLAG, ALWAYS),
    ("permitemptypasswords", Anywhere, FLAG, ALWAYS),
    ("hostbasedauthentication", Anywhere, FLAG, ALWAYS),
    ("ignorerhosts", Anywhere, RHOSTS, ALWAYS),
    ("permituserenvironment", Global, ONE, ALWAYS),
    ("usepam", Global, FLAG, ALWAYS),
    ("x11forwarding", Anywhere, FLAG, ALWAYS),
    ("allowtcpforwarding", Anywhere, FORWARDING, ALWAYS),
    ("allowagentforwarding", Anywhere, FLAG, ALWAYS),
    ("permittunnel", Anywhere, TUNNEL, ALWAYS),
    ("gatewayports", Anywhere, GATEWAY, ALWAYS),
    ("strictmodes", Global, FLAG, ALWAYS),
    ("loglevel", Anywhere, Shape::LogLevel, ALWAYS),
    ("syslogfacility", Global, FACILITY, ALWAYS),
    ("banner", Anywhere, ONE, ALWAYS),
    ("authorizedkeysfile", Anywhere, MANY, ALWAYS),
    ("authorizedkeyscommand", Anywhere, Command, ALWAYS),
    ("authenticationmethods", Anywhere, Shape::Methods, ALWAYS),
    ("maxauthtries", Anywhere, Integer, ALWAYS),
    ("maxsessions", Anywhere, Integer, ALWAYS),
    ("maxstartups", Global, Shape::Startups, ALWAYS),
    ("logingracetime", Global, Time, ALWAYS),
    ("clientaliveinterval", Anywhere, Time, ALWAYS),
    ("clientalivecountmax", Anywhere, Integer, ALWAYS),
    ("port", Global, Shape::Port, ALWAYS),
    ("addressfamily", Global, FAMILY, ALWAYS),
    ("listenaddress", Global, Shape::ListenAddress, ALWAYS),
    ("allowusers", Anywhere, MANY, ALWAYS),
    ("allowgroups", Anywhere, MANY, ALWAYS),
    ("denyusers", Anywhere, MANY, ALWAYS),
    ("denygroups", Anywhere, MANY, ALWAYS),
    ("ciphers", Global, Algorithms, ALWAYS),
    ("macs", Global, Algorithms, ALWAYS),
    ("kexalgorithms", Global, Algorithms, ALWAYS),
    ("hostkeyalgorithms", Global, Algorithms, ALWAYS),
    ("pubkeyacceptedalgorithms", Anywhere, Algorithms, ALWAYS),
    ("hostkey", Global, ONE, ALWAYS),
    ("include", Anywhere, Shape::Include, ALWAYS),
    ("match", Anywhere, Shape::Match, ALWAYS),
];

/// What is checked for form only.
const OTHERS: &[Row] = &[
    ("acceptenv", Anywhere, MANY, ALWAYS),
    ("allowstreamlocalforwarding", Anywhere, FORWARDING, ALWAYS),
    ("authorizedkeyscommanduser", Anywhere, ONE, ALWAYS),
    ("authorizedprincipalscommand", Anywhere, Command, ALWAYS),
    ("authorizedprincipalscommanduser", Anywhere, ONE, ALWAYS),
    ("authorizedprincipalsfile", Anywhere, ONE, ALWAYS),
    ("casignaturealgorithms", Anywhere, Algorithms, ALWAYS),
    ("channeltimeout", Anywhere, MANY, V9_2),
    ("chrootdirectory", Anywhere, ONE, ALWAYS),
    ("compression", Global, COMPRESSION, ALWAYS),
    ("debianbanner", Global, FLAG, ALWAYS),
    ("disableforwarding", Anywhere, FLAG, ALWAYS),
    ("exposeauthinfo", Anywhere, FLAG, ALWAYS),
    ("fingerprinthash", Global, ONE, ALWAYS),
    ("forcecommand", Anywhere, Rest, ALWAYS),
    ("gssapiauthentication", Anywhere, FLAG, ALWAYS),
    ("gssapicleanupcredentials", Global, FLAG, ALWAYS),
    ("gssapikexalgorithms", Global, ONE, ALWAYS),
    ("gssapikeyexchange", Global, FLAG, ALWAYS),
    ("gssapistorecredentialsonrekey", Global, FLAG, ALWAYS),
    ("gssapistrictacceptorcheck", Global, FLAG, ALWAYS),
    ("hostbasedacceptedalgorithms", Anywhere, Algorithms, ALWAYS),
    ("hostbasedusesnamefrompacketonly", Anywhere, FLAG, ALWAYS),
    ("hostcertificate", Global, ONE, ALWAYS),
    ("hostkeyagent", Global, ONE, ALWAYS),
    ("ignoreuserknownhosts", Global, FLAG, ALWAYS),
    ("ipqos", Anywhere, Words(1, 2), ALWAYS),
    ("kerberosauthentication", Anywhere, FLAG, ALWAYS),
    ("kerberosorlocalpasswd", Global, FLAG, ALWAYS),
    ("kerberosticketcleanup", Global, FLAG, ALWAYS),
    ("logverbose", Anywhere, MANY, V8_9),
    ("modulifile", Global, ONE, V8_9),
    ("pamservicename", Anywhere, ONE, V10_0),
    ("permitlisten", Anywhere, MANY, ALWAYS),
    ("permitopen", Anywhere, MANY, ALWAYS),
    ("permittty", Anywhere, FLAG, ALWAYS),
    ("permituserrc", Anywhere, FLAG, ALWAYS),
    ("persourcemaxstartups", Global, ONE, V8_9),
    ("persourcenetblocksize", Global, ONE, V8_9),
    ("persourcepenalties", Global, MANY, V10_0),
    ("persourcepenaltyexemptlist", Global, ONE, V10_0),
    ("pidfile", Global, ONE, ALWAYS),
    ("printlastlog", Global, FLAG, ALWAYS),
    ("printmotd", Global, FLAG, ALWAYS),
    ("pubkeyauthoptions", Anywhere, MANY, ALWAYS),
    ("refuseconnection", Anywhere, FLAG, V10_0),
    ("rekeylimit", Anywhere, Words(1, 2), ALWAYS),
    ("requiredrsasize", Anywhere, Integer, V9_2),
    ("revokedkeys", Anywhere, ONE, ALWAYS),
    ("securitykeyprovider", Global, ONE, ALWAYS),
    ("setenv", Anywhere, MANY, ALWAYS),
    ("sshdauthpath", Global, ONE, V10_0),
    ("sshdsessionpath", Global, ONE, V10_0),
    ("streamlocalbindmask", Anywhere, ONE, ALWAYS),
    ("streamlocalbindunlink", Anywhere, FLAG, ALWAYS),
    ("subsystem", Global, Words(2, usize::MAX), ALWAYS),
    ("tcpkeepalive", Global, FLAG, ALWAYS),
    ("trustedusercakeys", Anywhere, ONE, ALWAYS),
    ("unusedconnectiontimeout", Anywhere, Shape::TimeOrNone, V9_2),
    ("usedns", Global, FLAG, ALWAYS),
    ("versionaddendum", Global, Rest, ALWAYS),
    ("x11displayoffset", Anywhere, Integer, ALWAYS),
    ("x11uselocalhost", Anywhere, FLAG, ALWAYS),
    ("xauthlocation", Global, ONE, ALWAYS),
    // Accepted with a warning, or in silence, and without effect.
    ("afstokenpassing", Global, Ignored, ALWAYS),
    ("authorizedkeysfile2", Anywhere, Ignored, ALWAYS),
    ("checkmail", Global, Ignored, ALWAYS),
    ("gssapiusesessioncredcache", Global, Ignored, ALWAYS),
    ("gssusesessionccache", Global, Ignored, ALWAYS),
    ("kerberosgetafstoken", Global, Ignored, ALWAYS),
    ("kerberostgtpassing", Global, Ignored, ALWAYS),
    ("keyregenerationinterval", Global, Ignored, ALWAYS),
    ("pamauthenticationviakbdint", Global, Ignored, ALWAYS),
    ("protocol", Global, Ignored, ALWAYS),
    ("reversemappingcheck", Global, Ignored, ALWAYS),
    ("rhostsauthentication", Global, Ignored, ALWAYS),
    ("rhostsrsaauthentication", Anywhere, Ignored, ALWAYS),
    ("rsaauthentication", Anywhere, Ignored, ALWAYS),
    ("serverkeybits", Global, Ignored, ALWAYS),
    ("uselogin", Global, Ignored, ALWAYS),
    ("useprivilegeseparation", Global, Ignored, ALWAYS),
    ("verifyreversemapping", Global, Ignored, ALWAYS),
];

const ACCUMULATING: &[&str] = &[
    "acceptenv",
    "allowgroups",
    "allowusers",
    "denygroups",
    "denyusers",
    "hostkey",
    "listenaddress",
    "port",
];

/// Looks a keyword up, given in lower case. `None` when the release does not know it.
pub fn find(word: &str, release: Release) -> Option<Keyword> {
    if release < V8_9 {
        match word {
            // A setting of its own then: see `Release::is_understood`.
            "challengeresponseauthentication" => {
                let name = "challengeresponseauthentication";
                return Some(Keyword { name, scope: Global, shape: FLAG, accumulates: false });
            }
            "skeyauthentication" => {
                let name = "skeyauthentication";
                return Some(Keyword { name, scope: Global, shape: Ignored, accumulates: false });
            }
            "hostbasedacceptedalgorithms" | "pubkeyacceptedalgorithms" => return None,
            _ => {}
        }
    }
    let (name, alias_scope) = resolve(word);
    let row = REPORTED.iter().chain(OTHERS).find(|row| row.0 == name)?;
    let (name, scope, shape, since) = *row;
    if since > release {
        return None;
    }
    let scope = match name {
        "subsystem" if release >= Release::new(9, 6) => Anywhere,
        _ => alias_scope.unwrap_or(scope),
    };
    Some(Keyword { name, scope, shape, accumulates: ACCUMULATING.contains(&name) })
}

/// Aliases and obsolete names, with the scope where it differs from the keyword's own.
fn resolve(word: &str) -> (&str, Option<Scope>) {
    match word {
        "challengeresponseauthentication" | "skeyauthentication" => {
            ("kbdinteractiveauthentication", None)
        }
        "dsaauthentication" => ("pubkeyauthentication", Some(Global)),
        "gssapicleanupcreds" => ("gssapicleanupcredentials", None),
        "hostbasedacceptedkeytypes" => ("hostbasedacceptedalgorithms", None),
        "hostdsakey" => ("hostkey", None),
        "keepalive" => ("tcpkeepalive", None),
        "pubkeyacceptedkeytypes" => ("pubkeyacceptedalgorithms", None),
        word => (word, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_the_keyword_it_stands_for_unless_the_release_holds_them_apart() {
        let name = |word, minor| find(word, Release::new(9, minor)).map(|k| k.name);
        let kbd = Some("kbdinteractiveauthentication");
        assert_eq!(name("challengeresponseauthentication", 2), kbd);
        assert_eq!(name("pubkeyacceptedkeytypes", 2), Some("pubkeyacceptedalgorithms"));
        let old = find("challengeresponseauthentication", Release::new(8, 4)).expect("keyword");
        assert_eq!(old.name, "challengeresponseauthentication");
    }

    #[test]
    fn a_keyword_of_a_later_release_is_unknown_to_an_earlier_one() {
        assert!(find("requiredrsasize", Release::new(8, 9)).is_none());
        assert!(find("requiredrsasize", Release::new(9, 2)).is_some());
        assert!(find("refuseconnection", Release::new(9, 6)).is_none());
        assert!(find("permitrootlogins", Release::new(10, 0)).is_none());
    }
}
