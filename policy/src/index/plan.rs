//! How far a rule is multiplied out.
//!
//! A rule with lists of processes, destinations, ports, methods and paths stands for every
//! combination of them. Multiplied out, each combination is found in one lookup; but a rule of five
//! lists with a hundred entries each would fill ten thousand million places. So each rule has room
//! in proportion to its length in the document. A rule that needs more keeps its ports, methods and
//! paths together and is asked as a whole when its two ends fit; one whose processes and destinations
//! alone are too many combinations names the lists as sets. Such rules make a judgement longer only
//! where they apply, and memory stays linear in the policy.

use crate::model::{Rule, Source};

/// Places for each entry of a rule's lists: a range of ports needs up to 30.
const ROOM_PER_ENTRY: usize = 32;
/// Places for any rule.
const ROOM: usize = 64;

/// How a rule is filed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// A cell for each combination of a process and a destination; else one for two sets.
    pub(super) pairs: bool,
    /// A leaf for each combination of port block and method; else the rule as a whole.
    pub(super) leaves: bool,
}

impl Plan {
    /// The widest plan that this rule has room for.
    pub(super) fn of(rule: &Rule) -> Self {
        let processes = match &rule.from {
            Source::Process(selector) => selector.names.len(),
            Source::Anyone | Source::Unidentified => 0,
        };
        let segments = rule
            .paths
            .iter()
            .fold(0_usize, |sum, path| sum.saturating_add(path.segments().len()).saturating_add(1));
        let lists = [processes, rule.to.names.len(), rule.ports.len(), rule.methods.len(), segments];
        let entries = lists.iter().fold(0_usize, |sum, length| sum.saturating_add(*length));
        let room = entries.saturating_mul(ROOM_PER_ENTRY).saturating_add(ROOM);
        let pairs = product([processes, rule.to.names.len()]) <= room;
        let cells = if pairs { product([processes, rule.to.names.len()]) } else { 1 };
        let blocks = rule.ports.iter().fold(0_usize, |sum, range| sum.saturating_add(range.prefixes().len()));
        let leaves = product([cells, blocks, rule.methods.len(), segments]) <= room;
        Self { pairs, leaves }
    }
}

/// The product of list lengths, where an empty list stands for one entry: any.
fn product<const N: usize>(lengths: [usize; N]) -> usize {
    lengths.iter().fold(1, |product: usize, length| product.saturating_mul((*length).max(1)))
}
