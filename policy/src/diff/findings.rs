//! What was found so far: of each pair of outcomes one connection, or that it is undecided.

use super::both::Both;
use super::region::Region;
use super::side::{Atlas, Speaker};
use super::witness::{Point, TooManySteps};
use super::{Change, Connection, MAX_CHANGES, Outcome};
use crate::policy::Policy;
use core::net::SocketAddr;
use procgate_identity::{Claims, Labels};
use rustc_hash::{FxHashMap, FxHashSet};

/// Pairs of different outcomes.
#[derive(Debug)]
pub(super) struct Findings<'a, 'p> {
    policies: Both<&'p Policy>,
    atlas: Atlas<'a>,
    found: FxHashMap<Both<Outcome<'p>>, Connection>,
    undecided: FxHashSet<Both<Outcome<'p>>>,
}

impl<'a, 'p> Findings<'a, 'p> {
    pub(super) fn none(policies: Both<&'p Policy>, atlas: Atlas<'a>) -> Self {
        Self { policies, atlas, found: FxHashMap::default(), undecided: FxHashSet::default() }
    }

    /// Whether these are different, and no connection that has them was found yet.
    pub(super) fn is_news(&self, outcomes: Both<Outcome<'p>>) -> bool {
        outcomes.before != outcomes.after && !self.found.contains_key(&outcomes)
    }

    /// Keeps what was found, once for each pair of outcomes, and says whether anything was.
    pub(super) fn note(
        &mut self,
        outcomes: Both<Outcome<'p>>,
        target: &Region<'p>,
        speaker: Speaker,
        found: Result<Option<Point>, TooManySteps>,
    ) -> bool {
        let point = match found {
            Ok(None) => return false,
            Err(TooManySteps) => {
                self.undecided.insert(outcomes);
                return false;
            }
            Ok(Some(point)) => point,
        };
        let connection = self.connection(target, speaker, &point);
        // The policies themselves have the last word.
        let judged = connection
            .filter(|connection| outcomes == self.policies.map(|policy| connection.judged_by(policy)));
        match judged {
            Some(connection) if self.found.len() < MAX_CHANGES => {
                self.found.entry(outcomes).or_insert(connection);
            }
            _ => {
                self.undecided.insert(outcomes);
            }
        }
        true
    }

    fn connection(&self, target: &Region<'p>, speaker: Speaker, point: &Point) -> Option<Connection> {
        let claims = match speaker {
            Speaker::Nobody => None,
            Speaker::Class(class) => {
                let class = self.atlas.sources.classes.get(usize::try_from(class).ok()?)?;
                let labels = Labels::from_pairs(target.labels.iter().copied()).ok()?;
                Some(Box::new(Claims { labels, ..class.claims.clone() }))
            }
        };
        let address = self.atlas.addresses.sample(point.address);
        let port = point.port.unwrap_or_default();
        Some(Connection {
            claims,
            host: self.atlas.hosts.sample(point.host),
            address: address.map(|address| SocketAddr::new(address, port)),
            http: point.method.clone().zip(point.path.clone()),
        })
    }

    /// All changes, and the pairs that may be changes too, in the order in which they are told.
    pub(super) fn finish(self) -> (Vec<Change<'p>>, Vec<Both<Outcome<'p>>>) {
        let Self { found, mut undecided, .. } = self;
        undecided.retain(|outcomes| !found.contains_key(outcomes));
        let mut changes: Vec<Change<'p>> = found
            .into_iter()
            .map(|(Both { before, after }, example)| Change { before, after, example })
            .collect();
        changes.sort_by_key(|change| (change.kind(), change.after, change.before));
        let mut undecided: Vec<_> = undecided.into_iter().collect();
        undecided.sort_unstable_by_key(|outcomes| (outcomes.after, outcomes.before));
        (changes, undecided)
    }
}
