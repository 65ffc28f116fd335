//! connect() as a program sees it: native, and under the shim.
//!
//! The program is this one, started again as `procgate-bench connect ADDRESS`: natively, under the
//! shim with an exempt destination, with a captured one, and with its mapped code attested as well.

use crate::fixture::Fixture;
use crate::table::Series;
use procgate_identity::{CodeList, Digest};
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const ROUNDS: usize = 21;
const CONNECTS: usize = 500;

/// The word that makes this program the one that connects.
pub(crate) const WORD: &str = "connect";

/// Connects again and again and prints the median in nanoseconds.
pub(crate) fn connect_and_print(address: &str) -> io::Result<()> {
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let mut nanos = Vec::with_capacity(CONNECTS);
    for _ in 0..CONNECTS {
        let start = Instant::now();
        let stream = TcpStream::connect(address)?;
        nanos.push(start.elapsed().as_nanos());
        drop(stream);
    }
    nanos.sort_unstable();
    println!("{}", nanos[nanos.len() / 2]);
    Ok(())
}

/// Microseconds at the median of each round, for each way to connect.
pub(crate) fn measure(shim: &Path, fixture: &Fixture) -> io::Result<Vec<Series>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let files = Files::write(fixture)?;
    let own = std::env::current_exe()?;
    let under_shim = |options: &[&str]| {
        let mut command = Command::new(shim);
        command.args(["run", "--trust-domain", "bench.example", "--host", "bench", "--container", "app"]);
        command.arg("--key").arg(&files.key).args(options).arg("--").arg(&own).args([WORD, &address]);
        command
    };
    let mut native = Command::new(&own);
    native.args([WORD, &address]);
    let code_list = files.code_list.to_string_lossy().into_owned();
    let mut ways = [
        ("native", native),
        ("trapped, exempt", under_shim(&[])),
        ("trapped, captured", under_shim(&["--capture", &address])),
        ("trapped, captured, with code DNA", under_shim(&["--capture", &address, "--code-list", &code_list])),
    ];
    let mut series: Vec<_> = ways.iter().map(|(name, _)| Series::new(*name)).collect();
    for _ in 0..ROUNDS {
        for (series, (_, command)) in series.iter_mut().zip(&mut ways) {
            series.values.push(run(command)?);
        }
    }
    Ok(series)
}

fn run(command: &mut Command) -> io::Result<f64> {
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let nanos = text.trim().parse::<f64>();
    nanos
        .map(|nanos| nanos / 1e3)
        .map_err(|_| io::Error::other(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))))
}

/// What the shim reads; removed when dropped.
struct Files {
    folder: PathBuf,
    key: PathBuf,
    code_list: PathBuf,
}

impl Files {
    fn write(fixture: &Fixture) -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("procgate-bench-{}", std::process::id()));
        fs::create_dir(&folder)?;
        let files = Self { key: folder.join("key.jwk"), code_list: folder.join("code.list"), folder };
        fs::write(&files.key, fixture.private_jwk().as_bytes())?;
        fs::write(&files.code_list, own_code()?)?;
        Ok(files)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The code list of this very process: every file that it has mapped executable.
fn own_code() -> io::Result<String> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let executable =
        maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.contains('x')));
    let files = executable.filter_map(|line| line.find('/').map(|at| line.split_at(at).1));
    let digests = files.map(|file| fs::read(file).map(|bytes| Digest::of(&bytes)));
    let list = CodeList::from_digests(digests.collect::<io::Result<Vec<_>>>()?);
    Ok(list.iter().map(|digest| format!("{digest}\n")).collect())
}
