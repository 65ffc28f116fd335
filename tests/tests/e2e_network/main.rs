//! The plugin as a network filter in a real Envoy, with the project's own tcp.yaml and tls-alpn.yaml: every
//! connection is decided before anything connects upstream.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails loudly"
)]

mod before_http;
mod decisions;
mod greeter;
mod ipv6;
mod openings;
mod prefaces;
mod shim_tls;
mod stage;
mod tls;
mod tls_clients;
