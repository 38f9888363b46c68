//! Derives again what an archive says it derived, and compares digests.

use super::{Layer, Reading};
use crate::snapshot::SnapshotError;
use crate::snapshot::derive::{self, FOLDERS, Out, Output};
use crate::snapshot::document::{Envelope, Head};
use crate::snapshot::envelope::{RESULTS, RESULTS_ENVELOPE, verifies};
use crate::snapshot::rules::Shelf;
use aws_lc_rs::digest as sha2;
use evidence::Digest;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read, Seek, Write};
use std::rc::Rc;

/// Files by the digests of what would be written.
#[derive(Default)]
struct Digests(Rc<RefCell<BTreeMap<String, Digest>>>);

struct Hashed {
    name: String,
    context: sha2::Context,
    into: Rc<RefCell<BTreeMap<String, Digest>>>,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.context.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Out for Hashed {
    fn end(self: Box<Self>) -> io::Result<()> {
        let digest = Digest::from_slice(self.context.finish().as_ref());
        let digest = digest.ok_or_else(|| io::Error::other("no digest"))?;
        self.into.borrow_mut().insert(self.name, digest);
        Ok(())
    }
}

impl Output for Digests {
    fn open(&mut self, name: &str) -> Result<Box<dyn Out>, SnapshotError> {
        Ok(Box::new(Hashed {
            name: name.to_owned(),
            context: sha2::Context::new(&sha2::SHA256),
            into: Rc::clone(&self.0),
        }))
    }
}

impl<R: Read + Seek> Reading<R> {
    pub(super) fn derived(&mut self, head: &Head, shelf: &Shelf) {
        self.envelope();
        let names: Vec<String> = self.archive.files.keys().cloned().collect();
        let is_derived = |name: &&String| {
            FOLDERS.iter().any(|folder| name.starts_with(folder)) && *name != RESULTS_ENVELOPE
        };
        let there: Vec<String> = names.iter().filter(is_derived).cloned().collect();
        self.read.extend(there.iter().cloned());
        if head.program != env!("CARGO_PKG_VERSION") {
            let what = format!(
                "made by version {}; this is {}, so lists, OSCAL and report were not made again",
                head.program,
                env!("CARGO_PKG_VERSION")
            );
            return self.outcome.open(Layer::Derived, what);
        }
        let mut digests = Digests::default();
        if let Err(error) = derive::all(self, shelf, &mut digests) {
            return self.outcome.fails(Layer::Derived, error.to_string());
        }
        let made = digests.0.borrow().clone();
        for name in &there {
            match (made.get(name), self.archive.files.get(name)) {
                (Some(made), Some(place)) if *made == place.digest => {}
                (Some(_), _) => {
                    let what = format!("{name} is not what the documents give");
                    self.outcome.fails(Layer::Derived, what);
                }
                (None, _) => {
                    self.outcome.fails(Layer::Derived, format!("{name} is named by nothing"))
                }
            }
        }
        for name in made.keys().filter(|name| !there.contains(name)) {
            self.outcome.fails(Layer::Derived, format!("{name} is missing"));
        }
        if self.outcome.is_faultless(Layer::Derived) {
            self.outcome.holds(Layer::Derived, format!("{} files made again", made.len()));
        }
    }

    /// The signature over the assessment results is by the key that signed the archive.
    fn envelope(&mut self) {
        let Some(signer) = self.outcome.signer else { return };
        let mut checked = || -> Result<bool, String> {
            let envelope: Envelope = self.document(RESULTS_ENVELOPE)?;
            let results = self.file(RESULTS)?;
            verifies(&envelope, &results, &signer).map_err(|error| error.to_string())
        };
        match checked() {
            Ok(true) => {}
            Ok(false) => {
                let what = format!("{RESULTS_ENVELOPE} does not fit");
                self.outcome.fails(Layer::Signature, what);
            }
            Err(error) => self.outcome.fails(Layer::Signature, error),
        }
    }
}
