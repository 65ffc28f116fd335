//! The plugin as a network filter in a real Envoy, with the project's own tcp.yaml: every connection is
//! decided before anything connects upstream.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails loudly"
)]

mod decisions;
mod greeter;
mod prefaces;
mod stage;
