//! What a policy says about flows.

use super::flows::Flows;
use super::paths::{is_mark, is_rest};
use super::route::{Route, Whereto};
use crate::failure::Problem;
use crate::policy::spoken;
use core::net::SocketAddr;
use procgate_policy::{Destination, Effect, Http, PathPattern, Policy, Reason, ResolvedIdentity, Segment};
use std::collections::BTreeSet;

/// A name that no rule can have, since patterns know the star as any name: so only those match that match every name.
const ANY_NAME: &str = "*";

/// Who speaks, judged under one policy: each speaker resolved once.
#[derive(Debug)]
pub(super) struct Judge<'p> {
    policy: &'p Policy,
    identities: Vec<Option<ResolvedIdentity>>,
    /// The paths that rules deny, each once.
    denied: BTreeSet<&'p PathPattern>,
    /// The most segments of a path that a rule has.
    longest: usize,
}

/// What a policy says about all that a flow may stand for, each reason once.
#[derive(Debug, Default)]
pub(super) struct Said(Vec<Reason>);

impl Said {
    /// Whether it says this about some of it.
    pub(super) fn partly(&self, reason: Reason) -> bool {
        self.0.contains(&reason)
    }

    /// Whether it says this about all of it.
    pub(super) fn only(&self, reason: Reason) -> bool {
        self.0 == [reason]
    }
}

impl<'p> Judge<'p> {
    pub(super) fn under(policy: &'p Policy, flows: &Flows) -> Result<Self, Problem> {
        let resolve = |speaker| spoken::resolve(policy, speaker, flows.all.last);
        let identities = flows.speakers.list().iter().map(resolve).collect::<Result<_, _>>()?;
        let rules = policy.model().rules();
        let longest = rules.iter().flat_map(|rule| &rule.paths).map(|path| path.segments().len()).max();
        let denies = rules.iter().filter(|rule| rule.effect == Effect::Deny);
        let denied = denies.flat_map(|rule| &rule.paths).collect();
        Ok(Self { policy, identities, denied, longest: longest.unwrap_or_default() })
    }

    /// What the policy says about connections on this way with this path. Of several addresses, the least and the
    /// greatest are looked at: what range has both has those between.
    pub(super) fn says(&self, route: &Route, path: &[String]) -> Said {
        let mut said = Said::default();
        let Some(identity) = self.identities.get(route.speaker).and_then(Option::as_ref) else { return said };
        let host = match &route.whereto {
            Whereto::Host(host) => Some(host.as_str()),
            Whereto::Address(_) => None,
        };
        let paths = self.examples(path);
        let (least, greatest) = route.ends();
        for address in [least].into_iter().chain(greatest.map(Some)) {
            let address = address.zip(route.port).map(SocketAddr::from);
            // What is asked for there plays no part in where it is.
            let resolved = self.policy.resolve_destination(&Destination { host, address, http: None });
            for path in &paths {
                let http = route.method.as_deref().map(|method| Http { method, path });
                let reason = self.policy.decide(identity, &resolved, http).finding.reason;
                if !said.partly(reason) {
                    said.0.push(reason);
                }
            }
        }
        said
    }

    /// Paths that were folded like this: for what is allowed, those that no rule means in particular, and for what is
    /// denied, one of each pattern of a rule that denies. So none is missing about which the policy says something else.
    fn examples(&self, path: &[String]) -> BTreeSet<String> {
        let mut examples = BTreeSet::from_iter(example(path, &[]));
        if path.iter().any(|name| is_mark(name)) {
            examples.extend(self.denied.iter().filter_map(|denied| example(path, denied.segments())));
        }
        if path.last().is_some_and(|last| is_rest(last)) {
            for length in path.len()..=self.longest.saturating_add(1).max(path.len()) {
                let mut any = vec![Segment::One; length];
                examples.extend(example(path, &any));
                any.pop();
                any.push(Segment::Exact(String::new()));
                examples.extend(example(path, &any));
            }
        }
        examples
    }
}

/// A path that was folded so, with the names of the pattern where anything may stand; none where it has others.
fn example(path: &[String], like: &[Segment]) -> Option<String> {
    let rest = path.last().is_some_and(|last| is_rest(last));
    let length = if rest { path.len().max(like.len()) } else { path.len() };
    let mut text = String::new();
    for at in 0..length {
        let known = path.get(at).filter(|name| !is_mark(name));
        let ends = rest && at.saturating_add(1) == length;
        text.push('/');
        text.push_str(match (known, like.get(at)) {
            (Some(name), Some(Segment::Exact(other))) if name != other => return None,
            (Some(name), _) => name,
            (None, Some(Segment::Exact(name))) if ends || !name.is_empty() => name,
            (None, Some(Segment::Exact(_))) => return None,
            (None, Some(Segment::One) | None) => ANY_NAME,
        });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(folded: &str, pattern: &[&str]) -> Option<String> {
        let path: Vec<String> = folded.split('/').map(Into::into).collect();
        let segment = |name: &&str| match *name {
            "*" => Segment::One,
            name => Segment::Exact(name.into()),
        };
        example(&path, &pattern.iter().map(segment).collect::<Vec<_>>())
    }

    #[test]
    fn an_example_is_of_the_folded_path_and_takes_what_it_may_of_the_pattern() {
        for (folded, pattern, expected) in [
            ("a/b", &[][..], Some("/a/b")),
            ("a/\\id/b", &[], Some("/a/*/b")),
            ("a/\\id/b", &["a", "7", "b"], Some("/a/7/b")),
            ("a/\\id/b", &["a", "7"], Some("/a/7/b")),
            ("a/\\id/b", &["*", "7", "*"], Some("/a/7/b")),
            ("a/\\id/b", &["a", "7", "c"], None),
            ("a/\\any", &["a", ""], None),
            ("a/\\rest", &["a", ""], Some("/a/")),
            ("a/\\rest", &["a", "7", "8"], Some("/a/7/8")),
            ("a/\\rest", &["a"], Some("/a/*")),
        ] {
            assert_eq!(like(folded, pattern).as_deref(), expected, "{folded} {pattern:?}");
        }
    }
}
