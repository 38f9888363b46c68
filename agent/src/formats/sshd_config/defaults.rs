//! What each release offers when nothing is configured, read from `sshd -T` and `ssh -Q` of the
//! Debian and Ubuntu packages named. All other settings in the facts have the same default in
//! every one of these releases.

use super::Release;

/// One family of algorithms: comma-separated names in order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lists {
    pub(super) default: &'static str,
    /// Everything the release knows, in the order in which patterns are expanded.
    pub(super) all: &'static str,
}

impl Lists {
    pub fn default(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.default.split(',')
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.all.split(',')
    }
}

/// The algorithms of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    pub ciphers: Lists,
    pub macs: Lists,
    pub kex: Lists,
    /// Types of host keys, and of the keys of users and of client hosts.
    pub keys: Lists,
}

const CIPHERS: Lists = Lists {
    default: "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,\
             aes128-gcm@openssh.com,aes256-gcm@openssh.com",
    all: "3des-cbc,aes128-cbc,aes192-cbc,aes256-cbc,aes128-ctr,aes192-ctr,aes256-ctr,\
             aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com",
};
const CIPHERS_8_4: Lists = Lists {
    default: "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,\
             aes128-gcm@openssh.com,aes256-gcm@openssh.com",
    all: "3des-cbc,aes128-cbc,aes192-cbc,aes256-cbc,rijndael-cbc@lysator.liu.se,aes128-ctr,\
             aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com,\
             chacha20-poly1305@openssh.com",
};
const CIPHERS_10_0: Lists = Lists {
    default: "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,\
             aes128-ctr,aes192-ctr,aes256-ctr",
    all: "3des-cbc,aes128-cbc,aes192-cbc,aes256-cbc,aes128-ctr,aes192-ctr,aes256-ctr,\
             aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com",
};
const MACS: Lists = Lists {
    default: "umac-64-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com,\
             hmac-sha2-512-etm@openssh.com,hmac-sha1-etm@openssh.com,umac-64@openssh.com,\
             umac-128@openssh.com,hmac-sha2-256,hmac-sha2-512,hmac-sha1",
    all: "hmac-sha1,hmac-sha1-96,hmac-sha2-256,hmac-sha2-512,hmac-md5,hmac-md5-96,\
             umac-64@openssh.com,umac-128@openssh.com,hmac-sha1-etm@openssh.com,\
             hmac-sha1-96-etm@openssh.com,hmac-sha2-256-etm@openssh.com,\
             hmac-sha2-512-etm@openssh.com,hmac-md5-etm@openssh.com,hmac-md5-96-etm@openssh.com,\
             umac-64-etm@openssh.com,umac-128-etm@openssh.com",
};
const KEX_8_4: Lists = Lists {
    default: "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,\
             ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,\
             diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,\
             diffie-hellman-group14-sha256",
    all: "diffie-hellman-group1-sha1,diffie-hellman-group14-sha1,diffie-hellman-group14-sha256,\
             diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,\
             diffie-hellman-group-exchange-sha1,diffie-hellman-group-exchange-sha256,\
             ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,curve25519-sha256,\
             curve25519-sha256@libssh.org,sntrup4591761x25519-sha512@tinyssh.org",
};
const KEX_8_9: Lists = Lists {
    default: "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,\
             ecdh-sha2-nistp521,sntrup761x25519-sha512@openssh.com,\
             diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,\
             diffie-hellman-group18-sha512,diffie-hellman-group14-sha256",
    all: "diffie-hellman-group1-sha1,diffie-hellman-group14-sha1,diffie-hellman-group14-sha256,\
             diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,\
             diffie-hellman-group-exchange-sha1,diffie-hellman-group-exchange-sha256,\
             ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,curve25519-sha256,\
             curve25519-sha256@libssh.org,sntrup761x25519-sha512@openssh.com",
};
const KEX_9_2: Lists = Lists {
    default: "sntrup761x25519-sha512@openssh.com,curve25519-sha256,curve25519-sha256@libssh.org,\
             ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,\
             diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,\
             diffie-hellman-group18-sha512,diffie-hellman-group14-sha256",
    all: "diffie-hellman-group1-sha1,diffie-hellman-group14-sha1,diffie-hellman-group14-sha256,\
             diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,\
             diffie-hellman-group-exchange-sha1,diffie-hellman-group-exchange-sha256,\
             ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,curve25519-sha256,\
             curve25519-sha256@libssh.org,sntrup761x25519-sha512@openssh.com",
};
const KEX_9_2_U4: Lists = Lists {
    default: "sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com,curve25519-sha256,\
             curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,\
             ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,\
             diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,\
             diffie-hellman-group14-sha256",
    all: "diffie-hellman-group1-sha1,diffie-hellman-group14-sha1,diffie-hellman-group14-sha256,\
             diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,\
             diffie-hellman-group-exchange-sha1,diffie-hellman-group-exchange-sha256,\
             ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,curve25519-sha256,\
             curve25519-sha256@libssh.org,sntrup761x25519-sha512,\
             sntrup761x25519-sha512@openssh.com",
};
const KEX_9_6: Lists = Lists {
    default: "sntrup761x25519-sha512@openssh.com,curve25519-sha256,curve25519-sha256@libssh.org,\
             ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,\
             diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,\
             diffie-hellman-group18-sha512,diffie-hellman-group14-sha256",
    all: "diffie-hellman-group1-sha1,diffie-hellman-group14-sha1,diffie-hellman-group14-sha256,\
             diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,\
             diffie-hellman-group-exchange-sha1,diffie-hellman-group-exchange-sha256,\
             ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,curve25519-sha256,\
             curve25519-sha256@libssh.org,sntrup761x25519-sha512@openssh.com",
};
const KEX_10_0: Lists = Lists {
    default: "mlkem768x25519-sha256,sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com,\
             curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,\
             ecdh-sha2-nistp521",
    all: "diffie-hellman-group1-sha1,diffie-hellman-group14-sha1,diffie-hellman-group14-sha256,\
             diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,\
             diffie-hellman-group-exchange-sha1,diffie-hellman-group-exchange-sha256,\
             ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,curve25519-sha256,\
             curve25519-sha256@libssh.org,sntrup761x25519-sha512,\
             sntrup761x25519-sha512@openssh.com,mlkem768x25519-sha256",
};
const KEYS_8_4: Lists = Lists {
    default: "ecdsa-sha2-nistp256-cert-v01@openssh.com,ecdsa-sha2-nistp384-cert-v01@openssh.com,\
             ecdsa-sha2-nistp521-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,\
             ssh-ed25519-cert-v01@openssh.com,sk-ssh-ed25519-cert-v01@openssh.com,\
             rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,\
             ssh-rsa-cert-v01@openssh.com,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,\
             ecdsa-sha2-nistp521,sk-ecdsa-sha2-nistp256@openssh.com,ssh-ed25519,\
             sk-ssh-ed25519@openssh.com,rsa-sha2-512,rsa-sha2-256,ssh-rsa",
    all: "ssh-ed25519,ssh-ed25519-cert-v01@openssh.com,sk-ssh-ed25519@openssh.com,\
             sk-ssh-ed25519-cert-v01@openssh.com,ssh-rsa,rsa-sha2-256,rsa-sha2-512,ssh-dss,\
             ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,\
             sk-ecdsa-sha2-nistp256@openssh.com,webauthn-sk-ecdsa-sha2-nistp256@openssh.com,\
             ssh-rsa-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,\
             rsa-sha2-512-cert-v01@openssh.com,ssh-dss-cert-v01@openssh.com,\
             ecdsa-sha2-nistp256-cert-v01@openssh.com,ecdsa-sha2-nistp384-cert-v01@openssh.com,\
             ecdsa-sha2-nistp521-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
};
const KEYS_8_9: Lists = Lists {
    default: "ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256-cert-v01@openssh.com,\
             ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com,\
             sk-ssh-ed25519-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,\
             rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,ssh-ed25519,\
             ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,\
             sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,\
             rsa-sha2-256",
    all: "ssh-ed25519,ssh-ed25519-cert-v01@openssh.com,sk-ssh-ed25519@openssh.com,\
             sk-ssh-ed25519-cert-v01@openssh.com,ssh-rsa,rsa-sha2-256,rsa-sha2-512,ssh-dss,\
             ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,\
             sk-ecdsa-sha2-nistp256@openssh.com,webauthn-sk-ecdsa-sha2-nistp256@openssh.com,\
             ssh-rsa-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,\
             rsa-sha2-512-cert-v01@openssh.com,ssh-dss-cert-v01@openssh.com,\
             ecdsa-sha2-nistp256-cert-v01@openssh.com,ecdsa-sha2-nistp384-cert-v01@openssh.com,\
             ecdsa-sha2-nistp521-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
};
const KEYS_9_2: Lists = Lists {
    default: "ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256-cert-v01@openssh.com,\
             ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com,\
             sk-ssh-ed25519-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,\
             rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,ssh-ed25519,\
             ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,\
             sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,\
             rsa-sha2-256",
    all: "ssh-ed25519,ssh-ed25519-cert-v01@openssh.com,sk-ssh-ed25519@openssh.com,\
             sk-ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256,\
             ecdsa-sha2-nistp256-cert-v01@openssh.com,ecdsa-sha2-nistp384,\
             ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521,\
             ecdsa-sha2-nistp521-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,\
             sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,\
             webauthn-sk-ecdsa-sha2-nistp256@openssh.com,ssh-dss,ssh-dss-cert-v01@openssh.com,\
             ssh-rsa,ssh-rsa-cert-v01@openssh.com,rsa-sha2-256,rsa-sha2-256-cert-v01@openssh.com,\
             rsa-sha2-512,rsa-sha2-512-cert-v01@openssh.com",
};
const KEYS_10_0: Lists = Lists {
    default: "ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256-cert-v01@openssh.com,\
             ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com,\
             sk-ssh-ed25519-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,\
             rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,ssh-ed25519,\
             ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,\
             sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,\
             rsa-sha2-256",
    all: "ssh-ed25519,ssh-ed25519-cert-v01@openssh.com,sk-ssh-ed25519@openssh.com,\
             sk-ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256,\
             ecdsa-sha2-nistp256-cert-v01@openssh.com,ecdsa-sha2-nistp384,\
             ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521,\
             ecdsa-sha2-nistp521-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,\
             sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,\
             webauthn-sk-ecdsa-sha2-nistp256@openssh.com,ssh-rsa,ssh-rsa-cert-v01@openssh.com,\
             rsa-sha2-256,rsa-sha2-256-cert-v01@openssh.com,rsa-sha2-512,\
             rsa-sha2-512-cert-v01@openssh.com",
};

/// The table of a release; `package` is the version of its Debian package. `None` for releases
/// that were not looked at, and for FIPS builds, whose lists are their own.
pub fn table(release: Release, package: &str) -> Option<Table> {
    if package.to_ascii_lowercase().contains("fips") {
        return None;
    }
    let (ciphers, kex, keys) = match (release.major, release.minor) {
        // 1:8.4p1-5+deb11u3 and u7.
        (8, 4) => (CIPHERS_8_4, KEX_8_4, KEYS_8_4),
        // 1:8.9p1-3 and 1:8.9p1-3ubuntu0.18.
        (8, 9) => (CIPHERS, KEX_8_9, KEYS_8_9),
        // 1:9.2p1-2+deb12u10. The unsuffixed sntrup761 came with deb12u4.
        (9, 2) if update_of(package, "+deb12u") >= 4 => (CIPHERS, KEX_9_2_U4, KEYS_9_2),
        (9, 2) => (CIPHERS, KEX_9_2, KEYS_9_2),
        // 1:9.6p1-3ubuntu13 and 13.20.
        (9, 6) => (CIPHERS, KEX_9_6, KEYS_9_2),
        // 1:10.0p1-7+deb13u4.
        (10, 0) => (CIPHERS_10_0, KEX_10_0, KEYS_10_0),
        _ => return None,
    };
    Some(Table { ciphers, macs: MACS, kex, keys })
}

/// The number after `marker` in a package version; 0 without it.
fn update_of(package: &str, marker: &str) -> u32 {
    let number = package.split_once(marker).map_or("", |(_, after)| after);
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    number[..digits].parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_of_the_package_can_change_a_default() {
        let first = |package| {
            let table = table(Release::new(9, 2), package).expect("table");
            table.kex.default().next().map(str::to_owned)
        };
        let old = Some("sntrup761x25519-sha512@openssh.com".to_owned());
        assert_eq!(first("1:9.2p1-2+deb12u3"), old);
        assert_eq!(first("1:9.2p1-2"), old);
        assert_eq!(first("1:9.2p1-2+deb12u10").as_deref(), Some("sntrup761x25519-sha512"));
    }

    #[test]
    fn releases_and_builds_that_were_not_looked_at_have_no_table() {
        assert_eq!(table(Release::new(9, 9), "1:9.9p1-3"), None);
        assert_eq!(table(Release::new(8, 9), "1:8.9p1-3ubuntu0.6+Fips1"), None);
    }

    #[test]
    fn every_default_is_known_to_its_release() {
        for (major, minor) in [(8, 4), (8, 9), (9, 2), (9, 6), (10, 0)] {
            let table = table(Release::new(major, minor), "").expect("table");
            for lists in [table.ciphers, table.macs, table.kex, table.keys] {
                let all: Vec<_> = lists.all().collect();
                assert!(lists.default().all(|name| all.contains(&name)), "{major}.{minor}");
            }
        }
    }
}
