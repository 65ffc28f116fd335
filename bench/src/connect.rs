//! connect() as a program sees it: native, and under the shim.
//!
//! The program is this one, started again as `procgate-bench connect ADDRESS`: natively, under the
//! shim with an exempt destination, with a captured one, with its mapped code attested as well, and with the token
//! in a preface. Where the shim makes the program's sockets, making one is part of it: natively too.

use crate::shim::{self, BY_OWN_SOCKET, BY_PIDFD, Shim};
use crate::table::Series;
use rustix::net::sockopt::set_socket_linger;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

const ROUNDS: usize = 21;
const CONNECTS: usize = 500;

/// The word that makes this program the one that connects.
pub(crate) const WORD: &str = "connect";

/// What a program sends: no beginning of a request, for which the forwarder would wait, and no end of a token.
const END: u8 = 0;

/// Connects again and again and prints the median in nanoseconds.
pub(crate) fn connect_and_print(address: SocketAddr) -> io::Result<()> {
    let mut nanos = (0..CONNECTS).map(|_| visit(address)).collect::<io::Result<Vec<_>>>()?;
    nanos.sort_unstable();
    println!("{}", nanos[nanos.len() / 2].as_nanos());
    Ok(())
}

/// Connects, and waits for the server to end it; how long connecting took.
pub(crate) fn visit(address: SocketAddr) -> io::Result<Duration> {
    let start = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    let took = start.elapsed();
    // Whether it ends with a reset does not matter.
    let _ = stream.write(&[END]).and_then(|_| stream.read(&mut [0]));
    Ok(took)
}

/// A server that ends each connection when it has sent its own byte, whatever was ahead of that, and leaves no port
/// behind that waits.
pub(crate) fn server() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut bytes = [0; 2_048];
            while stream.read(&mut bytes).is_ok_and(|length| length > 0 && bytes[length - 1] != END) {}
            let _ = set_socket_linger(&stream, Some(Duration::ZERO));
        }
    });
    Ok(address)
}

/// Microseconds at the median of each round, for each way to connect.
pub(crate) fn measure(shim: &Shim) -> io::Result<Vec<Series>> {
    let address = server()?.to_string();
    let words = [WORD, &address];
    let captured = ["--capture", &address];
    let preface = |way: &[&'static str]| shim.with_code(&[way, &captured].concat(), &words);
    let mut ways = [
        ("native", shim::natively(&words)?),
        ("trapped, exempt", shim.command(&[], &words)?),
        ("trapped, captured", shim.command(&captured, &words)?),
        ("trapped, captured, with code DNA", shim.with_code(&captured, &words)?),
        ("proxy-v2 by pidfd, with code DNA", preface(BY_PIDFD)?),
        ("proxy-v2 by own-socket, with code DNA", preface(BY_OWN_SOCKET)?),
    ];
    let mut series: Vec<_> = ways.iter().map(|(name, _)| Series::new(*name)).collect();
    for _ in 0..ROUNDS {
        for (series, (_, command)) in series.iter_mut().zip(&mut ways) {
            series.values.push(shim::numbers(command)?[0] / 1e3);
        }
    }
    Ok(series)
}
