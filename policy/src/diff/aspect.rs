//! What tells regions apart: each aspect by keys, so that regions share a connection only if they
//! share a key of every aspect that both have keys of.

use super::asked::Paths;
use super::region::Region;
use super::set::Set;
use super::side::Speaker;
use crate::pattern::{PathPattern, Segment};
use core::hash::{Hash, Hasher};
use rustc_hash::{FxHashMap, FxHasher};

/// A class, a block of ports, or the hash of a text: where two texts have one, more is found than
/// asked for.
pub(super) type Key = u64;

/// Keys of one region. With more, it is among those that are not told apart.
const MAX_KEYS: usize = 64;

/// Sizes of blocks of ports, as powers of two: a narrow range has few small blocks, a wide one few
/// large ones.
const PORT_BLOCKS: [u32; 4] = [0, 4, 8, 12];

/// A condition of regions that may tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aspect<'p> {
    Who,
    /// The value of the label with this name.
    Label(&'p str),
    Host,
    Address,
    /// The block of 2^n ports.
    Port(u32),
    Method,
    /// The segment of the path with this number.
    Segment(usize),
}

impl<'p> Aspect<'p> {
    /// Those that may tell these regions apart. Of labels it is the one that most have.
    pub(super) fn all<'s>(regions: impl Iterator<Item = &'s Region<'p>>) -> Vec<Self>
    where
        'p: 's,
    {
        let mut labels: FxHashMap<&'p str, usize> = FxHashMap::default();
        let mut longest = 0;
        for region in regions {
            longest = longest.max(region.asked.paths.longest());
            for (name, _) in &*region.labels {
                let count = labels.entry(name).or_default();
                *count = count.saturating_add(1);
            }
        }
        let label = labels.into_iter().max_by_key(|(name, count)| (*count, *name));
        let label = label.map(|(name, _)| Self::Label(name));
        let ports = PORT_BLOCKS.into_iter().map(Self::Port);
        // One beyond the longest, so that whoever ends there differs from those that go on.
        let segments = (0..=longest).map(Self::Segment);
        let others = [Self::Who, Self::Host, Self::Address, Self::Method];
        others.into_iter().chain(label).chain(ports).chain(segments).collect()
    }

    /// The keys of the region; nothing where it has no such condition, or too many of them.
    pub(super) fn keys(self, region: &Region<'p>) -> Option<Vec<Key>> {
        let asked = &region.asked;
        match self {
            Self::Who => {
                let nobody = region.who.nobody.then_some(Speaker::Nobody).map(Self::key_of_speaker);
                let mut keys = classes(&region.who.recognised)?;
                keys.extend(nobody);
                Some(keys)
            }
            Self::Label(wanted) => {
                let (_, value) = region.labels.iter().find(|(name, _)| *name == wanted)?;
                Some(vec![hash(value)])
            }
            Self::Host => classes(&region.hosts),
            Self::Address => classes(&region.addresses),
            Self::Port(block) => blocks(&asked.ports, block),
            Self::Method => distinct(asked.methods.iter().map(|method| Some(hash(method)))),
            Self::Segment(at) => match &asked.paths {
                Paths::Any => None,
                Paths::Of(patterns) => distinct(patterns.iter().map(|pattern| segment(pattern, at))),
                Paths::Unclear => Some(vec![hash(&Paths::Unclear)]),
            },
        }
    }

    /// The key of regions that are about this one.
    pub(super) fn key_of_speaker(speaker: Speaker) -> Key {
        match speaker {
            Speaker::Nobody => Key::MAX,
            Speaker::Class(class) => class.into(),
        }
    }

    /// Whether each connection of the target has something here that other regions may ask for. A
    /// method that is not asked for is one that no region asks for.
    pub(super) fn is_needed(self, target: &Region<'p>) -> bool {
        match self {
            Self::Who => true,
            Self::Label(wanted) => target.labels.iter().any(|(name, _)| *name == wanted),
            Self::Host => target.hosts.listed().is_some(),
            Self::Address | Self::Port(_) => target.needs_address(),
            Self::Method => !target.asked.methods.is_empty(),
            Self::Segment(_) => target.needs_http(),
        }
    }
}

fn classes(set: &Set) -> Option<Vec<Key>> {
    let classes = set.listed().filter(|classes| classes.len() <= MAX_KEYS)?;
    Some(classes.iter().map(|class| Key::from(*class)).collect())
}

/// The blocks of this size that the ranges reach into.
fn blocks(ranges: &[(u16, u16)], size: u32) -> Option<Vec<Key>> {
    let block = |port: u16| u32::from(port).checked_shr(size).unwrap_or_default();
    let blocks = ranges.iter().flat_map(|(first, last)| block(*first)..=block(*last));
    distinct(blocks.map(|block| Some(block.into())))
}

/// What stands at this place of paths; nothing where anything may.
fn segment(pattern: &PathPattern, at: usize) -> Option<Key> {
    match pattern.segments().get(at) {
        Some(Segment::Exact(text)) => Some(hash(text)),
        Some(Segment::One) => None,
        None => (!pattern.has_tail()).then(|| hash(&at)),
    }
}

/// The different ones; nothing where there is none, one that is anything, or too many.
fn distinct(keys: impl Iterator<Item = Option<Key>>) -> Option<Vec<Key>> {
    let mut distinct = Vec::new();
    for key in keys {
        let key = key?;
        if !distinct.contains(&key) {
            (distinct.len() < MAX_KEYS).then_some(())?;
            distinct.push(key);
        }
    }
    (!distinct.is_empty()).then_some(distinct)
}

fn hash(what: &(impl Hash + ?Sized)) -> Key {
    let mut hasher = FxHasher::default();
    what.hash(&mut hasher);
    hasher.finish()
}
