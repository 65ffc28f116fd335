//! Regions, found by what tells them apart.
//!
//! A tree: each node takes the one aspect that tells its regions apart best, and has a node for each
//! key that regions have there, and one for the regions that it does not tell apart. So rules that
//! differ by path alone are found by path, and those that differ by host, by host. It finds all that
//! are asked for, and some more.

use super::aspect::{Aspect, Key};
use super::region::Region;
use super::side::Speaker;
use rustc_hash::FxHashMap;

/// The number of a region; the regions of better rules come first.
pub(super) type Place = u32;

/// Regions that are rather gone through than told apart.
const FEW: usize = 8;

/// Regions by what tells them apart.
#[derive(Debug)]
pub(super) enum Index<'p> {
    /// Not told apart.
    Together(Vec<Place>),
    Apart {
        by: Aspect<'p>,
        keyed: FxHashMap<Key, Index<'p>>,
        rest: Box<Index<'p>>,
    },
}

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Query<'q, 'p> {
    /// Regions that may share a connection with this one.
    Meeting(&'q Region<'p>),
    /// Regions that a connection of the target may be in though it has nothing that it need not have
    /// ([`Region::may_hold_back`]). Without a speaker those that are about every identity.
    HoldingBack { target: &'q Region<'p>, speaker: Option<Speaker> },
}

impl<'p> Index<'p> {
    /// Files these regions, whose places ascend, for being asked about those.
    pub(super) fn new(regions: Vec<(Place, &Region<'p>)>, asked_about: &[&Region<'p>]) -> Self {
        let best = || {
            let costs = Aspect::all(regions.iter().map(|(_, region)| *region)).into_iter();
            let costs = costs.filter_map(|aspect| Some((cost(aspect, &regions, asked_about)?, aspect)));
            costs.min_by_key(|(cost, _)| *cost).map(|(_, aspect)| aspect)
        };
        let Some(by) = (regions.len() > FEW).then(best).flatten() else {
            return Self::Together(regions.into_iter().map(|(place, _)| place).collect());
        };
        let (asked_by_key, asked_of_all) = by_key(asked_about.iter().copied(), |region| by.keys(region));
        let (by_key, rest) = by_key(regions.into_iter(), |(_, region)| by.keys(region));
        let of_key = |(key, regions): (Key, Vec<_>)| {
            let asked = asked_by_key.get(&key).into_iter().flatten().chain(&asked_of_all);
            let asked = if regions.len() > FEW { asked.copied().collect() } else { Vec::new() };
            (key, Self::new(regions, &asked))
        };
        let keyed = by_key.into_iter().map(of_key).collect();
        Self::Apart { by, keyed, rest: Box::new(Self::new(rest, asked_about)) }
    }

    /// The places below this one, ascending.
    pub(super) fn find(&self, query: Query<'_, 'p>, below: Place) -> Vec<Place> {
        let mut found = Vec::new();
        self.gather(query, below, &mut found);
        found.sort_unstable();
        found.dedup();
        found
    }

    fn gather(&self, query: Query<'_, 'p>, below: Place, found: &mut Vec<Place>) {
        match self {
            Self::Together(places) => found.extend(places.iter().take_while(|place| **place < below)),
            Self::Apart { by, keyed, rest } => {
                rest.gather(query, below, found);
                match query.keys(*by) {
                    Some(keys) => {
                        let nodes = keys.iter().filter_map(|key| keyed.get(key));
                        nodes.for_each(|node| node.gather(query, below, found));
                    }
                    None => keyed.values().for_each(|node| node.gather(query, below, found)),
                }
            }
        }
    }
}

impl<'p> Query<'_, 'p> {
    /// The keys of regions to look among, beside those that the aspect does not tell apart; nothing
    /// where any key will do.
    fn keys(self, aspect: Aspect<'p>) -> Option<Vec<Key>> {
        match self {
            Self::Meeting(region) => aspect.keys(region),
            Self::HoldingBack { speaker, .. } if aspect == Aspect::Who => {
                Some(speaker.map(Aspect::key_of_speaker).into_iter().collect())
            }
            // What a connection need not have, none has that holds it back.
            Self::HoldingBack { target, .. } if !aspect.is_needed(target) => Some(Vec::new()),
            Self::HoldingBack { target, .. } => aspect.keys(target),
        }
    }
}

/// By each key those that have it, and those that have none.
fn by_key<T: Copy>(
    all: impl Iterator<Item = T>,
    keys: impl Fn(T) -> Option<Vec<Key>>,
) -> (FxHashMap<Key, Vec<T>>, Vec<T>) {
    let (mut keyed, mut rest): (FxHashMap<Key, Vec<T>>, _) = (FxHashMap::default(), Vec::new());
    for one in all {
        match keys(one) {
            Some(keys) => keys.into_iter().for_each(|key| keyed.entry(key).or_default().push(one)),
            None => rest.push(one),
        }
    }
    (keyed, rest)
}

/// How many of the regions are found altogether where the aspect tells them apart; nothing where that
/// is hardly less than all of them for each that is asked about.
///
/// It is what the nodes below cost too. As it shrinks with each step down by an eighth or more, regions
/// with many keys cannot fill a tree that is much larger than they are.
fn cost<'p>(
    aspect: Aspect<'p>,
    regions: &[(Place, &Region<'p>)],
    asked_about: &[&Region<'p>],
) -> Option<usize> {
    let mut rest = 0_usize;
    let mut counts: FxHashMap<Key, usize> = FxHashMap::default();
    for (_, region) in regions {
        match aspect.keys(region) {
            Some(keys) => keys.into_iter().for_each(|key| {
                let count = counts.entry(key).or_default();
                *count = count.saturating_add(1);
            }),
            None => rest = rest.saturating_add(1),
        }
    }
    let of = |region: &&Region<'p>| match aspect.keys(region) {
        Some(keys) => {
            keys.iter().filter_map(|key| counts.get(key).copied()).fold(rest, usize::saturating_add)
        }
        None => regions.len(),
    };
    let cost = asked_about.iter().map(of).fold(0, usize::saturating_add);
    let most = regions.len().saturating_mul(asked_about.len());
    (cost < most.saturating_mul(7) / 8).then_some(cost)
}

#[cfg(test)]
mod tests {
    use super::super::asked::{Asked, Paths};
    use super::super::set::Set;
    use super::*;
    use crate::pattern::PathPattern;
    use std::sync::LazyLock;

    fn asking(asked: Asked) -> Region<'static> {
        Region { asked: asked.into(), ..Region::everything() }
    }

    fn paths(text: &str) -> Region<'static> {
        asking(Asked { paths: Paths::Of(vec![PathPattern::parse(text).unwrap()]), ..Asked::default() })
    }

    #[test]
    fn each_of_many_regions_is_found_by_the_one_condition_that_tells_it_apart() {
        static VALUES: LazyLock<Vec<String>> =
            LazyLock::new(|| (0..=200).map(|number| format!("v{number}")).collect());
        let value = |number: u16| -> &'static str { VALUES.get(usize::from(number)).unwrap() };
        let kinds: [(&str, &dyn Fn(u16) -> Region<'static>); 9] = [
            ("path", &|number| paths(&format!("/v1/{number}"))),
            ("longer path", &|number| paths(&format!("/v1/{number}/**"))),
            ("behind a star", &|number| paths(&format!("/*/{number}"))),
            ("port", &|number| asking(Asked { ports: vec![(number, number)], ..Asked::default() })),
            ("ports", &|number| {
                asking(Asked { ports: vec![(number * 256, number * 256 + 200)], ..Asked::default() })
            }),
            ("method", &|number| asking(Asked { methods: vec![value(number).into()], ..Asked::default() })),
            ("host", &|number| Region { hosts: Set::of(vec![number.into()]), ..Region::everything() }),
            ("address", &|number| Region { addresses: Set::of(vec![number.into()]), ..Region::everything() }),
            ("label", &|number| Region {
                labels: [("all", "same"), ("app", value(number))].into(),
                ..Region::everything()
            }),
        ];
        for (kind, region) in kinds {
            let regions: Vec<Region<'_>> = (1..=200).map(region).collect();
            let asked_about: Vec<&Region<'_>> = regions.iter().collect();
            let index = Index::new((0..).zip(asked_about.iter().copied()).collect(), &asked_about);
            for (place, region) in (0..).zip(&regions) {
                let holding_back = Query::HoldingBack { target: region, speaker: None };
                for query in [Query::Meeting(region), holding_back] {
                    let found = index.find(query, Place::MAX);
                    assert!(found.contains(&place) && found.len() < 3, "{kind}: {found:?}");
                }
            }
            let everything = Region::everything();
            assert_eq!(index.find(Query::Meeting(&everything), Place::MAX).len(), regions.len(), "{kind}");
            assert_eq!(index.find(Query::Meeting(&everything), 7).len(), 7, "{kind}");
        }
    }
}
