//! Hostile archives, beside a sound one.

use super::*;
use std::io::Cursor;

fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::new(vec![], 1_700_000_000);
    for (name, bytes) in files {
        writer.file(name, bytes.len() as u64, *bytes).expect("written");
    }
    writer.finish().expect("finished")
}

fn error(bytes: Vec<u8>) -> String {
    match Archive::read(Cursor::new(bytes)) {
        Ok(_) => "fine".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// The archive with something else in the header at `at`, and the checksum that belongs to it.
fn with_header(mut bytes: Vec<u8>, at: usize, text: &[u8]) -> Vec<u8> {
    bytes[at..at + text.len()].copy_from_slice(text);
    bytes[148..156].copy_from_slice(b"        ");
    let sum: u32 = bytes[..BLOCK].iter().map(|byte| u32::from(*byte)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    bytes
}

#[test]
fn what_is_written_is_read_back_and_equal_contents_are_equal_bytes() {
    let files: [(&str, &[u8]); 3] = [("a", b""), ("b/c.txt", b"text"), ("b/d", &[7; 1000])];
    let bytes = packed(&files);
    assert_eq!(bytes, packed(&files));
    let mut archive = Archive::read(Cursor::new(bytes)).expect("an archive");
    assert_eq!(archive.files.len(), 3);
    for (name, content) in files {
        assert_eq!(archive.bytes(name, 1000).expect("read").as_deref(), Some(content));
    }
    assert!(archive.bytes("b/d", 999).is_err(), "a bound is a bound");
    assert_eq!(archive.bytes("x", 1).expect("read"), None);
}

#[test]
fn hostile_entries_are_refused_by_name() {
    let sound = packed(&[("a/b", b"text")]);
    assert_eq!(error(sound.clone()), "fine");
    for (at, text, why) in [
        (0, &b"/a/"[..], "is not allowed"),
        (0, b"..\0", "is not allowed"),
        (0, b"a\nb", "is not allowed"),
        (156, b"1", "a link"),
        (156, b"2", "a link"),
        (156, b"3", "a device"),
        (156, b"5", "a directory"),
        (156, b"x", "another sort"),
        (100, b"0004755", "not as a collector writes it"),
        (265, b"root", "not as a collector writes it"),
        (345, b"/etc", "not as a collector writes it"),
        (157, b"/etc/passwd", "not as a collector writes it"),
        (124, b"77777777777", "larger than the archive"),
        (124, b"-0000000001", "size of"),
    ] {
        let found = error(with_header(sound.clone(), at, text));
        assert!(found.contains(why), "{at} {}: {found}", String::from_utf8_lossy(text));
    }
}

#[test]
fn names_come_once_and_in_order_and_nothing_comes_after_the_end() {
    let (a, b) = (packed(&[("a", b"1")]), packed(&[("b", b"2")]));
    let entry = |archive: &[u8]| archive[..2 * BLOCK].to_vec();
    let end = [0; 2 * BLOCK];
    let join = |parts: &[&[u8]]| parts.concat();
    assert_eq!(error(join(&[&entry(&a), &entry(&b), &end])), "fine");
    assert!(error(join(&[&entry(&a), &entry(&a), &end])).contains("twice"));
    assert!(error(join(&[&entry(&b), &entry(&a), &end])).contains("out of order"));
    assert!(error(join(&[&entry(&a), &end, &entry(&b)])).contains("after the end"));
    assert!(error(join(&[&entry(&a), &end[..BLOCK]])).contains("ends in the middle"));
    assert!(error(a[..700].to_vec()).contains("ends in the middle"));
    assert!(error(vec![]).contains("ends in the middle"));
    let mut padded = a.clone();
    padded[BLOCK + 100] = 1;
    assert!(error(padded).contains("after the end of a"));
}

#[test]
fn names_out_of_order_and_sizes_that_do_not_fit_are_not_written() {
    let mut writer = Writer::new(vec![], 0);
    writer.file("b", 1, &b"1"[..]).expect("written");
    assert!(writer.file("a", 1, &b"1"[..]).is_err());
    assert!(writer.file("c", 2, &b"1"[..]).is_err());
    assert!(writer.file("d", 1, &b"12"[..]).is_err());
    for name in ["/x", "x/", "x//y", "./x", "x/../y", "é", "", &"x".repeat(100)] {
        assert!(!is_name(name), "{name}");
    }
}
