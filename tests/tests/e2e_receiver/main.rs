//! The receiver's end in a real Envoy, behind the sender's: what the sender's proxy forwards is checked once
//! more, and whoever gets around that proxy is refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails loudly"
)]

mod around;
mod forwarded;
mod rogue;
mod stage;
