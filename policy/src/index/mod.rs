//! The policy made ready to be asked: a judgement costs the same with ten rules and with ten
//! thousand, because it looks up what applies instead of asking each rule.
//!
//! Both ends of a connection become a few *atoms*: small numbers for the conditions on that side
//! which hold ("is process 7", "is anybody recognised and has label tier=web"). Each pair of atoms
//! that some rule joins has a *cell*, and in it rules are found by port, method and path. Rules are
//! numbered in the order in which they win, so the least number found is the answer.
//!
//! Keys of all maps come from the policy; peers only look things up, and cannot make one lookup
//! longer than the policy's own keys do. Hence a fast hash without a secret.
//!
//! Memory is linear in the size of the policy: see [`plan`].

mod build;
mod cells;
mod destinations;
mod paths;
mod plan;
mod processes;
mod rank;
mod sides;
mod symbols;

pub(crate) use cells::Request;
pub(crate) use destinations::DestinationIndex;
pub(crate) use processes::{ProcessIndex, Unrecognised};
pub(crate) use rank::{Rank, specificity};
pub(crate) use sides::Atom;

use cells::Cells;
use rustc_hash::FxHashMap;
use sides::{Side, Who};
use symbols::Symbols;

/// Everything a judgement looks up.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) processes: ProcessIndex,
    pub(crate) destinations: DestinationIndex,
    /// Places of the rules in the document, by rank.
    pub(crate) by_rank: Vec<usize>,
    symbols: Symbols,
    from: Side,
    to: Side,
    /// The atoms of each destination.
    destination_atoms: Vec<Known>,
    cells: Cells,
    /// The best allow rule of each atom of the `from` side, for naming the nearest.
    best_from: FxHashMap<u32, Rank>,
}

/// What is known of a destination beforehand.
#[derive(Debug)]
enum Known {
    /// Its atoms, where they are few.
    Atoms(Box<[Atom]>),
    /// Its labels, to find the atoms by: a policy in which every destination has a thousand would
    /// otherwise take room for all of them.
    Labels(Box<[(u32, u32)]>),
}

/// Atoms of a destination that are kept.
const FEW_ATOMS: usize = 32;

impl Known {
    fn new(side: &Side, number: u32, labels: Vec<(u32, u32)>) -> Self {
        let mut atoms = Vec::new();
        side.emit_entry(number, &labels, &mut atoms);
        if atoms.len() <= FEW_ATOMS { Self::Atoms(atoms.into()) } else { Self::Labels(labels.into()) }
    }
}

/// What the rules say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The winning rule.
    pub(crate) rule: Rank,
    /// Where there is none: an allow rule that would be about these two ends, or about this source.
    pub(crate) nearest: Rank,
}

impl Index {
    /// The atoms of a connection without identity.
    pub(crate) fn atoms_of_nobody(&self) -> Vec<Atom> {
        let mut atoms = Vec::new();
        self.from.emit(Who::Anyone, &[], &mut atoms);
        self.from.emit(Who::Unidentified, &[], &mut atoms);
        atoms
    }

    /// The atoms of a source that is these processes and has these labels.
    pub(crate) fn atoms_of_source<'a>(
        &self,
        processes: &[u32],
        labels: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Vec<Atom> {
        let labels = self.symbols.known_labels(labels);
        let mut atoms = Vec::new();
        self.from.emit(Who::Anyone, &labels, &mut atoms);
        self.from.emit(Who::Any, &labels, &mut atoms);
        for process in processes {
            self.from.emit_member(*process, &labels, &mut atoms);
        }
        distinct(atoms)
    }

    /// The atoms of a connection's other end, which is these destinations.
    pub(crate) fn atoms_of_destination(&self, destinations: &[u32]) -> Vec<Atom> {
        let mut atoms = Vec::new();
        self.to.emit(Who::Anyone, &[], &mut atoms);
        for number in destinations {
            let known = usize::try_from(*number).ok().and_then(|at| self.destination_atoms.get(at));
            match known {
                Some(Known::Atoms(known)) => atoms.extend(known),
                Some(Known::Labels(labels)) => self.to.emit_entry(*number, labels, &mut atoms),
                None => {}
            }
        }
        distinct(atoms)
    }

    /// The rule that decides between these two ends, or the nearest.
    #[inline]
    pub(crate) fn find(&self, from: &[Atom], to: &[Atom], request: &Request<'_>) -> Found {
        let mut found = Found { rule: Rank::NONE, nearest: Rank::NONE };
        let path = self.cells.prepare(request);
        for source in from {
            for destination in to.iter().filter(|atom| atom.same == source.same) {
                if let Some(cell) = self.cells.get(source.id, destination.id) {
                    found.nearest = found.nearest.min(cell.best_allow);
                    // A cell whose best rule is no better than the one found has nothing to add.
                    if cell.best < found.rule {
                        found.rule = found.rule.min(self.cells.best(cell, request, &path));
                    }
                }
            }
        }
        if found.rule == Rank::NONE && found.nearest == Rank::NONE {
            let best = from.iter().filter_map(|atom| self.best_from.get(&atom.id)).min();
            found.nearest = best.copied().unwrap_or(Rank::NONE);
        }
        found
    }
}

fn distinct(mut atoms: Vec<Atom>) -> Vec<Atom> {
    atoms.sort_unstable();
    atoms.dedup();
    atoms
}
