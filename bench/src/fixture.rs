//! The key, the tokens and the policies that the comparison runs on.

use procgate_identity::{
    Claims, Digest, KeyId, Labels, Lifetime, Serial, SigningKey, TOKEN_LIFE_SECONDS, UnixNanos,
};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;
use zeroize::Zeroizing;

const SUBJECT: &str = "spiffe://bench.example/ns/shop/sa/checkout/container/app";

/// A signing key and what is trusted of it.
pub(crate) struct Fixture {
    key: SigningKey,
    last: AtomicU64,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let id = KeyId::new("bench").expect("the name is sound");
        Self { key: SigningKey::from_seed(id, &Zeroizing::new([9; 32])), last: AtomicU64::new(0) }
    }

    pub(crate) fn subject(&self) -> &'static str {
        SUBJECT
    }

    pub(crate) fn public_jwk(&self) -> Value {
        let public = self.key.public().expect("a key from a seed is sound");
        serde_json::from_str(&public.to_jwk()).expect("a JWK is JSON")
    }

    pub(crate) fn private_jwk(&self) -> Zeroizing<String> {
        self.key.to_private_jwk().expect("a key from a seed is sound")
    }

    /// A token for the connection between these two addresses.
    pub(crate) fn token(&self, source: SocketAddr, destination: SocketAddr) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
        let now = UnixNanos(u64::try_from(now.as_nanos()).expect("it is before 2554"));
        let last = self.last.fetch_max(now.0, Ordering::Relaxed);
        let claims = Claims {
            subject: SUBJECT.parse().expect("the subject is sound"),
            lifetime: Lifetime::starting(now, TOKEN_LIFE_SECONDS),
            serial: Serial(now.0.max(last + 1)),
            exe: exe(),
            code: Some(Digest::of(b"code")),
            stray: None,
            script: None,
            name: "/app/checkout".into(),
            labels: Labels::from_pairs([("segment", "pci"), ("tier", "web")]).expect("two labels"),
            source,
            destination,
        };
        self.key.sign_token(&claims).expect("the token is small")
    }

    /// A policy of so many rules, of which the last lets the bench's requests through.
    pub(crate) fn policy(&self, rules: usize) -> String {
        let crowd = rules / 10;
        let digest = |index: usize| Digest::of(&index.to_le_bytes()).to_string();
        let mut processes: Vec<_> =
            (0..crowd).map(|index| json!({"name": format!("p{index}"), "exe": [digest(index)]})).collect();
        processes.push(json!({"name": "checkout", "container": "app", "exe": [exe().to_string()]}));
        let destinations: Vec<_> = (0..=crowd)
            .map(|index| json!({"name": format!("d{index}"), "hosts": [format!("d{index}.shop.example")]}))
            .collect();
        let mut list: Vec<_> = (1..rules)
            .map(|index| {
                let (from, to) = (format!("p{}", index % crowd), format!("d{}", index / 10));
                json!({"name": format!("r{index}"), "allow": {
                    "from": {"process": from},
                    "to": {"destination": to, "ports": [1_024 + index % 60_000], "methods": ["POST"]},
                }})
            })
            .collect();
        list.push(json!({"name": "bench", "allow": {
            "from": {"process": "checkout"},
            "to": {"destination": "d0", "methods": ["GET"], "paths": ["/charge/**"]},
        }}));
        self.policy_with(&processes, &destinations, &list)
    }

    /// A policy that knows nothing of requests.
    pub(crate) fn policy_of_connections(&self) -> String {
        let process = json!({"name": "checkout", "container": "app", "exe": [exe().to_string()]});
        let destination = json!({"name": "loopback", "cidrs": ["127.0.0.0/8"]});
        let rule = json!({"name": "bench", "allow": {
            "from": {"process": "checkout"}, "to": {"destination": "loopback"},
        }});
        self.policy_with(&[process], &[destination], &[rule])
    }

    fn policy_with(&self, processes: &[Value], destinations: &[Value], rules: &[Value]) -> String {
        let keys = json!([{"jwk": self.public_jwk(), "scope": "spiffe://bench.example/ns/shop/"}]);
        json!({
            "version": 1,
            "mode": "enforce",
            "trust": {"domain": "bench.example", "keys": keys},
            "processes": processes,
            "destinations": destinations,
            "rules": rules,
        })
        .to_string()
    }
}

fn exe() -> Digest {
    Digest::of(b"checkout")
}
