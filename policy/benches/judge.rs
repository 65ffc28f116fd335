//! What a judgement costs with ten rules and with ten thousand, and what a record costs.
//!
//! Each rule is about its own process and destination. `decide` is what a request costs on a
//! connection whose ends are known; `judge` looks up both ends too.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a benchmark may"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::Criterion;
use procgate_identity::{Carrier, Claims, UnixNanos, VerifiedIdentity};
use procgate_policy::{Destination, Direction, Event, Http, Policy, Presented, Reason, Record, judge};
use std::fmt::Write as _;
use std::hint::black_box;
use support::{TRUST, claims, digest, identity};

/// `count` rules of the usual kinds, and five for everybody.
fn document(count: usize) -> String {
    let mut things = [String::new(), String::new(), String::new()];
    for index in 0..count {
        let comma = if index == 0 { "" } else { "," };
        let [processes, destinations, rules] = &mut things;
        let exe = digest(&index.to_string());
        write!(processes, r#"{comma}{{"name":"p{index}","container":"checkout","exe":["{exe}"]}}"#).unwrap();
        let (high, low) = (index / 256, index % 256);
        write!(
            destinations,
            r#"{comma}{{"name":"d{index}","hosts":["d{index}.shop.svc.cluster.local"],"cidrs":["10.{high}.{low}.0/24"],"labels":{{"segment":"s{low}"}}}}"#
        )
        .unwrap();
        write!(
            rules,
            r#"{comma}{{"name":"r{index}","allow":{{"from":{{"process":"p{index}"}},"to":{{"destination":"d{index}","ports":[8080],"methods":["POST"],"paths":["/charge/**"]}}}}}}"#
        )
        .unwrap();
    }
    let [processes, destinations, rules] = things;
    format!(
        r#"{{"version":1,"mode":"enforce","trust":{TRUST},"processes":[{processes}],"destinations":[{destinations}],"rules":[{rules},
            {{"name":"same","allow":{{"from":{{"same":"segment"}},"to":{{"same":"segment"}}}}}},
            {{"name":"no-admin","deny":{{"to":{{"ports":["15000-15020"]}}}}}}]}}"#
    )
}

fn many(count: usize) -> Policy {
    Policy::from_json(document(count).as_bytes()).unwrap()
}

/// Ten connections, as a proxy has with ten rules or with ten thousand.
const FEW: usize = 10;
/// So many that the processor's caches hold neither them nor their part of the policy: what is
/// measured then is memory.
const SCATTERED: usize = 1_000;

/// Identities and destinations from all over the policy.
fn spread(policy: &Policy, count: usize, connections: usize) -> Vec<(VerifiedIdentity, String, String)> {
    (0..connections)
        .map(|step| {
            let index = step * 7_919 % count;
            let claims = Claims { exe: digest(&index.to_string()), ..claims() };
            let address = format!("10.{}.{}.9:8080", index / 256, index % 256);
            (
                identity(policy.trusted_keys(), &claims),
                format!("d{index}.shop.svc.cluster.local:8080"),
                address,
            )
        })
        .collect()
}

fn destination<'a>(host: &'a str, address: &str) -> Destination<'a> {
    let http = Some(Http { method: "POST", path: "/charge/42?card=1" });
    Destination { host: Some(host), address: Some(address.parse().unwrap()), http }
}

fn judging(criterion: &mut Criterion) {
    for (count, connections) in [(10, FEW), (10_000, FEW), (10_000, SCATTERED)] {
        let policy = many(count);
        let spread = spread(&policy, count, connections);
        let connected: Vec<_> =
            spread.iter().map(|(identity, host, address)| (identity, destination(host, address))).collect();
        for (identity, destination) in &connected {
            assert_eq!(
                judge(&policy, Presented::Verified(identity), destination).finding.reason,
                Reason::Allowed
            );
        }
        let mut next = connected.iter().cycle();
        criterion.bench_function(&format!("judge/{count} rules/{connections} connections"), |bencher| {
            bencher.iter(|| {
                let (identity, destination) = next.next().unwrap();
                black_box(judge(&policy, Presented::Verified(identity), destination))
            });
        });
        let resolved: Vec<_> = connected
            .iter()
            .map(|(identity, destination)| {
                let source = policy.resolve_identity(Presented::Verified(identity));
                (source, policy.resolve_destination(destination), destination.http)
            })
            .collect();
        let mut next = resolved.iter().cycle();
        criterion.bench_function(&format!("decide/{count} rules/{connections} connections"), |bencher| {
            bencher.iter(|| {
                let (source, destination, http) = next.next().unwrap();
                black_box(policy.decide(source, destination, *http))
            });
        });
    }
}

fn recording(criterion: &mut Criterion) {
    let policy = many(10);
    let spread = spread(&policy, 10, FEW);
    let (identity, host, address) = &spread[0];
    let destination = destination(host, address);
    let finding = judge(&policy, Presented::Verified(identity), &destination).finding;
    let event = Event {
        time: UnixNanos(1_795_445_157_000_000_001),
        id: "5ba1f4f5-8fd6-4b5f-9a4e-8f8c8a7f0a11",
        direction: Direction::Outbound,
        carrier: Some(Carrier::Header),
        identity: Some(identity),
        destination,
        sni: None,
    };
    criterion.bench_function("record", |bencher| {
        bencher.iter(|| black_box(Record::of(&finding, &event).to_json()))
    });
}

fn compiling(criterion: &mut Criterion) {
    for count in [10, 10_000] {
        let text = document(count);
        criterion.bench_function(&format!("compile/{count}"), |bencher| {
            bencher.iter(|| black_box(Policy::from_json(text.as_bytes()).unwrap()));
        });
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    judging(&mut criterion);
    recording(&mut criterion);
    compiling(&mut criterion);
    criterion.final_summary();
}
