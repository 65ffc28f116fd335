//! `procgate-bench`: Envoy's CPU per request and a program's connect() with and without procgate, side by side in
//! one run.
//!
//! All chains are served by one Envoy with one worker, in short rounds that take turns, because the
//! machine's speed drifts. CPU time is the kernel's account of Envoy's threads, so the client's own
//! work does not count. Figures are the rounds' lowest tenth: other work on the machine only ever adds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a benchmark stops at whatever goes wrong"
)]

mod calls;
mod client;
mod connect;
mod crowd;
mod download;
mod envoy;
mod fixture;
mod logs;
mod shim;
mod table;

use clap::Parser;
use client::Pool;
use envoy::{Chain, Envoy};
use fixture::Fixture;
use shim::Shim;
use std::io;
use std::path::PathBuf;
use table::Series;

/// Rounds, of which each chain gets one turn. Many short ones: the machine's speed changes within seconds.
const ROUNDS: usize = 45;
const KNOWN_REQUESTS: usize = 3_200;
const NEW_REQUESTS: usize = 640;
const MEMORY_ROUNDS: usize = 3;

fn main() -> io::Result<()> {
    // As the program under the shim, or as the maker of logs.
    let words: Vec<_> = std::env::args().skip(1).collect();
    let address = |text: &str| text.parse().map_err(io::Error::other);
    let number = |text: &str| text.parse().map_err(io::Error::other);
    match &words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [connect::WORD, to] => connect::connect_and_print(address(to)?),
        [crowd::WORD, to] => crowd::connect_when_told(address(to)?),
        [download::WORD, from] => download::download_and_print(address(from)?),
        [calls::WORD] => calls::call_and_print(),
        [logs::WORD, records, flows] => logs::print(number(records)?, number(flows)?),
        [logs::POLICY_WORD] => logs::print_policy(),
        _ => compare(),
    }
}

fn compare() -> io::Result<()> {
    let paths = Paths::parse();
    let fixture = Fixture::new();
    let chains = envoy::chains(&paths, &fixture);
    let memory = memory(&paths, &chains, &fixture)?;
    let shim = Shim::new(&paths.shim, &fixture)?;
    let envoy = Envoy::start(&paths.envoy, 1, &chains.iter().collect::<Vec<_>>())?;
    let known = known_connections(&envoy, &chains, &fixture)?;
    let new = measure(&envoy, &chains, NEW_REQUESTS, |number| {
        client::run_new_connections(envoy.address(number), &fixture, chains[number].token, NEW_REQUESTS)
    })?;
    drop(envoy);
    let chains = envoy::connection_chains(&paths, &fixture);
    let envoy = Envoy::start(&paths.envoy, 1, &chains.iter().collect::<Vec<_>>())?;
    let decided = known_connections(&envoy, &chains, &fixture)?;
    drop(envoy);
    let (connect, crowd, calls) = (connect::measure(&shim)?, crowd::measure(&shim)?, calls::measure(&shim)?);
    let download = download::measure(&shim)?;
    let report = table::Report { known, new, decided, connect, crowd, download, calls, memory };
    print!("{}", report.text());
    if let Some(path) = paths.json {
        std::fs::write(path, report.json())?;
    }
    Ok(())
}

/// Megabytes of an Envoy with two workers that has served some requests, for the chains that have procgate's parts,
/// and last for those of a sidecar together.
fn memory(paths: &Paths, chains: &[Chain], fixture: &Fixture) -> io::Result<Vec<Series>> {
    let sidecar = envoy::sidecar_chains(paths, fixture);
    let mut sets: Vec<Vec<&Chain>> = chains.iter().take(6).map(|chain| vec![chain]).collect();
    sets.push(sidecar.iter().collect());
    let mut series: Vec<_> = sets.iter().map(|set| Series::new(set[0].name.clone())).collect();
    for _ in 0..MEMORY_ROUNDS {
        for (set, series) in sets.iter().zip(&mut series) {
            let envoy = Envoy::start(&paths.envoy, 2, set)?;
            for (number, chain) in set.iter().enumerate() {
                client::run_new_connections(envoy.address(number), fixture, chain.token, NEW_REQUESTS)?;
            }
            series.values.push(envoy.resident_megabytes()?);
        }
    }
    Ok(series)
}

/// Envoy's CPU per request on connections that it knows.
fn known_connections(envoy: &Envoy, chains: &[Chain], fixture: &Fixture) -> io::Result<Vec<Series>> {
    let open =
        |(number, chain): (_, &Chain)| Pool::open(envoy.address(number), fixture, chain.token, chain.changes);
    let mut pools = chains.iter().enumerate().map(open).collect::<io::Result<Vec<_>>>()?;
    measure(envoy, chains, KNOWN_REQUESTS, |number| pools[number].run(KNOWN_REQUESTS))
}

/// Microseconds of Envoy's CPU per request, a value for each round, a series for each chain.
fn measure(
    envoy: &Envoy,
    chains: &[Chain],
    requests: usize,
    mut run: impl FnMut(usize) -> io::Result<()>,
) -> io::Result<Vec<Series>> {
    let mut series: Vec<_> = chains.iter().map(|chain| Series::new(chain.name.clone())).collect();
    for round in 0..=ROUNDS {
        for (number, series) in series.iter_mut().enumerate() {
            let before = envoy.cpu()?;
            run(number)?;
            let micros = (envoy.cpu()? - before).as_secs_f64() * 1e6 / requests as f64;
            if round > 0 {
                series.values.push(micros);
            }
        }
    }
    Ok(series)
}

/// What is compared.
#[derive(Debug, Parser)]
pub(crate) struct Paths {
    /// Envoy's binary
    #[arg(long)]
    envoy: PathBuf,
    /// The module that the bars are for
    #[arg(long)]
    wasm: PathBuf,
    /// The module that does nothing
    #[arg(long)]
    noop: PathBuf,
    /// procgate-shim
    #[arg(long)]
    shim: PathBuf,
    /// Where the figures go as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Another build of the module, to compare with: the one before a change, for example
    #[arg(long)]
    also: Vec<PathBuf>,
}
