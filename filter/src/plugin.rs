//! One configured plugin: its policy, what it knows of connections, and its metrics.

use crate::connection::Connections;
use crate::first_bytes::{self, FirstBytes, Held, Then, Waiting};
use crate::host;
use crate::http::Request;
use crate::metrics::Metrics;
use crate::network::Connection;
use crate::replay;
use core::time::Duration;
use procgate_policy::Policy;
use proxy_wasm::traits::{Context, HttpContext, RootContext, StreamContext};
use proxy_wasm::types::{ContextType, LogLevel};
use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

/// What Envoy holds for a configured plugin.
#[derive(Debug, Default)]
pub(crate) struct Root {
    plugin: Option<Rc<Plugin>>,
    role: Role,
}

/// What the plugin is in Envoy's configuration, which its `root_id` says: Envoy does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Role {
    /// An HTTP filter.
    #[default]
    Requests,
    /// A network filter that decides a connection when it arrives.
    Arrival,
    /// A network filter that reads first bytes.
    FirstBytes(Then),
}

impl Role {
    fn named(root_id: &[u8]) -> Self {
        match root_id {
            b"network" => Self::Arrival,
            b"network-stream" => Self::FirstBytes(Then::Judge),
            b"network-before-http" => Self::FirstBytes(Then::HandOn),
            _ => Self::Requests,
        }
    }
}

/// What the requests of one plugin share within a worker.
#[derive(Debug)]
pub(crate) struct Plugin {
    pub(crate) policy: Policy,
    pub(crate) connections: RefCell<Connections>,
    /// The same of tokens that requests bring to the receiver, by destination and token.
    pub(crate) forwarded: RefCell<Connections>,
    /// Connections whose first bytes are being read.
    pub(crate) waiting: Waiting,
    pub(crate) metrics: Metrics,
    ids: Ids,
}

impl Context for Root {}

impl RootContext for Root {
    /// Takes a policy in, or refuses it: at boot Envoy then does not start, and an update is rejected
    /// while the policy before goes on serving.
    fn on_configure(&mut self, size: usize) -> bool {
        self.role = Role::named(&host::root_id());
        host::tick(first_bytes::TICK);
        match Plugin::configure(&host::configuration(size)) {
            Ok(plugin) => self.plugin = Some(Rc::new(plugin)),
            Err(lines) => {
                for line in lines {
                    host::log(LogLevel::Error, &format!("procgate: configuration refused: {line}"));
                }
                return false;
            }
        }
        true
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        let plugin = self.plugin.as_ref().map(Rc::clone)?;
        Some(Box::new(Request::new(plugin)))
    }

    fn create_stream_context(&self, id: u32) -> Option<Box<dyn StreamContext>> {
        let plugin = self.plugin.as_ref().map(Rc::clone)?;
        Some(match self.role {
            Role::FirstBytes(then) => Box::new(Held(FirstBytes::new(plugin, id, then))),
            Role::Arrival | Role::Requests => Box::new(Connection::new(plugin)),
        })
    }

    /// A policy counts as in force from the first tick on. Envoy tries each configuration in a VM that it throws away
    /// without a word, and that never ticks.
    fn on_tick(&mut self) {
        if !matches!(self.role, Role::FirstBytes(_)) {
            host::tick(Duration::ZERO);
        }
        if let Some(plugin) = &self.plugin {
            plugin.metrics.publish();
            first_bytes::decide_overdue(&plugin.waiting);
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(match self.role {
            Role::Requests => ContextType::HttpContext,
            Role::Arrival | Role::FirstBytes(_) => ContextType::StreamContext,
        })
    }
}

impl Plugin {
    #[inline(never)]
    fn configure(configuration: &[u8]) -> Result<Self, Vec<String>> {
        let policy = Policy::from_json(configuration)
            .map_err(|mistakes| mistakes.as_slice().iter().map(ToString::to_string).collect::<Vec<_>>())?;
        host::declare_connection_memory();
        replay::prepare();
        let metrics = Metrics::new(&policy.sha256());
        let (connections, forwarded, waiting, ids) = Default::default();
        Ok(Self { policy, connections, forwarded, waiting, metrics, ids })
    }

    /// An id for the next decision.
    pub(crate) fn next_id(&self) -> String {
        self.ids.next()
    }
}

/// Ids of decisions: a random part for this plugin in this worker, and a count.
#[derive(Debug)]
struct Ids {
    instance: String,
    count: Cell<u64>,
}

impl Default for Ids {
    fn default() -> Self {
        // The seed of the standard library's hasher is the host's randomness (WASI random_get).
        let random = RandomState::new().hash_one(0) >> 16;
        Self { instance: format!("{random:012x}-"), count: Cell::new(0) }
    }
}

impl Ids {
    fn next(&self) -> String {
        let count = self.count.get();
        self.count.set(count.wrapping_add(1));
        // The standard library's formatting would take a microsecond of each request.
        [&self.instance, itoa::Buffer::new().format(count)].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_plugin_differ_by_their_count() {
        let ids = Ids { instance: "0123456789ab-".into(), count: Cell::new(9) };
        assert_eq!([ids.next(), ids.next()], ["0123456789ab-9", "0123456789ab-10"]);
    }

    #[test]
    fn the_random_part_of_ids_has_twelve_digits() {
        let id = Ids::default().next();
        assert_eq!(id.find('-'), Some(12), "{id}");
        assert_ne!(id, Ids::default().next());
    }
}
