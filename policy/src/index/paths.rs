//! Path patterns of many rules in one tree per port and method.

use super::rank::Rank;
use super::symbols::Symbols;
use crate::pattern::{MAX_SEGMENTS, PathPattern, RequestPath, Segment};
use rustc_hash::FxHashMap;

/// A node's number; the trees of all cells share one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct NodeId(u32);

impl NodeId {
    const NONE: Self = Self(u32::MAX);
}

/// The rules that are left when port and method are settled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf {
    /// The best rule that asks for no path.
    any: Rank,
    /// The best deny rule that asks for some path: it is met by an unclear one.
    unclear: Rank,
    root: NodeId,
}

impl Leaf {
    /// No rules yet.
    pub(super) const EMPTY: Self = Self { any: Rank::NONE, unclear: Rank::NONE, root: NodeId::NONE };
}

#[derive(Clone, Copy, Debug)]
struct Node {
    /// Behind `*`.
    one: NodeId,
    /// The best rule whose pattern ends here.
    end: Rank,
    /// The best rule whose pattern has `**` here.
    tail: Rank,
}

/// All trees.
#[derive(Debug, Default)]
pub(super) struct Paths {
    nodes: Vec<Node>,
    /// Behind exact segments.
    exact: FxHashMap<(NodeId, u32), NodeId>,
    segments: Symbols,
}

/// The number of the empty segment, which stands behind a trailing slash: given once, before others.
const EMPTY: u32 = 1;

/// A request's path, its segments as numbers.
#[derive(Debug)]
pub(super) enum PreparedPath {
    /// Not HTTP, or nobody asks.
    Absent,
    /// See [`RequestPath::Unclear`].
    Unclear,
    /// The first segments (no pattern has more), and how many there are in all.
    Clear([u32; MAX_SEGMENTS], usize),
}

impl Paths {
    /// Whether there are no patterns.
    pub(super) const fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    #[cfg(test)]
    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Adds a rule to a leaf.
    pub(super) fn add(&mut self, leaf: &mut Leaf, paths: &[PathPattern], rank: Rank, denies: bool) {
        if paths.is_empty() {
            leaf.any = leaf.any.min(rank);
            return;
        }
        if denies {
            leaf.unclear = leaf.unclear.min(rank);
        }
        if leaf.root == NodeId::NONE {
            leaf.root = self.new_node();
        }
        for path in paths {
            let end = path.segments().iter().fold(leaf.root, |node, segment| self.child(node, segment));
            if let Some(node) = self.node_mut(end) {
                let place = if path.has_tail() { &mut node.tail } else { &mut node.end };
                *place = rank.min(*place);
            }
        }
    }

    fn child(&mut self, parent: NodeId, segment: &Segment) -> NodeId {
        match segment {
            Segment::Exact(text) => {
                let key = (parent, self.number(text));
                if let Some(child) = self.exact.get(&key) {
                    return *child;
                }
                let child = self.new_node();
                self.exact.insert(key, child);
                child
            }
            Segment::One => {
                let known = self.node(parent).map_or(NodeId::NONE, |node| node.one);
                if known != NodeId::NONE {
                    return known;
                }
                let child = self.new_node();
                if let Some(node) = self.node_mut(parent) {
                    node.one = child;
                }
                child
            }
        }
    }

    fn number(&mut self, text: &str) -> u32 {
        if self.segments.is_empty() {
            self.segments.add("");
        }
        self.segments.add(text)
    }

    fn new_node(&mut self) -> NodeId {
        let id = u32::try_from(self.nodes.len()).map_or(NodeId::NONE, NodeId);
        self.nodes.push(Node { one: NodeId::NONE, end: Rank::NONE, tail: Rank::NONE });
        id
    }

    #[inline]
    fn node(&self, id: NodeId) -> Option<&Node> {
        usize::try_from(id.0).ok().and_then(|at| self.nodes.get(at))
    }

    fn node_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        usize::try_from(id.0).ok().and_then(|at| self.nodes.get_mut(at))
    }

    /// Looks each segment of a path up, once for all leaves.
    #[inline]
    pub(super) fn prepare(&self, path: Option<&str>) -> PreparedPath {
        let Some(path) = path.filter(|_| !self.is_empty()) else { return PreparedPath::Absent };
        let RequestPath::Clear(path) = RequestPath::parse(path) else { return PreparedPath::Unclear };
        let mut numbers = [Symbols::UNKNOWN; MAX_SEGMENTS];
        let mut segments = path.iter();
        let mut count = 0_usize;
        for (number, segment) in numbers.iter_mut().zip(segments.by_ref()) {
            // `*` must tell it from a segment that the policy merely does not know.
            *number = if segment.is_empty() { EMPTY } else { self.segments.get(segment) };
            count = count.saturating_add(1);
        }
        PreparedPath::Clear(numbers, count.saturating_add(segments.count()))
    }

    /// The best rule of the leaf that this path meets.
    #[inline]
    pub(super) fn best(&self, leaf: &Leaf, path: &PreparedPath) -> Rank {
        match path {
            PreparedPath::Absent => leaf.any,
            PreparedPath::Unclear => leaf.any.min(leaf.unclear),
            PreparedPath::Clear(segments, count) => {
                let ends = *count <= segments.len();
                let known = segments.get(..*count).unwrap_or(segments);
                leaf.any.min(self.walk(leaf.root, known, ends))
            }
        }
    }

    /// Goes down as deep as patterns go, which [`MAX_SEGMENTS`] bounds.
    #[inline]
    fn walk(&self, node: NodeId, segments: &[u32], ends: bool) -> Rank {
        let Some(here) = self.node(node) else { return Rank::NONE };
        let Some((segment, rest)) = segments.split_first() else {
            return if ends { here.tail.min(here.end) } else { here.tail };
        };
        let mut best = here.tail;
        if let Some(child) = self.exact.get(&(node, *segment)) {
            best = best.min(self.walk(*child, rest, ends));
        }
        if *segment != EMPTY {
            best = best.min(self.walk(here.one, rest, ends));
        }
        best
    }
}
