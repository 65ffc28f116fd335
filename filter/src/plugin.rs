//! One configured plugin: its policy, what it knows of connections, and its metrics.

use crate::connection::Connections;
use crate::host;
use crate::http::Request;
use crate::metrics::Metrics;
use crate::network::Connection;
use crate::replay;
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
    /// Whether it was configured as a network filter, with the name [`NETWORK`].
    is_network: bool,
}

/// The `root_id` of the plugin where it is a network filter. With any other it is an HTTP filter: Envoy
/// does not tell which it is.
const NETWORK: &[u8] = b"network";

/// What the requests of one plugin share within a worker.
#[derive(Debug)]
pub(crate) struct Plugin {
    pub(crate) policy: Policy,
    pub(crate) connections: RefCell<Connections>,
    pub(crate) metrics: Metrics,
    ids: Ids,
}

impl Context for Root {}

impl RootContext for Root {
    /// Takes a policy in, or refuses it: at boot Envoy then does not start, and an update is rejected
    /// while the policy before goes on serving.
    fn on_configure(&mut self, size: usize) -> bool {
        self.is_network = host::root_id() == NETWORK;
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

    fn create_stream_context(&self, _: u32) -> Option<Box<dyn StreamContext>> {
        let plugin = self.plugin.as_ref().map(Rc::clone)?;
        Some(Box::new(Connection::new(plugin)))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(if self.is_network { ContextType::StreamContext } else { ContextType::HttpContext })
    }
}

impl Plugin {
    fn configure(configuration: &[u8]) -> Result<Self, Vec<String>> {
        let policy = Policy::from_json(configuration)
            .map_err(|mistakes| mistakes.as_slice().iter().map(ToString::to_string).collect::<Vec<_>>())?;
        host::declare_connection_memory();
        replay::prepare();
        let metrics = Metrics::new(&policy.sha256());
        Ok(Self { policy, connections: RefCell::default(), metrics, ids: Ids::default() })
    }

    /// An id for the next decision.
    pub(crate) fn next_id(&self) -> String {
        self.ids.next()
    }
}

/// Ids of decisions: a random part for this plugin in this worker, and a count.
#[derive(Debug)]
struct Ids {
    instance: u64,
    count: Cell<u64>,
}

impl Default for Ids {
    fn default() -> Self {
        // The seed of the standard library's hasher is the host's randomness (WASI random_get).
        Self { instance: RandomState::new().hash_one(0), count: Cell::new(0) }
    }
}

impl Ids {
    fn next(&self) -> String {
        let count = self.count.get();
        self.count.set(count.wrapping_add(1));
        format!("{:012x}-{count:x}", self.instance >> 16)
    }
}
