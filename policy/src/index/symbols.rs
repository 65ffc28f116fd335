//! Texts of the policy as numbers, so that later comparisons are of numbers.

use rustc_hash::FxHashMap;

/// Numbers for texts, from 1 on.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    numbers: FxHashMap<Box<str>, u32>,
}

impl Symbols {
    /// A number that no text of the policy has.
    pub(crate) const UNKNOWN: u32 = u32::MAX;

    /// The number of this text, a new one if need be.
    pub(crate) fn add(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = u32::try_from(self.numbers.len()).unwrap_or(Self::UNKNOWN).saturating_add(1);
        self.numbers.insert(text.into(), number);
        number
    }

    /// The number of this text, or [`Symbols::UNKNOWN`].
    pub(crate) fn get(&self, text: &str) -> u32 {
        self.numbers.get(text).copied().unwrap_or(Self::UNKNOWN)
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// The labels whose name some rule uses, as numbers.
    pub(crate) fn known_labels<'a>(
        &self,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Vec<(u32, u32)> {
        if self.is_empty() {
            return Vec::new();
        }
        labels
            .map(|(name, value)| (self.get(name), self.get(value)))
            .filter(|(name, _)| *name != Self::UNKNOWN)
            .collect()
    }
}
