//! XML as it comes, an element at a time: metadata of repositories, of which a host wants little.
//!
//! What is no whole document is an error, and so is a document type: nothing is ever expanded but
//! the five entities of XML and numbers.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::cell::Cell;
use std::io::{BufReader, Read};
use std::rc::Rc;

/// Room for what is read at once.
const ROOM: usize = 64 << 10;
/// Longest run of bytes without an element. The longest descriptions of packages have some 100 KB.
const MAX_PIECE: u64 = 4 << 20;
/// What of a text is kept: names are short, and descriptions are of no use here.
const MAX_TEXT: usize = 4 << 10;
const MAX_DEPTH: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum XmlError {
    #[error("it cannot be read: {0}")]
    Read(String),
    #[error("it has more than {0} bytes")]
    TooLarge(u64),
    #[error("byte {0}: {1}")]
    Malformed(u64, String),
    #[error("it ends within its elements")]
    Cut,
    #[error("it is no list of {0}")]
    Other(&'static str),
    #[error("{0}")]
    Invalid(String),
}

/// One end of an element. Names are without their prefix, and the depth of the root is 1.
pub enum Step<'a> {
    Open {
        depth: usize,
        name: &'a str,
        attributes: Attributes<'a>,
    },
    /// With the text that stood before its end, if no other element did.
    Close {
        depth: usize,
        name: &'a str,
        text: &'a str,
    },
}

#[derive(Clone, Copy)]
pub struct Attributes<'a>(&'a BytesStart<'a>);

impl Attributes<'_> {
    /// `None` where there is none of the name, or none that can be read.
    pub fn get(self, name: &str) -> Option<String> {
        let attribute = self.0.try_get_attribute(name).ok()??;
        attribute.unescape_value().ok().map(std::borrow::Cow::into_owned)
    }
}

/// Shows `visit` every element of a document of at most `max` bytes; says how many it has.
pub fn walk(
    from: impl Read,
    max: u64,
    visit: &mut dyn FnMut(Step<'_>) -> Result<(), XmlError>,
) -> Result<u64, XmlError> {
    let counted = Rc::new(Counts::default());
    let bounded = Bounded { from, max, counts: counted.clone() };
    let mut reader = Reader::from_reader(BufReader::with_capacity(ROOM, bounded));
    let (mut buffer, mut text) = (Vec::new(), String::new());
    let (mut depth, mut roots) = (0, 0);
    loop {
        buffer.clear();
        counted.piece.set(0);
        let at = reader.buffer_position();
        let bad = |reason: &str| XmlError::Malformed(at, reason.to_owned());
        let event = reader.read_event_into(&mut buffer).map_err(|error| match error {
            quick_xml::Error::Io(error) => counted.fault(&error, max),
            quick_xml::Error::Syntax(_) if counted.ended.get() => XmlError::Cut,
            error => XmlError::Malformed(at, error.to_string()),
        })?;
        match event {
            Event::Start(start) | Event::Empty(start) if depth == MAX_DEPTH => {
                return Err(bad(&format!("an element within {depth} others: {start:?}")));
            }
            Event::Start(start) => {
                depth += 1;
                roots += usize::from(depth == 1);
                text.clear();
                open(depth, &start, visit, at)?;
            }
            Event::Empty(start) => {
                roots += usize::from(depth == 0);
                open(depth + 1, &start, visit, at)?;
                close(depth + 1, start.local_name().as_ref(), "", visit, at)?;
                text.clear();
            }
            Event::End(end) => {
                close(depth, end.local_name().as_ref(), text.trim(), visit, at)?;
                depth -= 1;
                text.clear();
            }
            Event::Text(more) => keep(&mut text, &more.decode().map_err(|e| bad(&e.to_string()))?),
            Event::CData(more) => keep(&mut text, &more.decode().map_err(|e| bad(&e.to_string()))?),
            Event::GeneralRef(reference) => {
                let name = reference.decode().map_err(|error| bad(&error.to_string()))?;
                let number = reference.resolve_char_ref().map_err(|e| bad(&e.to_string()))?;
                let named = || quick_xml::escape::resolve_predefined_entity(&name);
                match number {
                    Some(letter) => keep(&mut text, letter.encode_utf8(&mut [0; 4])),
                    None => keep(&mut text, named().ok_or(bad("an entity that is none"))?),
                }
            }
            Event::DocType(_) => return Err(bad("a document type")),
            Event::Eof if depth > 0 || roots == 0 => return Err(XmlError::Cut),
            Event::Eof if roots > 1 => return Err(bad("several documents")),
            Event::Eof => return Ok(counted.all.get()),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
    }
}

type Visit<'v> = dyn FnMut(Step<'_>) -> Result<(), XmlError> + 'v;

fn open(
    depth: usize,
    start: &BytesStart<'_>,
    visit: &mut Visit<'_>,
    at: u64,
) -> Result<(), XmlError> {
    let local = start.local_name();
    visit(Step::Open { depth, name: named(local.as_ref(), at)?, attributes: Attributes(start) })
}

fn close(
    depth: usize,
    name: &[u8],
    text: &str,
    visit: &mut Visit<'_>,
    at: u64,
) -> Result<(), XmlError> {
    visit(Step::Close { depth, name: named(name, at)?, text })
}

fn named(name: &[u8], at: u64) -> Result<&str, XmlError> {
    std::str::from_utf8(name).map_err(|error| XmlError::Malformed(at, error.to_string()))
}

fn keep(text: &mut String, more: &str) {
    if text.len() + more.len() <= MAX_TEXT {
        text.push_str(more);
    }
}

#[derive(Default)]
struct Counts {
    all: Cell<u64>,
    /// Since the last element.
    piece: Cell<u64>,
    ended: Cell<bool>,
}

impl Counts {
    fn fault(&self, error: &std::io::Error, max: u64) -> XmlError {
        match self.all.get() > max || self.piece.get() > MAX_PIECE {
            true => XmlError::TooLarge(max),
            false => XmlError::Read(error.to_string()),
        }
    }
}

struct Bounded<R> {
    from: R,
    max: u64,
    counts: Rc<Counts>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.from.read(buffer)?;
        let counts = &self.counts;
        counts.all.set(counts.all.get() + read as u64);
        counts.piece.set(counts.piece.get() + read as u64);
        counts.ended.set(read == 0 && !buffer.is_empty());
        match counts.all.get() > self.max || counts.piece.get() > MAX_PIECE {
            true => Err(std::io::Error::other("too large")),
            false => Ok(read),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(text: &str) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        let walked = walk(text.as_bytes(), 1 << 20, &mut |step| {
            lines.push(match step {
                Step::Open { depth, name, attributes } => {
                    format!("{depth} {name} {:?}", attributes.get("x"))
                }
                Step::Close { depth, name, text } => format!("{depth} /{name} {text}"),
            });
            Ok(())
        });
        walked.map(|_| lines).map_err(|error| error.to_string())
    }

    #[test]
    fn elements_come_with_attributes_and_the_text_before_their_end() {
        let text =
            "<?xml version=\"1.0\"?>\n<a xmlns:r='u'><r:b x='1 &amp; 2'>A &lt;&#66;</r:b><c/></a>";
        let expected =
            ["1 a None", "2 b Some(\"1 & 2\")", "2 /b A <B", "2 c None", "2 /c ", "1 /a "];
        assert_eq!(lines(text).expect("whole"), expected);
    }

    #[test]
    fn what_is_cut_doubled_or_wants_more_is_refused() {
        for bad in [
            "",
            "<a>",
            "<a><b></a>",
            "<a",
            "<a></a><b></b>",
            "text",
            "<a>&other;</a>",
            "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
            "<a></b>",
        ] {
            assert!(lines(bad).is_err(), "{bad}");
        }
        let deep = format!("{}{}", "<a>".repeat(65), "</a>".repeat(65));
        assert!(lines(&deep).is_err());
    }

    #[test]
    fn an_endless_text_ends_at_its_bound() {
        let endless = b"<a>".chain(std::io::repeat(b'x'));
        let error = walk(endless, u64::MAX, &mut |_| Ok(())).expect_err("endless");
        assert!(matches!(error, XmlError::TooLarge(_)), "{error}");
        let error = walk(&b"<a>12345</a>"[..], 5, &mut |_| Ok(())).expect_err("large");
        assert!(matches!(error, XmlError::TooLarge(5)), "{error}");
    }

    proptest! {
        #[test]
        fn every_text_has_an_answer(text in "[<>/a-c&;='\" \\n]{0,60}") {
            let _ = lines(&text);
        }
    }
}
