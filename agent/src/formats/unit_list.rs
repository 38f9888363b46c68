//! The body of systemd's answer to `ListUnits`: an array of structures (ssssssouso).

/// One unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    pub name: String,
    /// `loaded`, `not-found`, `masked` …
    pub load: String,
    /// `active`, `inactive`, `failed`, `activating` …
    pub active: String,
}

/// `None` where the bytes are not such an answer.
pub fn parse(body: &[u8]) -> Option<Vec<Unit>> {
    let mut cursor = Cursor { body, at: 0 };
    let length = cursor.number()? as usize;
    cursor.align(8);
    let end = cursor.at.checked_add(length).filter(|end| *end == body.len())?;
    let mut units = Vec::new();
    while cursor.at < end {
        cursor.align(8);
        let name = cursor.text()?;
        let _description = cursor.text()?;
        let (load, active) = (cursor.text()?, cursor.text()?);
        let (_sub, _following, _path) = (cursor.text()?, cursor.text()?, cursor.text()?);
        let _job = cursor.number()?;
        let (_kind, _job_path) = (cursor.text()?, cursor.text()?);
        if name.is_empty() || active.is_empty() {
            return None;
        }
        units.push(Unit { name, load, active });
    }
    Some(units)
}

struct Cursor<'b> {
    body: &'b [u8],
    at: usize,
}

impl Cursor<'_> {
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn number(&mut self) -> Option<u32> {
        self.align(4);
        let bytes = *self.body.get(self.at..)?.first_chunk()?;
        self.at += 4;
        Some(u32::from_le_bytes(bytes))
    }

    fn text(&mut self) -> Option<String> {
        let length = self.number()? as usize;
        let end = self.at.checked_add(length)?;
        let text = std::str::from_utf8(self.body.get(self.at..end)?).ok()?.to_owned();
        let is_sound = self.body.get(end) == Some(&0) && !text.chars().any(char::is_control);
        self.at = end + 1;
        is_sound.then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut framed = (bytes.len() as u32).to_le_bytes().to_vec();
            framed.extend([0; 4]);
            framed.extend(&bytes);
            let _ = (parse(&bytes), parse(&framed));
        }
    }

    #[test]
    fn an_answer_that_was_cut_is_none() {
        assert_eq!(parse(&[0, 0, 0, 0, 0, 0, 0, 0]), Some(vec![]));
        assert_eq!(parse(&[8, 0, 0, 0, 0, 0, 0, 0, 1]), None);
        assert_eq!(parse(&[]), None);
    }
}
