//! Which processes of the policy an identity is.

use super::symbols::Symbols;
use crate::model::Process;
use procgate_identity::{Claims, Digest};
use rustc_hash::FxHashMap;

/// Finds processes by what they run and where.
#[derive(Debug, Default)]
pub(crate) struct ProcessIndex {
    exes: FxHashMap<Digest, u32>,
    by_exe: Places,
    paths: FxHashMap<Box<str>, u32>,
    by_path: Places,
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
    pub(super) fn new(processes: &[Process]) -> Self {
        let mut index = Self::default();
        for (number, process) in (0..).zip(processes) {
            let place = [&process.container, &process.namespace, &process.service_account]
                .map(|name| name.as_ref().map_or(ANY, |name| index.names.add(name)));
            for exe in &process.exe {
                let next = next_number(index.exes.len());
                let exe = *index.exes.entry(*exe).or_insert(next);
                index.by_exe.add(exe, place, number);
            }
            if let Some(path) = &process.path {
                let next = next_number(index.paths.len());
                let path = *index.paths.entry(path.as_str().into()).or_insert(next);
                index.by_path.add(path, place, number);
            }
            index.pins.push(Pins {
                code: process.code.as_slice().into(),
                script: process.script.as_slice().into(),
            });
        }
        index
    }

    /// The processes that this identity is, in the order of the document, at least one.
    ///
    /// It costs one lookup for each way in which the policy places this executable, and one step for
    /// each process that has it in this same place.
    pub(crate) fn identify(&self, claims: &Claims) -> Result<Vec<u32>, Unrecognised> {
        let subject = &claims.subject;
        let place = [Some(subject.container()), subject.namespace(), subject.service_account()]
            .map(|name| name.map_or(Symbols::UNKNOWN, |name| self.names.get(name)));
        let Some(exe) = self.exes.get(&claims.exe) else {
            let path = self.paths.get(claims.name.as_str());
            let known = path.and_then(|path| self.by_path.at(*path, place).into_iter().min());
            return Err(known.map_or(Unrecognised::Unknown, Unrecognised::Exe));
        };
        let mut placed = self.by_exe.at(*exe, place);
        placed.sort_unstable();
        placed.dedup();
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

fn next_number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Container, namespace and service account as numbers.
type Place = [u32; 3];
/// Part of a place that does not matter.
const ANY: u32 = 0;

/// Processes by a number and their place. A place can leave out any of its three parts, so there
/// are eight shapes of it, and a lookup tries those that occur.
#[derive(Debug, Default)]
struct Places {
    processes: FxHashMap<(u32, Place), Vec<u32>>,
    shapes: FxHashMap<u32, u8>,
}

impl Places {
    fn add(&mut self, key: u32, place: Place, process: u32) {
        self.processes.entry((key, place)).or_default().push(process);
        *self.shapes.entry(key).or_default() |= 1 << shape(place);
    }

    fn at(&self, key: u32, place: Place) -> Vec<u32> {
        let shapes = self.shapes.get(&key).copied().unwrap_or_default();
        (0..8)
            .filter(|shape| shapes >> shape & 1 == 1)
            .filter_map(|shape| self.processes.get(&(key, masked(place, shape))))
            .flatten()
            .copied()
            .collect()
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
