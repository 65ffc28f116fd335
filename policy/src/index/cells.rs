//! Rules between two atoms, found by port, method and path.

use super::paths::{Leaf, Paths, PreparedPath};
use super::rank::Rank;
use super::symbols::Symbols;
use crate::model::Rule;
use crate::pattern::{PortPrefix, PortRange};
use crate::raw::Effect;
use rustc_hash::FxHashMap;

/// What a rule may ask of a connection beside its two ends.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Request<'a> {
    /// The original destination port, if it is known.
    pub(crate) port: Option<u16>,
    /// Method and path, if it is HTTP.
    pub(crate) http: Option<(&'a str, &'a str)>,
}

/// What the rules between two atoms have in common.
#[derive(Debug)]
pub(super) struct Cell {
    id: u32,
    /// The best rule here.
    pub(super) best: Rank,
    /// The best allow rule here.
    pub(super) best_allow: Rank,
    /// Lengths of port prefixes that occur, one bit each.
    port_lengths: u32,
    /// Whether some rule here asks for a method.
    methods: bool,
    /// Rules that are kept whole, in the order of their ranks.
    whole: Vec<u32>,
}

/// A rule that would fill too many leaves: see [`super::plan`].
#[derive(Debug)]
struct Whole {
    rank: Rank,
    ports: Box<[PortRange]>,
    methods: Box<[u32]>,
    leaf: Leaf,
}

/// Method of a leaf whose rules ask for none.
const ANY_METHOD: u32 = 0;

/// All cells.
#[derive(Debug, Default)]
pub(super) struct Cells {
    cells: FxHashMap<(u32, u32), Cell>,
    leaves: FxHashMap<(u32, u32, PortPrefix), Leaf>,
    whole: Vec<Whole>,
    methods: Symbols,
    paths: Paths,
}

/// A path and a method, looked up once for all cells.
#[derive(Debug)]
pub(super) struct Prepared {
    method: u32,
    path: PreparedPath,
}

impl Cells {
    /// Adds a rule to the cells of these pairs, spread over leaves or kept whole.
    pub(super) fn add(&mut self, pairs: &[(u32, u32)], rule: &Rule, rank: Rank, spread: bool) {
        let methods: Vec<u32> = rule.methods.iter().map(|method| self.methods.add(method)).collect();
        if spread {
            self.add_spread(pairs, rule, rank, &methods);
        } else {
            self.add_whole(pairs, rule, rank, &methods);
        }
    }

    #[inline(never)]
    fn add_spread(&mut self, pairs: &[(u32, u32)], rule: &Rule, rank: Rank, methods: &[u32]) {
        let methods = if methods.is_empty() { &[ANY_METHOD] } else { methods };
        let mut prefixes: Vec<PortPrefix> = rule.ports.iter().flat_map(|range| range.prefixes()).collect();
        if prefixes.is_empty() {
            prefixes.push(PortPrefix::ANY);
        }
        for pair in pairs {
            let cell = cell(&mut self.cells, *pair, rule, rank);
            for prefix in &prefixes {
                cell.port_lengths |= 1 << prefix.length();
                for method in methods {
                    cell.methods |= *method != ANY_METHOD;
                    let leaf = self.leaves.entry((cell.id, *method, *prefix)).or_insert(Leaf::EMPTY);
                    self.paths.add(leaf, &rule.paths, rank, rule.effect == Effect::Deny);
                }
            }
        }
    }

    #[inline(never)]
    fn add_whole(&mut self, pairs: &[(u32, u32)], rule: &Rule, rank: Rank, methods: &[u32]) {
        let mut leaf = Leaf::EMPTY;
        self.paths.add(&mut leaf, &rule.paths, rank, rule.effect == Effect::Deny);
        let number = u32::try_from(self.whole.len()).unwrap_or(u32::MAX);
        self.whole.push(Whole { rank, ports: rule.ports.as_slice().into(), methods: methods.into(), leaf });
        for pair in pairs {
            cell(&mut self.cells, *pair, rule, rank).whole.push(number);
        }
    }

    /// Cells, leaves and nodes: what the plan of each rule limits.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        [self.cells.len(), self.leaves.len(), self.whole.len(), self.paths.nodes()].into_iter().sum()
    }

    /// The cell of a pair.
    #[inline]
    pub(super) fn get(&self, from: u32, to: u32) -> Option<&Cell> {
        self.cells.get(&(from, to))
    }

    /// Looks up what does not depend on the cell.
    #[inline]
    pub(super) fn prepare(&self, request: &Request<'_>) -> Prepared {
        let method = request.http.map_or(Symbols::UNKNOWN, |(method, _)| self.methods.get(method));
        Prepared { method, path: self.paths.prepare(request.http.map(|(_, path)| path)) }
    }

    /// The best rule of the cell that the request meets.
    #[inline]
    pub(super) fn best(&self, cell: &Cell, request: &Request<'_>, prepared: &Prepared) -> Rank {
        let mut best = Rank::NONE;
        let mut lengths = cell.port_lengths;
        while lengths != 0 {
            let length = lengths.trailing_zeros();
            lengths &= lengths.wrapping_sub(1);
            let Some(prefix) = prefix(request.port, length) else { continue };
            best = best.min(self.best_of_leaf((cell.id, ANY_METHOD, prefix), prepared));
            if cell.methods && prepared.method != Symbols::UNKNOWN {
                best = best.min(self.best_of_leaf((cell.id, prepared.method, prefix), prepared));
            }
        }
        for whole in cell.whole.iter().filter_map(|number| self.whole.get(usize::try_from(*number).ok()?)) {
            if whole.rank > best {
                break;
            }
            best = best.min(self.best_of_whole(whole, request, prepared));
        }
        best
    }

    #[inline]
    fn best_of_leaf(&self, key: (u32, u32, PortPrefix), prepared: &Prepared) -> Rank {
        self.leaves.get(&key).map_or(Rank::NONE, |leaf| self.paths.best(leaf, &prepared.path))
    }

    #[inline]
    fn best_of_whole(&self, whole: &Whole, request: &Request<'_>, prepared: &Prepared) -> Rank {
        let port = whole.ports.is_empty()
            || request.port.is_some_and(|port| whole.ports.iter().any(|range| range.contains(port)));
        let method = whole.methods.is_empty() || whole.methods.contains(&prepared.method);
        if port && method { self.paths.best(&whole.leaf, &prepared.path) } else { Rank::NONE }
    }
}

/// The block of this length around the port; without a port only the block of all ports.
#[inline]
fn prefix(port: Option<u16>, length: u32) -> Option<PortPrefix> {
    match port {
        Some(port) => Some(PortPrefix::of(port, length)),
        None => (length == 0).then_some(PortPrefix::ANY),
    }
}

fn cell<'c>(
    cells: &'c mut FxHashMap<(u32, u32), Cell>,
    pair: (u32, u32),
    rule: &Rule,
    rank: Rank,
) -> &'c mut Cell {
    let id = u32::try_from(cells.len()).unwrap_or(u32::MAX);
    let cell = cells.entry(pair).or_insert(Cell {
        id,
        best: Rank::NONE,
        best_allow: Rank::NONE,
        port_lengths: 0,
        methods: false,
        whole: Vec::new(),
    });
    cell.best = cell.best.min(rank);
    if rule.effect == Effect::Allow {
        cell.best_allow = cell.best_allow.min(rank);
    }
    cell
}
