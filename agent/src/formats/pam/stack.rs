//! The stack of one facility of a service: its lines and those they include, in order.

use super::{Action, Actions, CODES, Facility, Line, What};

/// PAM_SUBSTACK_MAX_LEVEL.
const MAX_LEVEL: u8 = 16;
/// Most steps of one stack, and most files in it: files that include one another grow without end.
const MAX_STEPS: usize = 500;
const MAX_FILES: usize = 500;

/// A step of a stack.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Handler {
    pub what: Step,
    /// How many substacks are around it.
    pub level: u8,
    pub actions: Box<Actions>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Module {
        path: String,
        arguments: Vec<String>,
    },
    /// A line that the library could not make sense of: it fails.
    MustFail,
    /// The line before a substack; it counts when lines are jumped over.
    Substack,
}

impl Step {
    /// Name of the module's file.
    pub fn module(&self) -> Option<&str> {
        match self {
            Self::Module { path, .. } => path.rsplit('/').next(),
            _ => None,
        }
    }

    pub fn arguments(&self) -> &[String] {
        match self {
            Self::Module { arguments, .. } => arguments,
            _ => &[],
        }
    }
}

/// Why there is no stack.
#[derive(Debug, PartialEq, Eq)]
pub enum StackError<E> {
    /// A file was not read.
    Open(E),
    TooLong,
    /// `@include` of a file that is not there: the library then refuses the service as a whole, and
    /// one without `@include` takes the line for another fault.
    Missing,
}

/// Gives the lines of an included file, or `None` when there is none of that name.
pub type Open<'o, E> = &'o mut dyn FnMut(&str) -> Result<Option<Vec<Line>>, E>;

/// The steps of `facility` in `lines`.
pub fn stack<E>(
    lines: &[Line],
    facility: Facility,
    open: Open<'_, E>,
) -> Result<Vec<Handler>, StackError<E>> {
    let mut building = Building { stack: Vec::new(), facility, files: 0 };
    building.add(lines, Within { requested: None, depth: 0, level: 0 }, open)?;
    Ok(building.stack)
}

struct Building {
    stack: Vec<Handler>,
    facility: Facility,
    files: usize,
}

/// Where lines stand.
#[derive(Clone, Copy)]
struct Within {
    /// The facility that an `include` asked for.
    requested: Option<Facility>,
    /// How many files are around them.
    depth: u8,
    /// How many substacks are.
    level: u8,
}

impl Building {
    fn add<E>(
        &mut self,
        lines: &[Line],
        within: Within,
        open: Open<'_, E>,
    ) -> Result<(), StackError<E>> {
        for line in lines {
            // A line of no facility is one of those asked for, or of the most sensitive one.
            let own = line.facility.or(within.requested).unwrap_or(Facility::Auth);
            let below = Within { requested: Some(own), depth: within.depth + 1, ..within };
            match &line.what {
                What::IncludeAll(name) => {
                    let below = Within { requested: within.requested, ..below };
                    let name = name.as_deref().ok_or(StackError::Missing)?;
                    self.include_all(name, below, open)?;
                }
                _ if own != self.facility => {}
                What::Include(name) => self.include(name.as_deref(), below, open)?,
                What::Substack(name) => {
                    self.push(Step::Substack, all_bad(), within.level)?;
                    let below = Within { level: within.level + 1, ..below };
                    self.include(name.as_deref(), below, open)?;
                }
                What::Module { actions, path, arguments } if line.facility.is_some() => {
                    let (path, arguments) = (path.clone(), arguments.clone());
                    self.push(Step::Module { path, arguments }, actions.clone(), within.level)?;
                }
                What::Module { actions, .. } | What::Broken(actions) => {
                    self.push(Step::MustFail, actions.clone(), within.level)?;
                }
            }
        }
        Ok(())
    }

    /// What cannot be included fails where something was asked of it.
    fn include<E>(
        &mut self,
        name: Option<&str>,
        within: Within,
        open: Open<'_, E>,
    ) -> Result<(), StackError<E>> {
        match self.lines(name, within, open)? {
            Some(lines) => self.add(&lines, within, open),
            None => self.push(Step::MustFail, all_bad(), within.level),
        }
    }

    fn include_all<E>(
        &mut self,
        name: &str,
        within: Within,
        open: Open<'_, E>,
    ) -> Result<(), StackError<E>> {
        let lines = self.lines(Some(name), within, open)?.ok_or(StackError::Missing)?;
        self.add(&lines, within, open)
    }

    /// The lines of a file; `None` where it is not there, or too deep.
    fn lines<E>(
        &mut self,
        name: Option<&str>,
        within: Within,
        open: Open<'_, E>,
    ) -> Result<Option<Vec<Line>>, StackError<E>> {
        self.files += 1;
        if self.files > MAX_FILES {
            return Err(StackError::TooLong);
        }
        match name {
            Some(name) if within.depth < MAX_LEVEL => open(name).map_err(StackError::Open),
            _ => Ok(None),
        }
    }

    fn push<E>(
        &mut self,
        what: Step,
        actions: Box<Actions>,
        level: u8,
    ) -> Result<(), StackError<E>> {
        if self.stack.len() >= MAX_STEPS {
            return Err(StackError::TooLong);
        }
        self.stack.push(Handler { what, level, actions });
        Ok(())
    }
}

fn all_bad() -> Box<Actions> {
    Box::new([Action::Bad; CODES.len()])
}
