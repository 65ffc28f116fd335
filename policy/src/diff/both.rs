//! One thing of either policy.

/// Something of the policy before, and the same of the policy after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Both<T> {
    pub(super) before: T,
    pub(super) after: T,
}

impl<T> Both<T> {
    /// The same made of either.
    pub(super) fn map<U>(self, mut make: impl FnMut(T) -> U) -> Both<U> {
        Both { before: make(self.before), after: make(self.after) }
    }

    /// Either by reference.
    pub(super) const fn as_ref(&self) -> Both<&T> {
        Both { before: &self.before, after: &self.after }
    }
}
