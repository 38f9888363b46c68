//! A machine as its fixture writes it, and edits of that text: whatever the form of fixtures can
//! say, an edit can.

use evidenced_agent::host::Fixture;
use serde::Deserialize;

/// A comment, then sections with a header and contents.
#[derive(Clone, PartialEq)]
pub(crate) struct MachineText {
    comment: String,
    sections: Vec<(String, String)>,
}

/// One change. Each must find what it changes, so that none is without effect when a fixture is
/// written anew.
#[derive(Deserialize, Clone)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Edit {
    /// Text that occurs once in a file gives way to another.
    Replace {
        r#in: String,
        replace: String,
        with: String,
    },
    Append {
        r#in: String,
        append: String,
    },
    Prepend {
        r#in: String,
        prepend: String,
    },
    /// The lines of a file end as another system writes them.
    Crlf {
        crlf: String,
    },
    /// A section that was not there: a path with its attributes, and contents.
    Add {
        add: String,
        #[serde(default)]
        text: String,
    },
    /// Another header for a section, and other contents if there are any.
    Set {
        set: String,
        text: Option<String>,
    },
    Remove {
        remove: String,
    },
}

impl MachineText {
    pub(crate) fn parse(text: &str) -> Self {
        let mut machine = Self { comment: String::new(), sections: vec![] };
        for line in text.split_inclusive('\n') {
            let header = line.trim_end().strip_prefix("-- ").and_then(|l| l.strip_suffix(" --"));
            match (header, machine.sections.last_mut()) {
                (Some(header), _) => machine.sections.push((header.to_owned(), String::new())),
                (None, Some((_, contents))) => contents.push_str(line),
                (None, None) => machine.comment.push_str(line),
            }
        }
        machine.sections.retain(|(header, _)| header != "expect.json");
        machine
    }

    pub(crate) fn fixture(&self) -> Result<Fixture, String> {
        let text: String = self.sections.iter().map(section).collect();
        Fixture::parse(&format!("{}{text}", self.comment)).map_err(|error| error.to_string())
    }

    /// The machine with all edits.
    pub(crate) fn edited(&self, edits: &[Edit]) -> Result<Self, String> {
        let mut machine = self.clone();
        edits.iter().try_for_each(|edit| machine.edit(edit))?;
        Ok(machine)
    }

    fn edit(&mut self, edit: &Edit) -> Result<(), String> {
        match edit {
            Edit::Replace { r#in, replace, with } => {
                let contents = &mut self.section(r#in)?.1;
                match contents.matches(replace.as_str()).count() {
                    1 => *contents = contents.replacen(replace.as_str(), with, 1),
                    n => return Err(format!("{in} has {replace:?} {n} times, not once")),
                }
            }
            Edit::Append { r#in, append } => self.section(r#in)?.1.push_str(append),
            Edit::Prepend { r#in, prepend } => self.section(r#in)?.1.insert_str(0, prepend),
            Edit::Crlf { crlf } => {
                let contents = &mut self.section(crlf)?.1;
                *contents = contents.replace('\n', "\r\n");
            }
            Edit::Add { add, text } => {
                if self.section(path(add)).is_ok() {
                    return Err(format!("{} is there already", path(add)));
                }
                self.sections.push((add.clone(), text.clone()));
            }
            Edit::Set { set, text } => {
                let section = self.section(path(set))?;
                section.0.clone_from(set);
                section.1 = text.clone().unwrap_or_else(|| section.1.clone());
            }
            Edit::Remove { remove } => {
                self.section(remove)?;
                self.sections.retain(|(header, _)| path(header) != remove);
            }
        }
        Ok(())
    }

    fn section(&mut self, name: &str) -> Result<&mut (String, String), String> {
        let found = self.sections.iter_mut().find(|(header, _)| path(header) == name);
        found.ok_or_else(|| format!("there is no {name}"))
    }
}

/// A section in the form of fixtures, where only a binary file can end without a line's end.
fn section((header, contents): &(String, String)) -> String {
    if contents.is_empty() || contents.ends_with('\n') {
        return format!("-- {header} --\n{contents}");
    }
    let digits: String = contents.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("-- {header} hex --\n0: {digits}\n")
}

/// A header without attributes.
fn path(header: &str) -> &str {
    header.split(' ').next().unwrap_or_default()
}
