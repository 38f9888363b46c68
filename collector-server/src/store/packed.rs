//! How a check-in lies in the database: its form, its signature, its payload. Payloads are alike,
//! so they are compressed with a dictionary of what they have in common; half of what is left is
//! hashes. What is read back is what was signed, byte by byte, or an error.
//!
//! The dictionary was trained (`zstd --train --maxdict=1024`) on three thousand invented check-ins.
//! It must never change: rows need it for as long as they are kept. Another one is another form.

use super::StoreError;
use evidence::SignedCheckIn;
use evidence::check_in::MAX_PAYLOAD_BYTES;
use std::cell::RefCell;
use zstd::bulk::{Compressor, Decompressor};

static DICTIONARY: &[u8] = include_bytes!("../../assets/check_in.zdict");
/// Signature ‖ payload, as on the wire.
const PLAIN: u8 = 0;
/// Signature ‖ payload as a zstd frame with [`DICTIONARY`].
const DICTIONARY_1: u8 = 1;
const LEVEL: i32 = 3;

thread_local! {
    // Making either costs more than using it.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

pub(super) fn pack(signed: &SignedCheckIn) -> Vec<u8> {
    // A compressor that fails costs space, and no evidence.
    let frame = compress(signed.payload()).unwrap_or_default();
    if frame.is_empty() || frame.len() >= signed.payload().len() {
        return plain(&signed.to_bytes());
    }
    [&[DICTIONARY_1], signed.signature().as_slice(), &frame].concat()
}

/// A row of the wire's bytes, whatever they are.
pub(super) fn plain(bytes: &[u8]) -> Vec<u8> {
    [&[PLAIN], bytes].concat()
}

pub(super) fn unpack(row: &[u8]) -> Result<SignedCheckIn, StoreError> {
    let corrupt =
        |error: &dyn std::fmt::Display| StoreError::corrupt(format!("stored check-in: {error}"));
    let bytes = match row.split_first() {
        Some((&PLAIN, bytes)) => bytes.to_vec(),
        Some((&DICTIONARY_1, rest)) if rest.len() > 64 => {
            let (signature, frame) = rest.split_at(64);
            let payload = decompress(frame).map_err(|error| corrupt(&error))?;
            [signature, &payload].concat()
        }
        _ => return Err(corrupt(&"of no known form")),
    };
    SignedCheckIn::from_bytes(&bytes).map_err(|error| corrupt(&error))
}

fn compress(payload: &[u8]) -> std::io::Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|place| {
        let compressor = match place {
            Some(compressor) => compressor,
            None => place.insert(Compressor::with_dictionary(LEVEL, DICTIONARY)?),
        };
        compressor.compress(payload)
    })
}

fn decompress(frame: &[u8]) -> std::io::Result<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|place| {
        let decompressor = match place {
            Some(decompressor) => decompressor,
            None => place.insert(Decompressor::with_dictionary(DICTIONARY)?),
        };
        decompressor.decompress(frame, MAX_PAYLOAD_BYTES)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::check_in::Clock;
    use evidence::checkpoint::TreeHead;
    use evidence::key::SigningKey;
    use evidence::{ChainId, CheckIn, Digest};

    fn signed(agent: &str) -> SignedCheckIn {
        let (key, _) = SigningKey::generate().expect("key");
        let kinds = ["accounts", "host_os", "ssh_server"];
        let check_in = CheckIn {
            agent: agent.to_owned(),
            at_ms: 1_700_000_000_000,
            chain: ChainId::generate(),
            checkpoint: Some(TreeHead { size: 70_001, root: Digest::of(b"root") }),
            clock: Clock { synchronised: Some(true) },
            collected: kinds.map(|kind| (kind.to_owned(), 2)).into(),
            healed: None,
            host: ChainId::generate(),
            manifest: Digest::of(b"manifest"),
            next_due_s: 3600,
            prev: Some(Digest::of(b"before")),
            resumes: None,
            seq: 41,
        };
        SignedCheckIn::sign(check_in, &key).expect("signed")
    }

    #[test]
    fn a_check_in_is_read_back_byte_by_byte_and_takes_half_the_room() {
        let signed = signed("0.1.0");
        let row = pack(&signed);
        assert_eq!(unpack(&row).expect("read"), signed);
        assert!(row.len() <= 290, "{} bytes of {}", row.len(), signed.to_bytes().len());
        assert_eq!(unpack(&plain(&signed.to_bytes())).expect("read"), signed);
        let long = self::signed(&"0.1.0-🦀".repeat(1500));
        assert_eq!(unpack(&pack(&long)).expect("read"), long);
    }

    #[test]
    fn what_is_not_a_row_is_an_error() {
        let row = pack(&signed("0.1.0"));
        assert!(unpack(&row).is_ok());
        for damaged in [&[][..], &row[..60], &row[..65], &row[..row.len() - 1], &[9, 1], &row[1..]]
        {
            assert!(unpack(damaged).is_err(), "{} bytes", damaged.len());
        }
        let mut frame = row.clone();
        frame[70..].reverse();
        assert!(unpack(&frame).is_err());
    }
}
