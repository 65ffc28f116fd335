//! What shall be different in a document, said by paths.

use super::value::Value;
use core::fmt;

/// A step into a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Field(String),
    Item(usize),
}

/// Where something is in a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path(Vec<Step>);

impl Path {
    /// What is written as it is shown, of names that have neither dots nor brackets.
    pub(crate) fn read(text: &str) -> Self {
        let step = |step: &str| match step.strip_suffix(']').and_then(|index| index.parse().ok()) {
            Some(index) => Step::Item(index),
            None => Step::Field(step.to_owned()),
        };
        Self(text.split(['.', '[']).map(step).collect())
    }

    /// The fields on the way, divided by dots.
    pub(crate) fn field(&self, names: &str) -> Self {
        let steps = names.split('.').map(|name| Step::Field(name.to_owned()));
        Self(self.0.iter().cloned().chain(steps).collect())
    }

    /// The field of this very name, dots included.
    pub(crate) fn named(&self, name: &str) -> Self {
        self.then(Step::Field(name.to_owned()))
    }

    /// The item of this index.
    pub(crate) fn item(&self, index: usize) -> Self {
        self.then(Step::Item(index))
    }

    fn then(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    /// The steps, from the document.
    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Where it leads to last, and from where.
    pub(super) fn last(&self) -> Option<(Self, &Step)> {
        let (last, before) = self.0.split_last()?;
        Some((Self(before.to_vec()), last))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if index == 0 => out.write_str(name)?,
                Step::Field(name) => write!(out, ".{name}")?,
                Step::Item(item) => write!(out, "[{item}]")?,
            }
        }
        Ok(())
    }
}

/// A change. All changes of a document say where things are before any of them is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// A field of this mapping that is not there yet, behind the others.
    Add(Path, String, Value),
    /// Items before the first of this list.
    Prepend(Path, Vec<Value>),
    /// Items behind the last.
    Append(Path, Vec<Value>),
    /// Another value in place of this one.
    Replace(Path, Value),
    /// A field or an item less.
    Remove(Path),
}

impl Edit {
    /// The mapping, list, field or item that it is about.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Add(path, ..)
            | Self::Prepend(path, _)
            | Self::Append(path, _)
            | Self::Replace(path, _)
            | Self::Remove(path) => path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_it_is_shown() {
        let path = Path::default().field("rules").item(3).field("allow.to.paths");
        assert_eq!(Path::read("rules[3].allow.to.paths"), path);
        assert_eq!(path.to_string(), "rules[3].allow.to.paths");
    }
}
