//! The plugin in a real Envoy through the proxy's life: what a peer sends, updates, restarts, crashes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails loudly"
)]

mod answers;
mod crash;
mod hostile;
mod replay;
mod scale;
mod updates;
