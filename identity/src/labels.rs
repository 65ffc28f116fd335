//! Labels that a manifest gives a container and the shim signs.

use core::fmt;

/// Labels on one identity: enough for segment, tier, version and a team's own, and few enough that a
/// judgement may look at each of them.
pub const MAX_LABELS: usize = 16;
/// Bytes of a label's name: the longest name part that Kubernetes allows is 63 characters.
pub const MAX_LABEL_NAME: usize = 64;
/// Bytes of a label's value: four times what Kubernetes allows, so that a URL or an address fits.
pub const MAX_LABEL_VALUE: usize = 256;

/// At most [`MAX_LABELS`] names, each with one value. They are too few for a tree, which would take 3 kB more of
/// the filter's module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels(Vec<(String, String)>);

impl Labels {
    /// Labels from pairs of a name and a value.
    ///
    /// # Errors
    /// The first bound of this module that they exceed, an empty name, or a name given twice.
    pub fn from_pairs<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Result<Self, LabelError>
    where
        N: Into<String>,
        V: Into<String>,
    {
        let mut labels = Self::default();
        for (name, value) in pairs {
            labels.insert(name.into(), value.into())?;
        }
        Ok(labels)
    }

    fn insert(&mut self, name: String, value: String) -> Result<(), LabelError> {
        if name.is_empty() || name.len() > MAX_LABEL_NAME {
            return Err(LabelError::NameLength);
        }
        if value.len() > MAX_LABEL_VALUE {
            return Err(LabelError::ValueLength);
        }
        let full = self.0.len() >= MAX_LABELS;
        match self.place(&name) {
            Ok(_) => Err(LabelError::Repeated),
            Err(_) if full => Err(LabelError::TooMany),
            Err(place) => {
                self.0.insert(place, (name, value));
                Ok(())
            }
        }
    }

    /// The value under this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.get(self.place(name).ok()?)?;
        Some(value)
    }

    /// Where this name is, or would be.
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.as_str().cmp(name))
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Why something is no set of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelError {
    /// More than [`MAX_LABELS`].
    TooMany,
    /// A name that is empty or longer than [`MAX_LABEL_NAME`].
    NameLength,
    /// A value longer than [`MAX_LABEL_VALUE`].
    ValueLength,
    /// A name given twice.
    Repeated,
}

impl fmt::Display for LabelError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(out, "more than {MAX_LABELS} labels: keep those that rules use"),
            Self::NameLength => {
                write!(out, "a label's name has 1 to {MAX_LABEL_NAME} bytes: shorten it")
            }
            Self::ValueLength => {
                write!(out, "a label's value has at most {MAX_LABEL_VALUE} bytes: shorten it")
            }
            Self::Repeated => out.write_str("a label is given twice: keep one of the two"),
        }
    }
}

impl core::error::Error for LabelError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_is_held_at_its_edge() {
        let many = |count: usize| (0..count).map(|index| (index.to_string(), "v"));
        assert_eq!(Labels::from_pairs(many(MAX_LABELS)).map(|labels| labels.len()), Ok(MAX_LABELS));
        assert_eq!(Labels::from_pairs(many(MAX_LABELS + 1)), Err(LabelError::TooMany));
        let name = |length: usize| Labels::from_pairs([("n".repeat(length), "v")]);
        assert!(name(MAX_LABEL_NAME).is_ok());
        assert_eq!(name(MAX_LABEL_NAME + 1), Err(LabelError::NameLength));
        assert_eq!(name(0), Err(LabelError::NameLength));
        let value = |length: usize| Labels::from_pairs([("n", "v".repeat(length))]);
        assert!(value(MAX_LABEL_VALUE).is_ok());
        assert_eq!(value(MAX_LABEL_VALUE + 1), Err(LabelError::ValueLength));
    }

    #[test]
    fn a_name_given_twice_is_refused_and_not_a_choice() {
        assert_eq!(Labels::from_pairs([("tier", "web"), ("tier", "db")]), Err(LabelError::Repeated));
    }
}
