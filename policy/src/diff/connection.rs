//! A connection, made up to show what a policy decides.

use super::Outcome;
use crate::connection::{Destination, Http};
use crate::policy::Policy;
use core::net::SocketAddr;
use procgate_identity::Claims;

/// Who connects where. What is absent plays no part in the decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The identity, verified; none is shown without. Its trust domain is that of the policy after,
    /// and names that play no part are made up.
    pub claims: Option<Box<Claims>>,
    /// The host.
    pub host: Option<String>,
    /// The original destination.
    pub address: Option<SocketAddr>,
    /// Method and path, where it is HTTP.
    pub http: Option<(String, String)>,
}

impl Connection {
    /// Where it goes.
    #[must_use]
    pub fn destination(&self) -> Destination<'_> {
        Destination {
            host: self.host.as_deref(),
            address: self.address,
            http: self.http.as_ref().map(|(method, path)| Http { method, path }),
        }
    }

    /// What the policy decides, if it takes the identity for verified.
    #[must_use]
    pub fn judged_by<'p>(&self, policy: &'p Policy) -> Outcome<'p> {
        let identity = policy.resolve_claims(self.claims.as_deref());
        let destination = self.destination();
        let resolved = policy.resolve_destination(&destination);
        let finding = policy.decide(&identity, &resolved, destination.http).finding;
        Outcome { reason: finding.reason, rule: finding.rule }
    }
}
