//! Mistakes in a policy: where, what is wrong, and what to write instead.

use core::fmt;

/// Mistakes reported of one document. More would not be read; the rest is counted.
pub const MAX_MISTAKES: usize = 100;

/// One mistake in a policy document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The field, for example `rules[3].allow.to.ports[0]`; empty for the document as a whole.
    pub path: String,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub remedy: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "policy" } else { &self.path };
        write!(out, "{path}: {}: {}", self.problem, self.remedy)
    }
}

/// All mistakes that were found in a policy document, those of its head first; at least one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes {
    listed: Vec<Mistake>,
    unlisted: usize,
}

impl Mistakes {
    /// The first [`MAX_MISTAKES`] of them.
    #[must_use]
    pub fn as_slice(&self) -> &[Mistake] {
        &self.listed
    }

    /// How many there are beyond those listed.
    #[must_use]
    pub const fn unlisted(&self) -> usize {
        self.unlisted
    }

    /// A single mistake of the document as a whole.
    pub(crate) fn of_document(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        let mut mistakes = Self::default();
        mistakes.add(String::new(), problem.into(), remedy.into());
        mistakes
    }

    /// Notes a mistake.
    pub(crate) fn add(&mut self, path: String, problem: String, remedy: String) {
        if self.listed.len() < MAX_MISTAKES {
            self.listed.push(Mistake { path, problem, remedy });
        } else {
            self.unlisted = self.unlisted.saturating_add(1);
        }
    }

    /// Notes all of these.
    pub(crate) fn append(&mut self, other: Self) {
        let room = MAX_MISTAKES.saturating_sub(self.listed.len());
        let beyond = other.listed.len().saturating_sub(room);
        self.listed.extend(other.listed.into_iter().take(room));
        self.unlisted = self.unlisted.saturating_add(beyond).saturating_add(other.unlisted);
    }

    /// `value`, unless a mistake was noted.
    pub(crate) fn or<T>(self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.listed.is_empty() => Ok(value),
            _ => Err(self),
        }
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.listed.iter().enumerate() {
            if index > 0 {
                out.write_str("\n")?;
            }
            mistake.fmt(out)?;
        }
        if self.unlisted > 0 {
            write!(out, "\nand {} more", self.unlisted)?;
        }
        Ok(())
    }
}

impl core::error::Error for Mistakes {}
