//! Sets of classes.

use std::rc::Rc;

/// Classes by number: every one, also that of nothing, or these, ascending.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Set {
    All,
    Of(Rc<[u32]>),
}

impl Set {
    /// These, in any order.
    pub(super) fn of(mut classes: Vec<u32>) -> Self {
        classes.sort_unstable();
        classes.dedup();
        Self::Of(classes.into())
    }

    /// The classes, where they are not all.
    pub(super) fn listed(&self) -> Option<&[u32]> {
        match self {
            Self::All => None,
            Self::Of(classes) => Some(classes),
        }
    }

    pub(super) fn contains(&self, class: u32) -> bool {
        self.listed().is_none_or(|classes| classes.binary_search(&class).is_ok())
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, Self::All) => true,
            (Self::All, Self::Of(classes)) | (Self::Of(classes), Self::All) => !classes.is_empty(),
            (Self::Of(one), Self::Of(_)) if one.len() > MANY => other.common(self).next().is_some(),
            (Self::Of(_), Self::Of(_)) => self.common(other).next().is_some(),
        }
    }

    /// Whether all of the other are in here.
    pub(super) fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Of(_), Self::All) => false,
            (Self::Of(one), Self::Of(two)) => {
                Rc::ptr_eq(one, two)
                    || (one.len() >= two.len() && two.iter().all(|class| self.contains(*class)))
            }
        }
    }

    /// What is in both; nothing where that is empty.
    pub(super) fn meet(&self, other: &Self) -> Option<Self> {
        let met = match (self, other) {
            (Self::All, set) | (set, Self::All) => set.clone(),
            (Self::Of(one), Self::Of(two)) => {
                let (few, many) = if one.len() < two.len() { (self, other) } else { (other, self) };
                Self::Of(few.common(many).collect())
            }
        };
        met.listed().is_none_or(|classes| !classes.is_empty()).then_some(met)
    }

    fn common<'s>(&'s self, other: &'s Self) -> impl Iterator<Item = u32> + 's {
        self.listed().unwrap_or_default().iter().copied().filter(|class| other.contains(*class))
    }
}

/// Classes of a set that is looked up in rather than walked.
const MANY: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_meet_where_they_overlap() {
        let (one, two) = (Set::of(vec![3, 1, 3]), Set::of((2..100).collect()));
        assert_eq!(one.meet(&two), Some(Set::of(vec![3])));
        assert_eq!(Set::All.meet(&one), Some(one.clone()));
        assert_eq!(one.meet(&Set::of(vec![2])), None);
        assert!(two.overlaps(&one) && one.overlaps(&two) && !one.overlaps(&Set::of(vec![])));
        assert!(Set::All.contains(0) && one.contains(1) && !one.contains(2));
    }
}
