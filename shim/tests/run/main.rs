//! The shim with real programs, on loopback only.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test that panics has done its work"
)]

mod attesting;
mod carrying;
mod custody;
mod keeping;
mod launching;
mod prefacing;
mod stage;
