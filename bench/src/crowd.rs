//! Many threads that connect at a time: what one connect() takes of the shim's CPU then.

use crate::connect;
use crate::shim::{self, BY_OWN_SOCKET, BY_PIDFD, Shim};
use crate::table::Series;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

const ROUNDS: usize = 7;
const THREADS: usize = 64;
const CONNECTS: usize = 6_400;

/// The word that makes this program the crowd.
pub(crate) const WORD: &str = "crowd";

/// Connects once, so that the shim knows this program; at each word from without connects from all threads.
pub(crate) fn connect_when_told(address: SocketAddr) -> io::Result<()> {
    connect::visit(address)?;
    println!("ready");
    io::stdin().read_exact(&mut [0])?;
    std::thread::scope(|scope| {
        let crowd: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| connect_a_share(address))).collect();
        crowd.into_iter().try_for_each(|thread| thread.join().expect("it does not panic"))
    })?;
    println!("done");
    // The shim is looked at before it ends with this program.
    io::stdin().read_exact(&mut [0])
}

fn connect_a_share(address: SocketAddr) -> io::Result<()> {
    (0..CONNECTS / THREADS).try_for_each(|_| connect::visit(address).map(drop))
}

/// Microseconds of the shim's CPU for each connect(), for each way to the program's sockets.
pub(crate) fn measure(shim: &Shim) -> io::Result<Vec<Series>> {
    let address = connect::server()?.to_string();
    let mut series = Vec::new();
    for (name, way) in [("proxy-v2 by pidfd", BY_PIDFD), ("proxy-v2 by own-socket", BY_OWN_SOCKET)] {
        let command = shim.with_code(&[way, &["--capture", &address]].concat(), &[WORD, &address])?;
        series.push((Series::new(format!("{name}, with code DNA")), command));
    }
    for _ in 0..ROUNDS {
        for (series, command) in &mut series {
            series.values.push(one_round(command)?);
        }
    }
    Ok(series.into_iter().map(|(series, _)| series).collect())
}

fn one_round(command: &mut Command) -> io::Result<f64> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped"));
    await_word(&mut lines, "ready")?;
    let before = shim::cpu(child.id())?;
    tell(&mut child)?;
    await_word(&mut lines, "done")?;
    let took = shim::cpu(child.id())? - before;
    tell(&mut child)?;
    child.wait()?;
    Ok(took.as_secs_f64() * 1e6 / CONNECTS as f64)
}

fn tell(child: &mut Child) -> io::Result<()> {
    child.stdin.as_mut().expect("it is piped").write_all(b"\n")
}

fn await_word(lines: &mut BufReader<ChildStdout>, word: &str) -> io::Result<()> {
    let mut line = String::new();
    lines.read_line(&mut line)?;
    if line.trim() == word { Ok(()) } else { Err(io::Error::other(format!("{word} was due, not {line:?}"))) }
}
