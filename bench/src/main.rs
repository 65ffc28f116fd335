//! `procgate-bench`: Envoy's CPU per request with and without procgate, side by side in one run.
//!
//! All chains are served by one Envoy with one worker, in short rounds that take turns, because the
//! machine's speed drifts. CPU time is the kernel's account of Envoy's threads, so the client's own
//! work does not count. Figures are medians over the rounds, and ratios are taken within a round.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a benchmark stops at whatever goes wrong"
)]

mod client;
mod connect;
mod envoy;
mod fixture;
mod table;

use client::{Pool, Token};
use envoy::{CHAINS, Envoy};
use fixture::Fixture;
use std::io;
use std::path::PathBuf;
use table::Series;

/// Rounds, of which each chain gets one turn.
const ROUNDS: usize = 9;
const KNOWN_REQUESTS: usize = 16_000;
const NEW_REQUESTS: usize = 3_200;

fn main() -> io::Result<()> {
    if let [_, word, address] = &std::env::args().collect::<Vec<_>>()[..]
        && word == connect::WORD
    {
        return connect::connect_and_print(address);
    }
    let paths = Paths::from_arguments();
    let fixture = Fixture::new();
    let envoy = Envoy::start(&paths.envoy, &paths.wasm, &paths.noop, &fixture)?;
    let known = known_connections(&envoy, &fixture)?;
    let new = new_connections(&envoy, &fixture)?;
    drop(envoy);
    let connect = connect::measure(&paths.shim, &fixture)?;
    let report = table::Report { known, new, connect };
    print!("{}", report.text());
    if let Some(path) = paths.json {
        std::fs::write(path, report.json())?;
    }
    Ok(())
}

/// Envoy's CPU per request on connections that it knows.
fn known_connections(envoy: &Envoy, fixture: &Fixture) -> io::Result<Vec<Series>> {
    let mut pools = (0..CHAINS.len())
        .map(|chain| Pool::open(envoy.address(chain), fixture, carries(chain)))
        .collect::<io::Result<Vec<_>>>()?;
    measure(envoy, KNOWN_REQUESTS, |chain| pools[chain].run(KNOWN_REQUESTS))
}

/// Envoy's CPU per request when each comes on a connection of its own.
fn new_connections(envoy: &Envoy, fixture: &Fixture) -> io::Result<Vec<Series>> {
    measure(envoy, NEW_REQUESTS, |chain| {
        client::run_new_connections(envoy.address(chain), fixture, carries(chain), NEW_REQUESTS)
    })
}

/// Which requests bring a token: procgate wants it once, jwt_authn every time.
fn carries(chain: usize) -> Token {
    match CHAINS[chain] {
        "procgate" | "procgate, 10,000 rules" => Token::FirstRequest,
        "jwt_authn + rbac" | "jwt_authn + rbac, cached" => Token::EveryRequest,
        _ => Token::Never,
    }
}

/// Microseconds of Envoy's CPU per request, a value for each round, a series for each chain.
fn measure(
    envoy: &Envoy,
    requests: usize,
    mut run: impl FnMut(usize) -> io::Result<()>,
) -> io::Result<Vec<Series>> {
    let mut series = CHAINS.map(Series::new).to_vec();
    for round in 0..=ROUNDS {
        for (chain, series) in series.iter_mut().enumerate() {
            let before = envoy.cpu()?;
            run(chain)?;
            let micros = (envoy.cpu()? - before).as_secs_f64() * 1e6 / requests as f64;
            if round > 0 {
                series.values.push(micros);
            }
        }
    }
    Ok(series)
}

/// What is compared, as `make bench` names it.
struct Paths {
    envoy: String,
    wasm: PathBuf,
    noop: PathBuf,
    shim: PathBuf,
    json: Option<PathBuf>,
}

impl Paths {
    fn from_arguments() -> Self {
        let mut arguments = std::env::args().skip(1);
        let mut next = || arguments.next();
        let usage = "usage: procgate-bench ENVOY PROCGATE.WASM NOOP.WASM SHIM [RESULTS.JSON]";
        Self {
            envoy: next().expect(usage),
            wasm: next().expect(usage).into(),
            noop: next().expect(usage).into(),
            shim: next().expect(usage).into(),
            json: next().map(PathBuf::from),
        }
    }
}
