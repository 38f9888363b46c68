//! Updates that reach hosts by and by: `Phased-Update-Percentage`, as Ubuntu's `-updates` have it.
//!
//! Whose turn it is follows from machine id, source package and version, by the generators of the
//! C++ library that apt is built with: std::seed_seq, std::minstd_rand, and its uniform
//! distribution.

use super::policy::Version;
use crate::formats::apt_conf::AptConf;
use crate::host::{ReadError, Reading};

const MACHINE_ID: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

pub(super) enum Phasing {
    /// Every update is taken at once, or none before it is for all.
    Everyone(bool),
    Machine(String),
    /// The machine id could not be read.
    Unknown,
}

impl Phasing {
    pub(super) fn new(conf: &AptConf, reading: &mut Reading<'_>) -> Self {
        let switch = |name: &str| {
            let all = [format!("APT::Get::{name}"), format!("Update-Manager::{name}")];
            all.iter().find_map(|name| conf.switch(name)) == Some(true)
        };
        if switch("Always-Include-Phased-Updates") {
            return Self::Everyone(true);
        }
        if switch("Never-Include-Phased-Updates") {
            return Self::Everyone(false);
        }
        if let Some(id) = conf.value("APT::Machine-ID") {
            return Self::Machine(id.to_owned());
        }
        for path in MACHINE_ID {
            // Its value never leaves; it is read as text that moves, without its size.
            match reading.text(path) {
                Ok(id) => return Self::Machine(id.trim().to_owned()),
                Err(ReadError::Absent) => {}
                Err(_) => return Self::Unknown,
            }
        }
        Self::Everyone(true)
    }

    /// Whether this host is to have a version now; `None` where that is not known.
    pub(super) fn is_turn(&self, version: &Version) -> Option<bool> {
        let Some(percent) = version.phased_percent.filter(|percent| *percent < 100) else {
            return Some(true);
        };
        match self {
            Self::Everyone(turn) => Some(*turn),
            Self::Unknown => None,
            Self::Machine(id) => {
                let seed = format!("{}-{}-{id}", version.source, version.source_version);
                Some(drawn(&seed) <= u32::from(percent))
            }
        }
    }
}

/// A number from 0 to 100.
fn drawn(seed: &str) -> u32 {
    const MODULUS: u64 = 2_147_483_647;
    const SCALING: u64 = (MODULUS - 2) / 101;
    let mut state = u64::from(seeded(seed.as_bytes())[3]) % MODULUS;
    if state == 0 {
        state = 1;
    }
    loop {
        state = state * 48_271 % MODULUS;
        let number = state - 1;
        if number < 101 * SCALING {
            return (number / SCALING) as u32;
        }
    }
}

/// std::seed_seq::generate for four numbers.
fn seeded(seed: &[u8]) -> [u32; 4] {
    let mixed = |x: u32| x ^ (x >> 27);
    let mut x = [0x8b8b_8b8b_u32; 4];
    let length = seed.len();
    let rounds = (length + 1).max(4);
    for k in 0..rounds {
        let (own, next, after, before) = (k % 4, (k + 1) % 4, (k + 2) % 4, (k + 3) % 4);
        let r1 = mixed(x[own] ^ x[next] ^ x[before]).wrapping_mul(1_664_525);
        let more = match k {
            0 => length as u32,
            k if k <= length => own as u32 + u32::from(seed[k - 1]),
            _ => own as u32,
        };
        let r2 = r1.wrapping_add(more);
        x[next] = x[next].wrapping_add(r1);
        x[after] = x[after].wrapping_add(r2);
        x[own] = r2;
    }
    for k in rounds..rounds + 4 {
        let (own, next, after, before) = (k % 4, (k + 1) % 4, (k + 2) % 4, (k + 3) % 4);
        let sum = x[own].wrapping_add(x[next]).wrapping_add(x[before]);
        let r3 = mixed(sum).wrapping_mul(1_566_083_941);
        let r4 = r3.wrapping_sub(own as u32);
        x[next] ^= r3;
        x[after] ^= r4;
        x[own] = r4;
    }
    x
}
