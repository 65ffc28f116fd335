//! The proxy-wasm plugin: a thin adapter from Envoy to the policy.
//!
//! [`connection`] finds out who a connection belongs to, [`decision`] has the policy judge what it asks for
//! and leaves the record; [`http`] then lets a request proceed or answers in the upstream's place, and
//! [`network`] lets a connection proceed or closes it, at once or after [`first_bytes`].

mod connection;
mod decision;
mod first_bytes;
mod head;
mod host;
mod http;
mod metrics;
mod network;
mod plugin;
mod replay;

#[allow(missing_docs, unreachable_pub, reason = "the SDK's macro writes the entry point")]
mod entry {
    use proxy_wasm::traits::RootContext;
    use proxy_wasm::types::LogLevel;

    proxy_wasm::main! {{
        proxy_wasm::set_log_level(LogLevel::Info);
        proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(crate::plugin::Root::default()) });
    }}
}
