//! One TCP connection: who opened it, whether it may, before anything connects upstream.
//!
//! The token came in a PROXY v2 preface, which the proxy_protocol listener filter has taken off and kept
//! (docs/decisions/0009-network-filter.md). So all that is needed is known before the first byte, and
//! protocols in which the server speaks first are decided like any other. Where there is no such listener
//! filter, [`first_bytes`](crate::first_bytes) reads them.

use crate::connection::{self, Standing};
use crate::decision::{self, Asked, Decision};
use crate::host;
use crate::plugin::Plugin;
use procgate_identity::carrier::opening::Opening;
use procgate_policy::{Direction, Permit, Verdict};
use proxy_wasm::traits::{Context, StreamContext};
use proxy_wasm::types::Action;
use std::rc::Rc;

/// A connection on its way through the plugin.
#[derive(Debug)]
pub(crate) struct Connection {
    plugin: Rc<Plugin>,
}

impl Connection {
    pub(crate) const fn new(plugin: Rc<Plugin>) -> Self {
        Self { plugin }
    }
}

impl Context for Connection {}

impl StreamContext for Connection {
    fn on_new_connection(&mut self) -> Action {
        let (direction, standing) = connection::standing(&self.plugin, Ok(Opening::default()));
        decide(&self.plugin, direction, &standing, host::server_name().as_deref())
    }
}

/// Judges a connection, and does what comes of it.
pub(crate) fn decide(
    plugin: &Plugin,
    direction: Direction,
    standing: &Standing,
    server_name: Option<&str>,
) -> Action {
    let asked = Asked { server_name, ..Asked::default() };
    let Decision { verdict, .. } = decision::decide(plugin, direction, standing, asked);
    match verdict {
        Verdict::Proceed(permit) => proceed(permit),
        Verdict::Refuse(_) => {
            host::close_downstream();
            Action::Pause
        }
    }
}

/// Lets the filters behind this one see the connection, which takes a permit.
fn proceed(_: Permit) -> Action {
    Action::Continue
}
