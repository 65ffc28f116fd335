//! In how many pods something was seen.

use procgate_identity::Digest;
use std::rc::Rc;

/// Pods that are known by name of one flow. Of more, those with the least hashes are kept, from which
/// the number of all follows within an eighth or so.
const MAX_PODS: usize = 64;

/// A pod by its name and a hash of it that is the same everywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pod {
    hash: u64,
    pub(super) name: Rc<str>,
}

impl Pod {
    pub(super) fn new(name: &str) -> Self {
        let digest = Digest::of(name.as_bytes());
        let hash = digest.as_bytes().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        Self { hash, name: name.into() }
    }
}

/// Room for one in a list that has none: of nearly all flows there is one pod and one hour, and a list that grows by
/// itself begins with room for four.
pub(super) fn make_room<T>(list: &mut Vec<T>) {
    if list.is_empty() {
        list.reserve_exact(1);
    }
}

/// The pods with the least hashes, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pods {
    pub(super) kept: Vec<Pod>,
    /// Whether there were more.
    pub(super) many: bool,
}

impl Pods {
    pub(super) fn add(&mut self, pod: &Pod) {
        let Err(place) = self.kept.binary_search(pod) else { return };
        if place < MAX_PODS {
            make_room(&mut self.kept);
            self.kept.insert(place, pod.clone());
        } else {
            self.many = true;
        }
        if self.kept.len() > MAX_PODS {
            self.kept.truncate(MAX_PODS);
            self.many = true;
        }
    }

    /// How many there are. Of hashes spread evenly over 64 bits, the 64th least lies at 64 parts of as many as there are.
    pub(super) fn number(&self) -> u64 {
        let kept = u64::try_from(self.kept.len()).unwrap_or(u64::MAX);
        let Some(last) = self.kept.last().filter(|_| self.many) else { return kept };
        let whole = u128::from(kept.saturating_sub(1)) << u64::BITS;
        let estimate = whole.checked_div(u128::from(last.hash)).unwrap_or_default();
        u64::try_from(estimate).unwrap_or(u64::MAX).max(kept.saturating_add(1))
    }
}
