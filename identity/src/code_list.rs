//! The code list: every ELF file that an image may map executable.

use crate::digest::{Digest, DigestError, Hasher};
use core::fmt;
use std::collections::BTreeSet;

/// Files on one list at the most. A full desktop image holds some 10,000 ELF files.
pub const MAX_CODE_LIST: usize = 100_000;

/// A set of digests: the code that a process may have mapped and still be the process it claims.
///
/// A set and not one digest of what happens to be loaded, because libraries arrive lazily (name
/// service modules, plugins, JNI). Its own digest is what a policy pins, so that a swapped list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeList(BTreeSet<Digest>);

impl CodeList {
    /// A list of these digests; repetitions count once.
    pub fn from_digests(digests: impl IntoIterator<Item = Digest>) -> Self {
        Self(digests.into_iter().collect())
    }

    /// Reads the text form: a line per file, `sha256:<hex>`, then optionally white space and the
    /// file's path for people. Empty lines and lines that start with `#` say nothing.
    ///
    /// # Errors
    /// The first line that is not of this form, an empty list, or more than [`MAX_CODE_LIST`] files.
    pub fn parse(text: &str) -> Result<Self, CodeListError> {
        let mut list = BTreeSet::new();
        for (index, line) in text.lines().enumerate() {
            let Some(word) = line.split_whitespace().next().filter(|word| !word.starts_with('#')) else {
                continue;
            };
            let at = |error| CodeListError::Line { number: index.saturating_add(1), error };
            list.insert(word.parse().map_err(at)?);
            if list.len() > MAX_CODE_LIST {
                return Err(CodeListError::TooLong);
            }
        }
        if list.is_empty() { Err(CodeListError::Empty) } else { Ok(Self(list)) }
    }

    /// Whether a file with this digest is on the list.
    #[must_use]
    pub fn contains(&self, digest: &Digest) -> bool {
        self.0.contains(digest)
    }

    /// The code DNA: SHA-256 over the digests' 32 bytes each, in ascending order.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::new();
        self.0.iter().for_each(|digest| hasher.update(digest.as_bytes()));
        hasher.finish()
    }

    /// How many files are on the list.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no file on the list.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The digests in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = &Digest> {
        self.0.iter()
    }
}

/// A text that is not a code list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeListError {
    /// This line (counted from 1) does not start with a digest.
    Line {
        /// Where, counted from 1.
        number: usize,
        /// What is wrong there.
        error: DigestError,
    },
    /// There is no digest in it.
    Empty,
    /// There are more than [`MAX_CODE_LIST`] files in it.
    TooLong,
}

impl fmt::Display for CodeListError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { number, error } => write!(out, "line {number}: {error}"),
            Self::Empty => {
                out.write_str("no digest in the code list: make one with `procgate digest --code-list`")
            }
            Self::TooLong => write!(
                out,
                "more than {MAX_CODE_LIST} files in the code list: list only what this image may load"
            ),
        }
    }
}

impl core::error::Error for CodeListError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_repetition_comments_and_paths_do_not_change_a_list() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let list = CodeList::parse(&format!("# libraries\n\n{b}  /lib/b.so\n{a}\n{b}\n")).unwrap();
        assert_eq!(list, CodeList::from_digests([a, b]));
        assert_eq!(list.digest(), CodeList::from_digests([b, a]).digest());
        assert!(list.contains(&a) && !list.contains(&Digest::of(b"c")));
    }

    #[test]
    fn a_mistake_is_named_by_its_line() {
        let good = Digest::of(b"a");
        let error = CodeList::parse(&format!("{good}\nsha256:12\n")).unwrap_err();
        assert!(error.to_string().starts_with("line 2: "), "{error}");
        assert_eq!(CodeList::parse("# nothing\n"), Err(CodeListError::Empty));
    }
}
