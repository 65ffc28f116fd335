//! Where the peer's own address comes from, which tokens are bound to (docs/decisions/0006).

use super::Parts;
use crate::doctor::checks::Checks;
use crate::doctor::envoy::Direction;

/// Where the plugin looks for it, and what it has to be.
const KEY: &str = "procgate.source";
const DIRECT_ADDRESS: &str = "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%";

impl Parts<'_, '_> {
    pub(super) fn check_source(&self, checks: &mut Checks) {
        let mut at = checks.at("source", self.listener);
        if self.listener.direction() == Direction::Inbound {
            return;
        }
        let next = format!(
            "add the listener filter set_filter_state: on_accept {KEY}, factory_key envoy.string, {DIRECT_ADDRESS}"
        );
        let own: Vec<_> = self.filters.states(KEY).collect();
        if own.is_empty() && self.filters.proxy_protocol().is_some() {
            let takes_headers = self.coverages.iter().any(|coverage| coverage.http.is_some());
            let what = if takes_headers {
                "the peer's own address is not kept: whoever has a stolen token shows it in a header, behind a \
                 preface that claims its source, and every token in a preface is refused"
            } else {
                "the peer's own address is not kept, so every token in a preface is refused"
            };
            at.error(what, next);
        } else if own.is_empty() {
            let what = "the peer's own address is not kept: a client may choose another with x-forwarded-for, so a \
                        request that has this field is refused";
            at.warn(what, next);
        } else if !own.iter().all(|state| state.is("envoy.string", DIRECT_ADDRESS)) {
            let what = format!("what is kept as {KEY} is not the peer's own address: a client may choose it");
            at.error(what, next);
        } else if own.iter().any(|state| state.is_partial) {
            let what = "the peer's own address is kept for some connections only";
            at.error(what, "take filter_disabled out of that set_filter_state");
        } else {
            at.ok(format!("the peer's own address is kept as {KEY}"));
        }
    }
}
