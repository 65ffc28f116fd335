//! System calls that the shim is not asked about: they pass its filter in the kernel.

use crate::shim::{self, BY_OWN_SOCKET, BY_PIDFD, Shim};
use crate::table::Series;
use rustix::net::{SendFlags, send};
use std::fs::File;
use std::hint::black_box;
use std::io::{self, Read};
use std::time::Instant;

const ROUNDS: usize = 11;
const BATCHES: usize = 40;
const CALLS: u32 = 5_000;

/// The word that makes this program the one that calls.
pub(crate) const WORD: &str = "calls";
/// Of the last one the filter looks at an argument too.
const NAMES: [&str; 3] = ["getppid()", "read() of a byte", "sendto(), refused"];

/// Prints the nanoseconds of each call, at the quickest of many times.
pub(crate) fn call_and_print() -> io::Result<()> {
    let (mut zeros, nothing) = (File::open("/dev/zero")?, File::open("/dev/null")?);
    let ids = quickest(|| {
        black_box(std::os::unix::process::parent_id());
    });
    let reads = quickest(|| {
        let _ = zeros.read(black_box(&mut [0]));
    });
    let sends = quickest(|| {
        let _ = send(&nothing, b"x", SendFlags::empty());
    });
    println!("{ids} {reads} {sends}");
    Ok(())
}

fn quickest(mut call: impl FnMut()) -> f64 {
    let mut batch = || {
        let start = Instant::now();
        (0..CALLS).for_each(|_| call());
        start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
    };
    (0..BATCHES).map(|_| batch()).fold(f64::INFINITY, f64::min)
}

/// Nanoseconds of each call, natively and under the filter of each mode.
pub(crate) fn measure(shim: &Shim) -> io::Result<Vec<(&'static str, Vec<Series>)>> {
    let mut ways = [
        ("native", shim::natively(&[WORD])?),
        ("under the filter, pidfd", shim.command(BY_PIDFD, &[WORD])?),
        ("under the filter, own-socket", shim.command(BY_OWN_SOCKET, &[WORD])?),
    ];
    let series: Vec<_> = ways.iter().map(|(way, _)| Series::new(*way)).collect();
    let mut calls = NAMES.map(|name| (name, series.clone()));
    for _ in 0..ROUNDS {
        for (way, (_, command)) in ways.iter_mut().enumerate() {
            for ((_, series), nanos) in calls.iter_mut().zip(shim::numbers(command)?) {
                series[way].values.push(nanos);
            }
        }
    }
    Ok(calls.into())
}
