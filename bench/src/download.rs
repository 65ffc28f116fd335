//! Many bytes downstream: natively, through a proxy that does nothing but splice(2), and through the shim's forwarder.

use crate::shim::{self, Shim};
use crate::table::Series;
use rustix::pipe::{SpliceFlags, pipe, splice};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

const ROUNDS: usize = 11;
const MEGABYTES: usize = 256;
const MEGABYTE: usize = 1 << 20;
/// What a pipe holds.
const PIPE: usize = 64 * 1_024;

/// The word that makes this program the one that downloads.
pub(crate) const WORD: &str = "download";

/// Asks for the bytes with one of its own, which begins no request, and prints the nanoseconds until all were there.
pub(crate) fn download_and_print(address: SocketAddr) -> io::Result<()> {
    let (mut buffer, mut received) = (vec![0; MEGABYTE], 0);
    let start = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(&[0])?;
    while let length @ 1.. = stream.read(&mut buffer)? {
        received += length;
    }
    println!("{}", start.elapsed().as_nanos());
    if received == MEGABYTES * MEGABYTE { Ok(()) } else { Err(io::Error::other("the download was cut")) }
}

/// Milliseconds of each round, for each way.
pub(crate) fn measure(shim: &Shim) -> io::Result<Vec<Series>> {
    let server = serving(|mut client| {
        client.read_exact(&mut [0])?;
        let block = vec![1; MEGABYTE];
        (0..MEGABYTES).try_for_each(|_| client.write_all(&block))
    })?;
    let proxy = serving(move |client| relay(client, server))?;
    let [server, proxy] = [server, proxy].map(|address| address.to_string());
    let mut ways = [
        ("native", shim::natively(&[WORD, &server])?),
        ("a splice proxy", shim::natively(&[WORD, &proxy])?),
        ("the shim's forwarder", shim.command(&["--capture", &server], &[WORD, &server])?),
    ];
    let mut series: Vec<_> = ways.iter().map(|(name, _)| Series::new(*name)).collect();
    for _ in 0..ROUNDS {
        for (series, (_, command)) in series.iter_mut().zip(&mut ways) {
            series.values.push(shim::numbers(command)?[0] / 1e6);
        }
    }
    Ok(series)
}

/// A server that serves one connection after the other.
fn serving(serve: impl Fn(TcpStream) -> io::Result<()> + Send + 'static) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // Whoever asks says what was cut.
            let _ = serve(client);
        }
    });
    Ok(address)
}

/// The client's byte to the server, and all of the server's to the client.
fn relay(mut client: TcpStream, to: SocketAddr) -> io::Result<()> {
    let (mut server, mut byte) = (TcpStream::connect(to)?, [0]);
    client.read_exact(&mut byte)?;
    server.write_all(&byte)?;
    let (read, write) = pipe()?;
    loop {
        let mut left = splice(&server, None, &write, None, PIPE, SpliceFlags::MOVE)?;
        if left == 0 {
            return Ok(());
        }
        while left > 0 {
            left -= splice(&read, None, &client, None, left, SpliceFlags::MOVE)?;
        }
    }
}
