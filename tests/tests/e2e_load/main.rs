//! Many connections, for long: what holds for one holds for ten thousand, and nothing piles up.
//!
//! In the form that every run has; `make soak` runs the long form (`PROCGATE_SOAK`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test fails loudly"
)]

mod churn;
mod crowd;
mod ends;
mod many;
mod stage;
