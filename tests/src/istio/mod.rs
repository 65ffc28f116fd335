//! A pod in a mesh, of real parts: Kubernetes' API server and istiod make the configuration out of the project's
//! manifests and issue certificates, Istio's node agent starts a real Envoy with it, Istio's own redirect rules send
//! connections to that, and the real shim starts the programs.

mod cluster;
mod kubernetes;
pub mod mesh_config;
mod node;
mod sidecar;
mod visits;

pub use crate::visitor::Visitor;
pub use cluster::{Cluster, SERVERS};
pub use node::{Interception, PROXY};
pub use sidecar::Sidecar;
pub use visits::{Visit, answered};

use crate::program::Program;
use crate::tokens::{DOMAIN, Key, SCOPE};
use crate::until::until_within;
use serde_json::{Value, json};
use std::time::Duration;

/// Asks until there is an answer: a control plane takes seconds, on a busy machine a minute.
pub fn eventually<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    until_within(Duration::from_secs(120), what, ask)
}

/// What the tests' manifests are rendered for, in enforce mode.
fn policy(key: &Key, curl: &Program) -> Value {
    let from = json!({"process": ["curl"]});
    json!({
        "version": 1,
        "mode": "enforce",
        "trust": {"domain": DOMAIN, "keys": [key.trusted_for(SCOPE)]},
        "processes": [{"name": "curl", "container": "checkout", "exe": [curl.exe.to_string()], "code": [curl.code.to_string()]}],
        "destinations": [
            {"name": "web", "hosts": ["web.shop.svc.cluster.local", "auto.shop.svc.cluster.local", "payments.shop.svc.cluster.local", "unknown.example"]},
            {"name": "secret", "hosts": ["*.example.com", "*.example.org"]},
            {"name": "servers", "cidrs": [format!("{SERVERS}/32"), "10.66.1.0/24"]},
        ],
        "rules": [
            {"name": "curl-charges", "allow": {"from": from, "to": {"destination": "web", "methods": ["GET"], "paths": ["/charge/**"]}}},
            {"name": "curl-knows-secrets", "allow": {"from": from, "to": {"destination": "secret", "ports": [443, 8443]}}},
            {"name": "curl-uses-servers", "allow": {"from": from, "to": {"destination": "servers", "ports": [80, 443, 5555, 7000, 8443, 9000, 9300]}}},
        ],
    })
}
