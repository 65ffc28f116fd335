//! With `use_original_dst` another listener gets the connection, and not what the filters here have kept.

use super::{Parts, reads_prefaces};
use crate::doctor::chain::Coverage;
use crate::doctor::checks::Checks;
use crate::doctor::envoy::Listener;

const ID: &str = "hand-off";

impl Parts<'_, '_> {
    pub(super) fn check_hand_off(&self, checks: &mut Checks) {
        let listener = self.listener;
        if !listener.0.get("use_original_dst").is_true() {
            return;
        }
        if self.filters.proxy_protocol().is_some() {
            let what =
                "takes the token off and hands the connection to another listener, which does not get it";
            let next = "put proxy_protocol and procgate.source on the listeners that it hands connections to";
            return checks.error(ID, listener, what, next);
        }
        let reads_prefaces = |other: &Listener<'_>| reads_prefaces(self.configuration, *other);
        let (with, without): (Vec<_>, Vec<_>) = self.targets().partition(reads_prefaces);
        if with.is_empty() {
            return checks.ok(ID, listener, "hands connections over, and none of them brings a preface");
        }
        for other in without {
            let what = "gets connections with a preface handed over, and would send it to the server";
            checks.error(ID, other, what, "put proxy_protocol there too");
        }
        if self.coverages.iter().all(Coverage::keeps_prefaces_from_servers) {
            let what = "the plugin takes the preface off a connection that no other listener takes";
            return checks.ok(ID, listener, what);
        }
        let what = "a connection that no listener takes keeps its preface, which goes to the server";
        checks.warn(ID, listener, what, "exempt such destinations in the shim (--exempt)");
    }

    /// The listeners that it hands connections to.
    fn targets(&self) -> impl Iterator<Item = Listener<'_>> {
        let direction = self.listener.direction();
        self.configuration.listeners.iter().copied().filter(move |other| {
            let bind = other.0.get("bind_to_port");
            bind.exists() && !bind.is_true() && other.direction() == direction
        })
    }
}
