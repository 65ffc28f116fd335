//! Which processes of the policy an identity is.

use super::symbols::Symbols;
use crate::model::Process;
use core::hash::Hash;
use procgate_identity::{Claims, Digest};
use rustc_hash::FxHashMap;

/// Finds processes by what they run and where.
#[derive(Debug)]
pub(crate) struct ProcessIndex {
    by_exe: Places<Digest>,
    by_path: Places<Box<str>>,
    names: Symbols,
    pins: Vec<Pins>,
}

/// What a process pins beside its executable; empty pins nothing.
#[derive(Debug)]
struct Pins {
    code: Box<[Digest]>,
    script: Box<[Digest]>,
}

/// Why an identity is no process of the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unrecognised {
    /// Its executable is on no list, and nothing is known to lie at its path.
    Unknown,
    /// Its executable belongs elsewhere.
    Place,
    /// A process of this place lies at its path, with another executable.
    Exe(u32),
    /// The process fits, but its code list is another, or something mapped is not on it.
    Code(u32),
    /// The process fits, but it runs another script.
    Script(u32),
}

impl ProcessIndex {
    /// Files all processes.
    #[inline(never)]
    pub(super) fn new(processes: &[Process]) -> Self {
        let mut index = Self {
            by_exe: Places::new(),
            by_path: Places::new(),
            names: Symbols::default(),
            pins: Vec::new(),
        };
        for (number, process) in (0..).zip(processes) {
            let place = [&process.container, &process.namespace, &process.service_account]
                .map(|name| name.as_ref().map_or(ANY, |name| index.names.add(name)));
            for exe in &process.exe {
                index.by_exe.add(*exe, place, number);
            }
            if let Some(path) = &process.path {
                index.by_path.add(path.as_str().into(), place, number);
            }
            index.pins.push(Pins {
                code: process.code.as_slice().into(),
                script: process.script.as_slice().into(),
            });
        }
        index.by_exe.finish();
        index.by_path.finish();
        index
    }

    /// The processes that this identity is, in the order of the document, at least one.
    ///
    /// It costs one lookup, one search for each way in which the policy places this executable, and
    /// one step for each process that has it in this same place.
    pub(crate) fn identify(&self, claims: &Claims) -> Result<Vec<u32>, Unrecognised> {
        let subject = &claims.subject;
        let place = [Some(subject.container()), subject.namespace(), subject.service_account()]
            .map(|name| name.map_or(Symbols::UNKNOWN, |name| self.names.get(name)));
        let Some(placed) = self.by_exe.processes.get(&claims.exe) else {
            let known = self.by_path.processes.get(claims.name.as_str());
            let known = known.and_then(|placed| placed.at(place).first().copied());
            return Err(known.map_or(Unrecognised::Unknown, Unrecognised::Exe));
        };
        let placed = placed.at(place);
        let first = *placed.first().ok_or(Unrecognised::Place)?;
        let accepted: Vec<u32> =
            placed.into_iter().filter(|number| self.changed(*number, claims).is_none()).collect();
        match self.changed(first, claims) {
            Some(changed) if accepted.is_empty() => Err(changed),
            _ => Ok(accepted),
        }
    }

    fn changed(&self, number: u32, claims: &Claims) -> Option<Unrecognised> {
        let pins = usize::try_from(number).ok().and_then(|at| self.pins.get(at))?;
        if !pins.code.is_empty() && !claims.code.is_some_and(|code| pins.code.contains(&code)) {
            return Some(Unrecognised::Code(number));
        }
        if !pins.script.is_empty() && !claims.script.is_some_and(|script| pins.script.contains(&script)) {
            return Some(Unrecognised::Script(number));
        }
        None
    }
}

/// Container, namespace and service account as numbers.
type Place = [u32; 3];
/// Part of a place that does not matter.
const ANY: u32 = 0;

/// Processes by what they run and their place. A place can leave out any of its three parts, so
/// there are eight shapes of it, and a lookup tries those that occur.
#[derive(Debug)]
struct Places<K> {
    processes: FxHashMap<K, Placed>,
}

/// The processes that run one thing.
#[derive(Debug, Default)]
struct Placed {
    shapes: u8,
    /// Sorted, once all are there.
    processes: Vec<(Place, u32)>,
}

impl<K: Eq + Hash> Places<K> {
    fn new() -> Self {
        Self { processes: FxHashMap::default() }
    }

    fn add(&mut self, key: K, place: Place, process: u32) {
        let placed = self.processes.entry(key).or_default();
        placed.shapes |= 1 << shape(place);
        placed.processes.push((place, process));
    }

    fn finish(&mut self) {
        for placed in self.processes.values_mut() {
            placed.processes.sort_unstable();
            placed.processes.dedup();
        }
    }
}

impl Placed {
    /// The processes that may be here, in the order of the document.
    fn at(&self, place: Place) -> Vec<u32> {
        let mut found = Vec::new();
        for shape in (0..8).filter(|shape| self.shapes >> shape & 1 == 1) {
            let here = masked(place, shape);
            let from = self.processes.partition_point(|(place, _)| *place < here);
            let rest = self.processes.get(from..).unwrap_or_default();
            found.extend(rest.iter().take_while(|(place, _)| *place == here).map(|(_, process)| *process));
        }
        found.sort_unstable();
        found
    }
}

/// Which parts of the place matter, one bit each.
fn shape(place: Place) -> u8 {
    place.iter().fold(0, |shape, part| shape << 1 | u8::from(*part != ANY))
}

/// The place with only those parts that matter in this shape.
fn masked([container, namespace, service_account]: Place, shape: u8) -> Place {
    let part = |bit: u8, part: u32| if shape >> bit & 1 == 1 { part } else { ANY };
    [part(2, container), part(1, namespace), part(0, service_account)]
}
