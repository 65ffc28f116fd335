//! A proxy-wasm plugin that lets every request proceed: what a wasm filter costs by being there.
//!
//! Configured with `calls` it also makes the host calls that no plugin can do without that knows
//! connections, judges requests and leaves records: read the head, read what is remembered with the
//! connection, read the clock, leave a record, count.

use core::cell::Cell;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, MapType, MetricType};

#[allow(missing_docs, unreachable_pub, reason = "the SDK's macro writes the entry point")]
mod entry {
    use proxy_wasm::traits::RootContext;

    proxy_wasm::main! {{
        proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::<super::Root>::default() });
    }}
}

/// What is remembered with a connection, as procgate does it.
const MEMORY: &str = "bench_connection";
/// The sizes of a usual token and a usual record.
const TOKEN: [u8; 700] = [b't'; 700];
const RECORD: [u8; 640] = [b'r'; 640];

#[derive(Default)]
struct Root {
    /// The counter, where host calls are to be made.
    counter: Cell<Option<u32>>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let configuration = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size).ok().flatten();
        if configuration.is_some_and(|text| text == b"calls") {
            let mut arguments = vec![0x0a, 0x10];
            arguments.extend_from_slice(MEMORY.as_bytes());
            arguments.extend_from_slice(&[0x10, 1, 0x28, 2]);
            let _ = hostcalls::call_foreign_function("declare_property", Some(&arguments));
            self.counter.set(hostcalls::define_metric(MetricType::Counter, "bench_requests").ok());
        }
        true
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request { counter: self.counter.get() }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Request {
    counter: Option<u32>,
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        if let Some(counter) = self.counter {
            let _ = hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, ":path");
            if hostcalls::get_property(vec![MEMORY]).ok().flatten().is_none() {
                let _ = hostcalls::set_property(vec![MEMORY], Some(&TOKEN));
            }
            let _ = hostcalls::get_current_time();
            let _ = hostcalls::set_property(vec!["bench"], Some(&RECORD));
            let _ = hostcalls::increment_metric(counter, 1);
        }
        Action::Continue
    }
}
