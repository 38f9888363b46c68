//! The kind `endpoint_protection`: a table of products, the package database, programs on the disk,
//! control groups of units with the programs of their processes (CAP_SYS_PTRACE), and the header of
//! ClamAV's daily signatures. Only of the running system.
//!
//! A bare process name proves nothing: names are chosen by whoever starts a process.

mod clamav;
mod products;

use super::{Collector, facts, packages, systemd};
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::Kind;
use evidence::kinds::endpoint_protection::{EndpointProtection, Product, ProductKind, ProductName};
use products::{KNOWN, Known};
use std::collections::BTreeMap;

pub(super) const COLLECTOR: Collector = Collector {
    kind: EndpointProtection::NAME,
    schedule: "0 * * * *",
    live_only: true,
    collect: |reading| collect(reading).and_then(facts),
};

fn collect(reading: &mut Reading<'_>) -> Result<EndpointProtection, Failure> {
    let products = installed(reading).ok();
    let found = products.as_deref().unwrap_or_default();
    reading.gaps([
        ("products", products.is_none()),
        ("products.version", found.iter().any(|one| one.version.is_none())),
        ("products.running", found.iter().any(|one| one.running.is_none())),
        ("products.realtime", found.iter().any(|one| one.realtime.is_none())),
        (
            "products.signature_day",
            found.iter().any(|one| one.local_signatures && one.signature_day.is_none()),
        ),
    ]);
    Ok(EndpointProtection { products })
}

fn installed(reading: &mut Reading<'_>) -> Result<Vec<Product>, Failure> {
    let versions: BTreeMap<String, String> = match reading.apart(packages::collect) {
        Ok(packages) => packages.items.into_iter().map(|p| (p.name, p.version)).collect(),
        // No database, or one that is not read: the programs on the disk remain.
        Err(Failure(Status::Unsupported | Status::Absent)) => BTreeMap::new(),
        Err(failure) => return Err(failure),
    };
    let mut found = Vec::new();
    for known in KNOWN {
        let version = known.packages.iter().find_map(|package| versions.get(*package));
        if version.is_some() || any_exists(reading, known.programs)? {
            found.push(product(reading, known, version.cloned()));
        }
    }
    Ok(found)
}

fn product(reading: &mut Reading<'_>, known: &Known, version: Option<String>) -> Product {
    let running = running(reading, known);
    let is_clamav = known.name == ProductName::Clamav;
    let looks_at_files = matches!(known.kind, ProductKind::Av | ProductKind::Edr);
    let realtime = match running {
        // What does not run looks at nothing.
        _ if !looks_at_files => Some(false),
        Some(false) => Some(false),
        Some(true) if is_clamav => self::running(reading, &products::CLAMONACC),
        _ => None,
    };
    let signature_day = is_clamav.then(|| clamav::signature_day(reading)).flatten();
    let (name, kind, local_signatures) = (known.name, known.kind, known.local_signatures);
    Product { name, kind, version, running, realtime, local_signatures, signature_day }
}

/// Whether one of its units holds a process of one of its programs.
fn running(reading: &mut Reading<'_>, known: &Known) -> Option<bool> {
    let mut unclear = false;
    for unit in known.units {
        for pid in systemd::processes(reading, unit).ok()?? {
            match reading.link(&format!("/proc/{pid}/exe")) {
                Ok(program) if known.is_program(&program) => return Some(true),
                // Another program, one that may not be seen, or one that has ended.
                _ => unclear = true,
            }
        }
    }
    (!unclear).then_some(false)
}

fn any_exists(reading: &Reading<'_>, paths: &[&str]) -> Result<bool, ReadError> {
    for path in paths {
        match reading.stat(path) {
            Err(ReadError::Absent) => {}
            other => return other.map(|_| true),
        }
    }
    Ok(false)
}
