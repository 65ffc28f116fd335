//! The shim with a real program under it, in front of a real Envoy.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails loudly"
)]

mod code;
mod custody;
mod image;
mod interpreter;
mod smuggling;
mod streams;
