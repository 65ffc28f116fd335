//! What was seen in logs, taken together: who reached what, how often, when, from where.
//!
//! Memory goes by distinct flows and not by records: addresses behind a host name are not told apart,
//! ids in paths are folded, and the number of all flows has a bound.

use super::covered::Covered;
use super::evidence::{self, Evidence, Seen};
use super::lesson::{Aside, Lesson};
use super::paths::Place;
use super::pods::Pod;
use super::route::{Path, Route, Whereto, clear};
use crate::records::{Alike, Memo, Speaker, Speakers};
use core::hash::BuildHasher as _;
use core::net::IpAddr;
use hashbrown::{DefaultHashBuilder, HashTable};
use procgate_identity::UnixNanos;
use procgate_policy::{Record, host_name, is_method};
use std::collections::BTreeMap;

/// Flows that are told apart: several for each rule of a policy as large as one may be. What is new beyond is
/// counted only, so that nobody fills the memory by making up hosts: they take 1.3 kB each, the summary's line
/// included, and 3.4 kB while rules are made of them (docs/learning.md).
const MAX_FLOWS: u64 = 200_000;
/// Segments of a path that are in what a flow takes; with as many more, it counts as one more.
const SEGMENTS: usize = 4;
/// Identities that are told apart, likewise.
const MAX_SPEAKERS: usize = 100_000;

/// Everything that was seen.
#[derive(Debug, Default)]
pub(super) struct Flows {
    pub(super) speakers: Speakers,
    /// What was seen of each speaker, at its number.
    pub(super) of_speaker: Vec<Evidence>,
    /// The file that was mapped and not on the list, at the speaker's number.
    pub(super) strays: Vec<Option<Stray>>,
    pub(super) routes: Vec<Route>,
    /// Connections with an identity for which no rule can or should be proposed.
    pub(super) aside: BTreeMap<(usize, Aside), Evidence>,
    /// Connections without an identity that verified, by the reason.
    pub(super) unverified: BTreeMap<&'static str, Evidence>,
    /// Everything.
    pub(super) all: Evidence,
    /// The hours of which there are records.
    pub(super) covered: Covered,
    /// Connections of new flows or identities beyond what is told apart.
    pub(super) beyond: u64,
    flows: u64,
    most: Most,
    places: HashTable<(u64, usize)>,
    hashes: DefaultHashBuilder,
    ways: Memo<Way>,
}

/// What was mapped and not on the list.
#[derive(Clone, Debug)]
pub(super) struct Stray {
    /// The least path of all, whatever their order.
    pub(super) path: String,
    /// When there was one first.
    pub(super) first: UnixNanos,
}

/// Who went where, by their places in the lists.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    speaker: usize,
    route: usize,
}

/// How many flows are told apart.
#[derive(Debug)]
struct Most(u64);

impl Default for Most {
    fn default() -> Self {
        Self(MAX_FLOWS)
    }
}

impl Flows {
    /// Takes in one record; of those that are alike, all but the first go a way that is known.
    pub(super) fn record(&mut self, record: &Record<'_>, alike: Option<Alike>, pod: &Pod) {
        let (path, seen) = (record.path.as_deref().map(Path::Whole), Seen::Once(record.time, pod));
        if let Some(way) = self.ways.get(alike) {
            return self.add_on(*way, record, path, seen);
        }
        if let Some(way) = self.add(record, Lesson::of(record), path, seen) {
            self.ways.set(alike, way);
        }
    }

    /// Takes in what was seen, once or often, of connections like this one; of the record, only who and
    /// where to counts, and the time for when it first had a file beyond its list. Gives their way, if they are a flow.
    pub(super) fn add(
        &mut self,
        like: &Record<'_>,
        lesson: Lesson,
        path: Option<Path<'_>>,
        seen: Seen<'_>,
    ) -> Option<Way> {
        self.all.add(seen);
        self.covered.add(seen);
        if let Lesson::Unverified(reason) = lesson {
            self.unverified.entry(reason).or_default().add(seen);
            return None;
        }
        let Some(speaker) = self.speaker(like, seen) else {
            self.beyond = self.beyond.saturating_add(1);
            return None;
        };
        let route = match lesson {
            Lesson::Aside(aside) => Err(aside),
            Lesson::Flow | Lesson::Unverified(_) => self.flow(speaker, like, path, seen),
        };
        let set_aside = |aside| self.aside.entry((speaker, aside)).or_default().add(seen);
        Some(Way { speaker, route: route.map_err(set_aside).ok()?? })
    }

    /// The same on a way that is known.
    fn add_on(
        &mut self,
        Way { speaker, route }: Way,
        like: &Record<'_>,
        path: Option<Path<'_>>,
        seen: Seen<'_>,
    ) {
        self.all.add(seen);
        self.covered.add(seen);
        self.strayed(speaker, like);
        if let Some(evidence) = self.of_speaker.get_mut(speaker) {
            evidence.add(seen);
        }
        let is_http = self.routes.get(route).is_some_and(|route| route.method.is_some());
        match clear(path, is_http) {
            Ok(path) => self.walk(route, path.as_deref(), seen),
            Err(aside) => self.aside.entry((speaker, aside)).or_default().add(seen),
        }
    }

    /// Notes one more address that the host of this way had.
    pub(super) fn reach(&mut self, Way { route, .. }: Way, address: Option<IpAddr>) {
        if let Some(route) = self.routes.get_mut(route) {
            route.reach(address.map(|address| address.to_canonical()));
        }
    }

    fn speaker(&mut self, like: &Record<'_>, seen: Seen<'_>) -> Option<usize> {
        let speaker = self.speakers.number(like, MAX_SPEAKERS)?;
        if speaker >= self.of_speaker.len() {
            self.of_speaker.push(Evidence::default());
            self.strays.push(None);
        }
        if let Some(evidence) = self.of_speaker.get_mut(speaker) {
            evidence.add(seen);
        }
        self.strayed(speaker, like);
        Some(speaker)
    }

    fn strayed(&mut self, speaker: usize, like: &Record<'_>) {
        let Some((known, (path, _))) = self.strays.get_mut(speaker).zip(like.stray.as_ref()) else { return };
        let known = known.get_or_insert_with(|| Stray { path: path.to_string(), first: like.time });
        known.first = known.first.min(like.time);
        if **path < *known.path {
            known.path = path.to_string();
        }
    }

    /// The place of the route; none where it would be one too many.
    fn flow(
        &mut self,
        speaker: usize,
        like: &Record<'_>,
        path: Option<Path<'_>>,
        seen: Seen<'_>,
    ) -> Result<Option<usize>, Aside> {
        let host = like.host.as_deref().or(like.sni.as_deref()).and_then(host_name);
        let address = like.address.map(|address| address.ip().to_canonical());
        // Ranges are compared with the true address. An address as a host may be another one.
        let literal = address.is_some() && host.as_deref().is_some_and(|host| host.parse::<IpAddr>().is_ok());
        let host = host.as_deref().filter(|_| !literal);
        let method = like.method.as_deref();
        if method.is_some_and(|method| !is_method(method)) {
            return Err(Aside::UnclearMethod);
        }
        let path = clear(path, method.is_some())?;
        let port = like.address.map(|address| address.port());
        if port == Some(0) {
            return Err(Aside::NoPort);
        }
        let place = self.route(speaker, (host, address), port, method)?;
        match place.and_then(|place| self.routes.get_mut(place)).zip(place) {
            Some((route, place)) => {
                route.reach(address);
                self.walk(place, path.as_deref(), seen);
            }
            None => self.beyond = self.beyond.saturating_add(1),
        }
        Ok(place)
    }

    /// Notes a path of a route, unless it is new and one too many.
    fn walk(&mut self, route: usize, path: Option<&str>, seen: Seen<'_>) {
        let Some(route) = self.routes.get_mut(route) else { return };
        let segments = path.map(|path| path.split('/'));
        if self.flows >= self.most.0 && !route.paths.knows(segments.clone()) {
            self.beyond = self.beyond.saturating_add(1);
            return;
        }
        let new = match segments {
            Some(segments) => route.paths.add(segments, seen),
            None => route.paths.add_without_path(seen),
        };
        if new {
            let depth = path.map_or(0, |path| path.split('/').count());
            let counts = u64::try_from(depth.div_ceil(SEGMENTS)).unwrap_or(u64::MAX).max(1);
            self.flows = self.flows.saturating_add(counts);
        }
    }

    /// The place of the route in the list; none for a new one if it is full.
    fn route(
        &mut self,
        speaker: usize,
        (host, address): (Option<&str>, Option<IpAddr>),
        port: Option<u16>,
        method: Option<&str>,
    ) -> Result<Option<usize>, Aside> {
        let unnamed = address.filter(|_| host.is_none());
        let hash = self.hashes.hash_one((speaker, host, unnamed, port, method));
        let same = |(_, place): &(u64, usize)| {
            self.routes.get(*place).is_some_and(|route| {
                let whereto = match &route.whereto {
                    Whereto::Host(known) => Some(known.as_str()) == host,
                    Whereto::Address(known) => Some(*known) == unnamed,
                };
                whereto && (route.speaker, route.port, route.method.as_deref()) == (speaker, port, method)
            })
        };
        if let Some((_, place)) = self.places.find(hash, same) {
            return Ok(Some(*place));
        }
        let whereto = match (host, unnamed) {
            (Some(host), _) => Whereto::Host(host.into()),
            (None, Some(address)) => Whereto::Address(address),
            (None, None) => return Err(Aside::NoDestination),
        };
        if self.flows >= self.most.0 {
            return Ok(None);
        }
        let place = self.routes.len();
        let method = method.map(String::from);
        self.routes.push(Route { speaker, whereto, addresses: None, port, method, paths: Place::default() });
        self.places.insert_unique(hash, (hash, place), |(hash, _)| *hash);
        Ok(Some(place))
    }

    /// What was seen before this hour. Folded names stay folded, whenever that was.
    pub(super) fn before(&self, hour: u64) -> Self {
        let stray = |stray: &Option<Stray>| stray.clone().filter(|stray| evidence::hour(stray.first) < hour);
        let route = |route: &Route| Some(Route { paths: route.paths.before(hour)?, ..route.clone() });
        Self {
            speakers: self.speakers.clone(),
            of_speaker: self.of_speaker.iter().map(|seen| seen.before(hour).unwrap_or_default()).collect(),
            strays: self.strays.iter().map(stray).collect(),
            routes: self.routes.iter().filter_map(route).collect(),
            all: self.all.before(hour).unwrap_or_default(),
            covered: self.covered.before(hour),
            ..Self::default()
        }
    }

    /// The speaker of this number.
    pub(super) fn speaker_of(&self, number: usize) -> Option<&Speaker> {
        self.speakers.list().get(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"v":1,"time":"2026-11-23T14:45:57.000000001Z","id":"7f","mode":"audit","decision":"deny","reason":"no-matching-rule","direction":"outbound","sub":"spiffe://x/ns/a/sa/b/container/c","exe":"sha256:0000000000000000000000000000000000000000000000000000000000000000","destination":{"host":"HOST"},"method":"GET","path":"PATH"}"#;

    #[test]
    fn beyond_the_bound_new_flows_are_counted_and_known_ones_go_on() {
        let mut flows = Flows { most: Most(3), ..Flows::default() };
        let pod = Pod::new("pod");
        for (host, path) in [("a", "/a"), ("a", "/b"), ("b", "/a"), ("c", "/a"), ("b", "/c"), ("a", "/a")] {
            let text = RECORD.replace("HOST", host).replace("PATH", path);
            flows.record(&Record::parse(&text).unwrap(), None, &pod);
        }
        assert_eq!((flows.routes.len(), flows.flows, flows.beyond, flows.all.count), (2, 3, 2, 6));
        assert_eq!(flows.all.last, UnixNanos(1_795_445_157_000_000_001));
    }

    #[test]
    fn a_flow_of_a_deep_path_counts_for_as_many_as_it_takes_the_room_of() {
        let mut flows = Flows { most: Most(4), ..Flows::default() };
        let pod = Pod::new("pod");
        for path in ["/a/b/c/d", "/a/b/c/d/e/f/g/h/i/j", "/b"] {
            let text = RECORD.replace("HOST", "a").replace("PATH", path);
            flows.record(&Record::parse(&text).unwrap(), None, &pod);
        }
        assert_eq!((flows.flows, flows.beyond), (4, 1));
    }
}
