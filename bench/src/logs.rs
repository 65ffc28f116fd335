//! Access logs to measure `learn`, `simulate` and `lint --logs` with: lines as Envoy writes them with
//! envoy-config/http.yaml, and records as the filter does.

use crate::fixture::Fixture;
use procgate_identity::{Carrier, Digest, UnixNanos};
use procgate_policy::{Direction, Mode, Reason, Record};
use serde_json::json;
use std::borrow::Cow;
use std::io::{self, BufWriter, Write as _};

/// The first word of a command line that asks for a log, before the numbers of records and of flows.
pub(crate) const WORD: &str = "logs";
/// The word that asks for the policy to learn into, whose key speaks for the workloads of the logs.
pub(crate) const POLICY_WORD: &str = "logs-policy";

/// Workloads that the flows are spread over, each a process in a container of its own.
const WORKLOADS: u64 = 50;
/// Addresses of a host.
const ADDRESSES: u64 = 3;
/// 2026-11-23T14:00:00Z
const BEGIN: u64 = 1_795_442_400_000_000_000;
/// From a record to the next: half a million make a day.
const STEP: u64 = 172_800_000;

/// Prints a log of so many records of so many flows, in which half of the paths have an id that never recurs.
pub(crate) fn print(records: u64, flows: u64) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let flows: Vec<_> = (0..flows.max(1)).map(flow).collect();
    let mut random = 1;
    for number in 0..records {
        random = next(random);
        let flow = &flows[random as usize % flows.len()];
        let (ip, id) = (random >> 32, random >> 16);
        let place = flow.host.as_deref().map_or(0, str::len) as u64 % 200;
        let mut record = flow.clone();
        record.time = UnixNanos(BEGIN + number * STEP);
        record.id = format!("{:012x}-{}", id & 0xffff_ffff_ffff, number % 4).into();
        record.address = Some(([10, 4, place as u8, (ip % ADDRESSES) as u8], 8_080).into());
        if record.path.as_deref().is_some_and(|path| path.ends_with('/')) {
            record.path = record.path.map(|path| Cow::Owned(format!("{path}{}", id % 10_000_000)));
        }
        if number.is_multiple_of(100) {
            record = unidentified(record);
        }
        let line = json!({
            "authority": record.host, "bytes_received": id % 900, "bytes_sent": id % 70_000,
            "duration_ms": id % 300, "procgate": record.to_json(), "protocol": "HTTP/1.1",
            "response_code": 200, "response_flags": "-",
            "source": format!("10.1.7.{}:{}", ip % 200, 32_768 + id % 28_000),
            "start_time": "2026-11-23T14:00:00.000Z",
        });
        writeln!(out, "{line}")?;
    }
    out.flush()
}

/// Prints the policy.
pub(crate) fn print_policy() -> io::Result<()> {
    let key = json!({"jwk": Fixture::new().public_jwk(), "scope": "spiffe://bench.example/ns/shop/"});
    let policy = json!({"version": 1, "mode": "audit", "trust": {"domain": "bench.example", "keys": [key]}});
    writeln!(io::stdout().lock(), "{policy}")
}

fn flow(number: u64) -> Record<'static> {
    let (workload, place) = (number % WORKLOADS, number / WORKLOADS);
    let name = format!("workload-{workload}");
    let known = !number.is_multiple_of(5);
    let resource = ["orders", "customers", "carts", "prices"][number as usize % 4];
    let id = if number.is_multiple_of(2) { "/" } else { "" };
    Record {
        time: UnixNanos(BEGIN),
        id: "".into(),
        mode: Mode::Audit,
        reason: if known { Reason::Allowed } else { Reason::NoMatchingRule },
        detail: None,
        direction: Direction::Outbound,
        carrier: Some(Carrier::Header),
        subject: Some(format!("spiffe://bench.example/ns/shop/sa/{name}/container/app").into()),
        process: Some(name.clone().into()),
        exe: Some(Digest::of(name.as_bytes())),
        code: None,
        stray: None,
        script: None,
        name: Some(format!("/app/{name}").into()),
        labels: vec![("team".into(), format!("team-{}", workload % 7).into())],
        rule: known.then(|| format!("{name}-to-{place}").into()),
        nearest: (!known).then(|| format!("{name}-to-{place}").into()),
        host: Some(format!("service-{place}.shop.svc.cluster.local").into()),
        address: None,
        sni: None,
        method: Some(["GET", "POST"][number as usize % 2].into()),
        path: Some(format!("/v1/{resource}{id}").into()),
    }
}

fn unidentified(record: Record<'static>) -> Record<'static> {
    let reason = Reason::from_code("no-identity").expect("a reason");
    let (subject, exe, name, rule, nearest) = (None, None, None, None, None);
    let none = (None, None, Vec::new());
    let (carrier, process, labels) = none;
    Record { reason, subject, exe, name, rule, nearest, carrier, process, labels, ..record }
}

/// Marsaglia's xorshift64*: the same log every time.
fn next(state: u64) -> u64 {
    let state = state ^ (state >> 12);
    let state = state ^ (state << 25);
    let state = state ^ (state >> 27);
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}
