//! Programs under the shim whose connections carry the token in a PROXY v2 preface, in front of a real
//! Envoy with the project's own tcp.yaml.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

mod connections;
mod stage;
