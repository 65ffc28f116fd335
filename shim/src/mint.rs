//! The token for one connection.

use crate::attest::Attestation;
use core::net::SocketAddr;
use procgate_identity::{
    Claims, Labels, Lifetime, MintError, Serial, SigningKey, Subject, UnixNanos, canonical,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// What all tokens of a shim have in common.
#[derive(Debug)]
pub(crate) struct Minter {
    key: Box<SigningKey>,
    subject: Subject,
    labels: Labels,
    life: u64,
    last: AtomicU64,
}

impl Minter {
    /// A minter for this container; tokens live for `life` seconds.
    pub(crate) fn new(key: Box<SigningKey>, subject: Subject, labels: Labels, life: u64) -> Self {
        Self { key, subject, labels, life, last: AtomicU64::new(0) }
    }

    /// A token for the connection that this process opened between these addresses.
    pub(crate) fn token(
        &self,
        process: &Attestation,
        source: SocketAddr,
        destination: SocketAddr,
    ) -> Result<String, MintError> {
        let now = now();
        self.key.sign_token(&Claims {
            subject: self.subject.clone(),
            lifetime: Lifetime::starting(now, self.life),
            serial: self.serial(now),
            exe: process.exe,
            code: process.code,
            stray: process.stray.clone(),
            script: process.script,
            name: process.name.clone(),
            labels: self.labels.clone(),
            source: canonical(source),
            destination: canonical(destination),
        })
    }

    /// The time, or a nanosecond after the last serial where the clock has not moved on.
    fn serial(&self, now: UnixNanos) -> Serial {
        let next = |last: u64| Some(now.0.max(last.saturating_add(1)));
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        Serial(now.0.max(last.unwrap_or_default().saturating_add(1)))
    }
}

fn now() -> UnixNanos {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixNanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
