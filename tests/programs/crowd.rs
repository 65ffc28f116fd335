//! A program with as many connections as it is told to have, over HTTP/1.1 and kept open. Its standard input says
//! what to do, a line each; to each it answers with a line, which `e2e_load` reads.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a client for the tests stops at what goes wrong"
)]

use serde_json::json;
use std::collections::BTreeMap;
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant as Due, sleep_until, timeout};

/// Connections that are being made, or requests that wait for an answer, at a time.
const AT_A_TIME: usize = 64;
/// Whoever is not answered by then has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection, how long connecting took, and the status of its last answer.
struct Visit {
    stream: BufReader<TcpStream>,
    connecting: Duration,
    status: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let address: SocketAddr = std::env::args().nth(1).unwrap().parse().unwrap();
    println!("{}", json!({"process": std::process::id()}));
    let mut crowd = Crowd { address, open: Vec::new(), leak: 0 };
    // A thread that waits for input, so that the tasks need not.
    let (lines, mut told) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        std::io::stdin().lines().map_while(Result::ok).try_for_each(|line| lines.blocking_send(line))
    });
    while let Some(line) = told.recv().await {
        let words: Vec<_> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<u32>().unwrap();
        let done = match words[0] {
            "open" => crowd.open(number(1)).await,
            "ask" => crowd.ask().await,
            "rate" => crowd.come_and_go(number(1), number(2)).await,
            "leak" => {
                crowd.leak = number(1);
                Report::default()
            }
            _ => return,
        };
        println!("{}", done.into_json());
    }
}

struct Crowd {
    address: SocketAddr,
    open: Vec<Visit>,
    /// Bytes that are lost with every visit.
    leak: u32,
}

impl Crowd {
    /// Opens so many connections more, and asks once on each.
    async fn open(&mut self, count: u32) -> Report {
        let (mut report, mut under_way) = (Report::default(), JoinSet::new());
        for _ in 0..count {
            if under_way.len() >= AT_A_TIME {
                self.open.extend(report.note(under_way.join_next().await));
            }
            under_way.spawn(within(visit(self.address)));
        }
        while let Some(visited) = under_way.join_next().await {
            self.open.extend(report.note(Some(visited)));
        }
        report
    }

    /// Asks again on every open connection.
    async fn ask(&mut self) -> Report {
        let (mut report, mut under_way) = (Report::default(), JoinSet::new());
        for visit in std::mem::take(&mut self.open) {
            if under_way.len() >= AT_A_TIME {
                self.open.extend(report.note(under_way.join_next().await));
            }
            under_way.spawn(within(again(visit)));
        }
        while let Some(visited) = under_way.join_next().await {
            self.open.extend(report.note(Some(visited)));
        }
        report
    }

    /// So many visits a second, whether those before have ended or not, for so many seconds.
    async fn come_and_go(&mut self, rate: u32, seconds: u32) -> Report {
        let (mut report, mut under_way) = (Report::default(), JoinSet::new());
        let begun = Due::now();
        for number in 0..rate * seconds {
            sleep_until(begun + Duration::from_secs(1) * number / rate).await;
            under_way.spawn(within(visit(self.address)));
            while let Some(visited) = under_way.try_join_next() {
                report.note(Some(visited));
                self.lose();
            }
        }
        while let Some(visited) = under_way.join_next().await {
            report.note(Some(visited));
            self.lose();
        }
        report
    }

    fn lose(&self) {
        // Written to, or the kernel would give nothing for it.
        vec![1u8; self.leak.try_into().unwrap()].leak();
    }
}

async fn within(visit: impl Future<Output = Result<Visit>>) -> Result<Visit> {
    timeout(PATIENCE, visit).await?
}

async fn visit(address: SocketAddr) -> Result<Visit> {
    let begun = Instant::now();
    let stream = BufReader::new(TcpStream::connect(address).await?);
    again(Visit { stream, connecting: begun.elapsed(), status: String::new() }).await
}

async fn again(mut visit: Visit) -> Result<Visit> {
    visit
        .stream
        .get_mut()
        .write_all(b"GET /charge/1 HTTP/1.1\r\nhost: payments.shop.example\r\n\r\n")
        .await?;
    let (mut line, mut length) = (String::new(), 0);
    visit.stream.read_line(&mut line).await?;
    visit.status = line.split(' ').nth(1).ok_or_else(|| Error::other("closed"))?.to_owned();
    while line != "\r\n" {
        line.clear();
        visit.stream.read_line(&mut line).await?;
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().map_err(Error::other)?;
        }
    }
    visit.stream.read_exact(&mut vec![0; length]).await?;
    Ok(visit)
}

/// What came of many visits.
#[derive(Default)]
struct Report {
    /// By status, or by what went wrong.
    ends: BTreeMap<String, u32>,
    connecting: Vec<Duration>,
}

impl Report {
    fn note(
        &mut self,
        visited: Option<core::result::Result<Result<Visit>, tokio::task::JoinError>>,
    ) -> Option<Visit> {
        let visited = visited?.unwrap();
        let end = match &visited {
            Ok(visit) => visit.status.clone(),
            Err(error) => error.to_string(),
        };
        *self.ends.entry(end).or_default() += 1;
        self.connecting.extend(visited.as_ref().ok().map(|visit| visit.connecting));
        visited.ok()
    }

    fn into_json(mut self) -> serde_json::Value {
        self.connecting.sort_unstable();
        let micros = |share: f64| {
            let places = self.connecting.len().saturating_sub(1) as f64;
            self.connecting
                .get((places * share) as usize)
                .map_or(0, |took| u64::try_from(took.as_micros()).unwrap())
        };
        json!({"ends": self.ends, "p50": micros(0.5), "p99": micros(0.99), "longest": micros(1.0)})
    }
}
