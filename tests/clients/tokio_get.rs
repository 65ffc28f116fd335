//! tokio, 200 tasks at a time, each with a connection of its own, under `tokio::time::timeout`.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a client for the tests stops at what goes wrong"
)]

use std::io::{Error, Result};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const MANY: usize = 200;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let [_, url, seconds] = &std::env::args().collect::<Vec<_>>()[..] else { return };
    let (authority, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let patience = Duration::from_secs(seconds.parse().unwrap());
    let started = Instant::now();
    let mut gets = JoinSet::new();
    for _ in 0..MANY {
        let (authority, path) = (authority.to_owned(), path.to_owned());
        gets.spawn(async move { tokio::time::timeout(patience, get(&authority, &path)).await? });
    }
    let (mut answers, failures): (Vec<_>, Vec<_>) =
        gets.join_all().await.into_iter().partition(Result::is_ok);
    answers.dedup_by_key(|answer| answer.as_ref().ok().cloned());
    match (&answers[..], &failures[..]) {
        ([Ok(status)], []) => println!("{status}"),
        ([], [Err(error), ..]) => println!("failed {} {error:?}", started.elapsed().as_millis()),
        _ => println!("not alike {answers:?} {failures:?}"),
    }
}

async fn get(authority: &str, path: &str) -> Result<String> {
    let mut stream = BufReader::new(TcpStream::connect(authority).await?);
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {authority}\r\n\r\n");
    stream.get_mut().write_all(request.as_bytes()).await?;
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    line.split(' ').nth(1).map(str::to_owned).ok_or_else(|| Error::other("closed"))
}
