//! The proxy-wasm plugin: a thin adapter from Envoy to the policy.
//!
//! A request's way: [`connection`] finds out who the connection belongs to, the policy judges what it
//! asks for, [`http`] lets it proceed or answers in the upstream's place, and leaves the record.

mod connection;
mod head;
mod host;
mod http;
mod metrics;
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
