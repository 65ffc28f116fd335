//! What a connection waits for before it goes on.

use super::Parts;
use super::filters::{INSPECTORS, PROXY_PROTOCOL};
use crate::doctor::checks::{Checks, Level};

/// What has tcp_proxy read before it connects.
const RECEIVE_FIRST: &str = "envoy.tcp_proxy.receive_before_connect";
/// Seconds that a connection whose server speaks first may be held up.
const PATIENCE: f64 = 5.0;

impl Parts<'_, '_> {
    /// Whether tcp_proxy waits until the plugin has read what a connection begins with.
    pub(super) fn check_first_bytes(&self, checks: &mut Checks) {
        let waits = self
            .filters
            .states(RECEIVE_FIRST)
            .any(|state| !state.is_partial && state.is("envoy.bool", "true"));
        let fault = (
            !waits,
            "tcp_proxy reads nothing before it has connected, so the plugin waits for bytes that never come",
            format!(
                "add the listener filter set_filter_state: on_accept {RECEIVE_FIRST}, factory_key envoy.bool, true"
            ),
        );
        let well = "nothing connects upstream before the plugin has read a connection's first bytes";
        checks.at("first-bytes", self.listener).first(Level::Error, [fault], well);
    }

    /// How long listener filters hold up a connection whose client waits for the server to speak.
    pub(super) fn check_waiting(&self, checks: &mut Checks) {
        let mut holding = [PROXY_PROTOCOL].into_iter().chain(INSPECTORS);
        if !holding.any(|kind| self.filters.first(kind).is_some()) {
            return;
        }
        // 15 s where it is not set; 0 is for ever.
        let seconds = self.listener.0.get("listener_filters_timeout").seconds().unwrap_or(15.0);
        let faults = [
            (
                !self.goes_on_after_timeout(),
                "a connection whose client waits for the server to speak is closed",
                "set continue_on_listener_filters_timeout: true; the plugin decides it all the same",
            ),
            (
                seconds <= 0.0 || seconds > PATIENCE,
                "a connection whose client waits for the server to speak is held up for long",
                "set listener_filters_timeout: 1s",
            ),
        ];
        let well = "a connection whose client waits for the server goes on soon";
        checks.at("waiting", self.listener).first(Level::Warning, faults, well);
    }

    /// Whether a connection goes on when its first bytes have not come in time.
    pub(super) fn goes_on_after_timeout(&self) -> bool {
        self.listener.0.get("continue_on_listener_filters_timeout").is_true()
    }
}
