//! The shim with real programs, on loopback only.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test that panics has done its work"
)]

mod around;
mod asking;
mod attesting;
mod carrying;
mod checking;
mod custody;
mod docker;
mod flooding;
mod installing;
mod keeping;
mod launching;
mod originating;
mod prefacing;
#[allow(dead_code, unreachable_pub, reason = "it is a module of the package procgate-tests too")]
#[path = "../../../tests/src/skip.rs"]
mod skip;
mod stage;
mod tls;
