//! `procgate doctor` and a real Envoy: what it complains about can be exploited, and of a running proxy it
//! says the truth.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod doctor;
mod live;
mod mistakes;
