//! What a policy says about flows.

use super::flows::Flows;
use super::paths::{is_mark, is_rest};
use super::route::{Route, Whereto};
use crate::failure::Problem;
use crate::policy::spoken;
use core::net::SocketAddr;
use procgate_policy::{Destination, Finding, Http, Policy, ResolvedIdentity};

/// Who speaks, judged under one policy: each speaker resolved once.
#[derive(Debug)]
pub(super) struct Judge<'p> {
    policy: &'p Policy,
    identities: Vec<Option<ResolvedIdentity>>,
}

impl<'p> Judge<'p> {
    pub(super) fn under(policy: &'p Policy, flows: &Flows) -> Result<Self, Problem> {
        let resolve = |speaker| spoken::resolve(policy, speaker, flows.all.last);
        let identities = flows.speakers.list().iter().map(resolve).collect::<Result<_, _>>()?;
        Ok(Self { policy, identities })
    }

    /// What the policy says about connections on this way with this path.
    pub(super) fn finding(&self, route: &Route, path: &[String]) -> Option<Finding<'p>> {
        let identity = self.identities.get(route.speaker)?.as_ref()?;
        let path = example(path);
        let host = match &route.whereto {
            Whereto::Host(host) => Some(host.as_str()),
            Whereto::Address(_) => None,
        };
        let http = route.method.as_deref().map(|method| Http { method, path: &path });
        let address = route.address.zip(route.port).map(SocketAddr::from);
        let destination = Destination { host, address, http };
        let resolved = self.policy.resolve_destination(&destination);
        Some(self.policy.decide(identity, &resolved, http).finding)
    }
}

/// A path that was folded like this.
fn example(path: &[String]) -> String {
    let mut text = String::new();
    for name in path {
        text.push('/');
        text.push_str(if is_rest(name) {
            "1/1"
        } else if is_mark(name) {
            "1"
        } else {
            name
        });
    }
    text
}
