//! The fuzz target.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| evidenced_fuzz::collect(input));
