//! One TCP connection: who opened it, whether it may, before anything connects upstream.
//!
//! The token came in a PROXY v2 preface, which the proxy_protocol listener filter has taken off and kept
//! (docs/decisions/0009-network-filter.md). So all that is needed is known before the first byte, and
//! protocols in which the server speaks first are decided like any other.

use crate::connection::{self, Offer};
use crate::decision::{self, Asked, Decision};
use crate::host;
use crate::plugin::Plugin;
use procgate_policy::{Permit, Verdict};
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
        let plugin = &*self.plugin;
        let standing = connection::standing(plugin, Offer::default());
        let server_name = host::server_name();
        let asked = Asked { server_name: server_name.as_deref(), ..Asked::default() };
        let Decision { verdict, .. } = decision::decide(plugin, &standing, asked);
        match verdict {
            Verdict::Proceed(permit) => proceed(permit),
            Verdict::Refuse(_) => {
                host::close_downstream();
                Action::Pause
            }
        }
    }
}

/// Lets the filters behind this one see the connection, which takes a permit.
fn proceed(_: Permit) -> Action {
    Action::Continue
}
