//! The end-to-end harness: a real Envoy with the real module, an upstream that tells what reached it,
//! the real shim, and keys, tokens and policies to go with them. Whatever is started here ends when
//! its value is dropped, also when a test fails.
//!
//! [`scenarios`] lists what is shown: the demo prints it and the tests assert it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    reason = "a harness stops loudly at whatever goes wrong; nothing of it is shipped"
)]

pub mod blackhole;
pub mod certificates;
pub mod envoy;
pub mod generated;
pub mod istio;
pub mod kubelet;
pub mod mesh;
pub mod netns;
pub mod oracle;
pub mod pod;
pub mod process;
pub mod program;
pub mod proxy;
pub mod scenarios;
pub mod skip;
pub mod stage;
pub mod tokens;
pub mod tools;
pub mod until;
pub mod upstream;
pub mod visitor;
pub mod way;
pub mod wire;
