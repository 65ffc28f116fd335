//! Records and the logs that hold them.

use flate2::Compression;
use flate2::write::GzEncoder;
use procgate_identity::{Carrier, Digest, UnixNanos};
use procgate_policy::{Direction, Mode, Reason, Record};
use std::io::Write as _;

/// 2025-11-23T14:00:00Z: long enough ago that days later are past, too.
pub(crate) const NOON: u64 = 1_763_906_400;
pub(crate) const PAYMENTS: &str = "payments.shop.svc.cluster.local";
pub(crate) const CHECKOUT: &str = "spiffe://shop.example/ns/shop/sa/checkout/container/checkout";

/// `POST /charge/1` to payments by the approved process, allowed.
pub(crate) fn record() -> Record<'static> {
    Record {
        time: UnixNanos(NOON * 1_000_000_000),
        id: "7f-0".into(),
        mode: Mode::Audit,
        reason: Reason::Allowed,
        detail: None,
        direction: Direction::Outbound,
        carrier: Some(Carrier::Header),
        subject: Some(CHECKOUT.into()),
        process: Some("checkout".into()),
        exe: Some(Digest::of(b"checkout")),
        code: None,
        stray: None,
        script: None,
        name: Some("/app/checkout".into()),
        labels: Vec::new(),
        rule: Some("checkout-pays".into()),
        nearest: None,
        host: Some(PAYMENTS.into()),
        address: Some("10.4.0.9:8080".parse().unwrap()),
        sni: None,
        method: Some("POST".into()),
        path: Some("/charge/1".into()),
    }
}

/// The same, denied because no rule allows it.
pub(crate) fn unmatched() -> Record<'static> {
    Record { reason: Reason::NoMatchingRule, rule: None, ..record() }
}

/// A connection without identity.
pub(crate) fn unidentified() -> Record<'static> {
    let reason = Reason::from_code("no-identity").unwrap();
    let (subject, exe, name, carrier) = (None, None, None, None);
    Record { reason, subject, exe, name, carrier, process: None, ..unmatched() }
}

/// The same, so many seconds later.
pub(crate) fn later(record: Record<'static>, seconds: u64) -> Record<'static> {
    Record { time: UnixNanos(record.time.0 + seconds * 1_000_000_000), ..record }
}

/// An access log as the project's Envoy configurations write it.
pub(crate) fn access_log<'r>(records: impl IntoIterator<Item = &'r Record<'r>>) -> String {
    let line = |record: &Record<'_>| {
        let line = serde_json::json!({"start_time": "x", "procgate": record.to_json(), "response_code": 200});
        format!("{line}\n")
    };
    records.into_iter().map(line).collect()
}

pub(crate) fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
