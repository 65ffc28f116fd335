//! Starting, signals, exit codes.

use crate::stage::{Scratch, Server, Shim, python};
use procgate_identity::Digest;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

fn executable(scratch: &Scratch, name: &str, content: &str) -> String {
    let path = scratch.file(name, content);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_exit_code_is_the_program_s() {
    assert_eq!(Shim::new().run(&["sh", "-c", "exit 7"]).code, Some(7));
    assert_eq!(Shim::new().run(&["true"]).code, Some(0));
    assert_eq!(Shim::new().run(&["sh", "-c", "kill -9 $$"]).code, Some(137));
}

#[test]
fn a_program_that_cannot_start_is_126_or_127_and_one_line() {
    let scratch = Scratch::new();
    let plain = scratch.file("plain", "text").to_str().unwrap().to_owned();
    let foreign = executable(&scratch, "foreign", "\x7fELF of some other machine");
    let unset = executable(&scratch, "unset", "#!/nowhere/interpreter\n");
    let folder = scratch.path().to_str().unwrap();
    for (program, code) in [
        ("/nowhere/program", 127),
        ("no-such-program-in-the-path", 127),
        (&unset, 127),
        (&plain, 126),
        (&foreign, 126),
        (folder, 126),
    ] {
        let ran = Shim::new().run(&[program]);
        assert_eq!(ran.code, Some(code), "{program}: {}", ran.log);
        let errors = ran.log.lines().filter(|line| line.starts_with("procgate-shim: error: "));
        assert_eq!(errors.count(), 1, "{program}: {}", ran.log);
    }
}

#[test]
fn a_failure_of_the_shim_is_125_and_the_program_is_not_started() {
    let scratch = Scratch::new();
    let list = scratch.file("list", "not a digest\n");
    let mark = scratch.path().join("started");
    let touch = ["touch", mark.to_str().unwrap()];
    let shims = [
        Shim::new().option("--code-list", list.to_str().unwrap()),
        Shim::new().option("--code-list", "/nowhere"),
        Shim::new().option("--label", "no-value"),
        Shim::new().option("--exempt", "10.0.0.0/33"),
        Shim::new().option("--token-life", "0"),
        Shim::new().option("--require", "telepathy"),
        Shim::new().flag("--no-such-option"),
        Shim::new().flag("--strict"),
    ];
    for shim in shims {
        let ran = shim.run(&touch);
        assert_eq!(ran.code, Some(125), "{}", ran.log);
        assert!(ran.log.contains("error: "), "{}", ran.log);
    }
    assert!(!mark.exists());
}

/// Told at once, before the program starts: nobody waits for somebody to write to a FIFO.
#[test]
fn a_key_that_cannot_be_read_is_told_by_its_place_and_why() {
    let scratch = Scratch::new();
    let [malformed, closed] = ["malformed", "closed"].map(|name| scratch.file(name, "{\"kty\": \"oct\"}"));
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
    let fifo = scratch.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mark = scratch.path().join("started");
    for (key, why) in [
        (Path::new("/nowhere/key"), "No such file"),
        (&malformed, "not a JWK"),
        (&closed, "Permission denied"),
        (&fifo, "it is not a regular file"),
        (scratch.path(), "it is not a regular file"),
    ] {
        let mut shim = bound_by_permissions(env!("CARGO_BIN_EXE_procgate-shim"));
        shim.args(["run", "--trust-domain", "a.example", "--host", "b", "--container", "c", "--key"]);
        let output = shim.arg(key).args(["--", "touch"]).arg(&mark).output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{key:?}: {log}");
        let begin = format!("procgate-shim: error: key {}: ", key.display());
        assert!(log.starts_with(&begin) && log.contains(why), "{key:?}: {log}");
        assert!(!mark.exists());
    }
}

/// A program that reads no more than a file's mode says, though root runs the tests.
fn bound_by_permissions(program: &str) -> Command {
    if !rustix::process::getuid().is_root() {
        return Command::new(program);
    }
    let mut setpriv = Command::new("setpriv");
    setpriv.args(["--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search", "--", program]);
    setpriv
}

#[test]
fn signals_reach_the_program() {
    let program = "import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(42))
signal.signal(signal.SIGUSR1, lambda *_: print('usr1', flush=True))
print('ready', flush=True)
while True: time.sleep(1)";
    let (mut command, _scratch) = Shim::new().command(&[python(), "-c", program]);
    let mut shim = command.stderr(Stdio::null()).spawn().unwrap();
    let mut out = shim.stdout.take().unwrap();
    let mut line = |wanted: &str| {
        let mut bytes = vec![0; wanted.len()];
        out.read_exact(&mut bytes).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), wanted);
    };
    let pid = rustix::process::Pid::from_child(&shim);
    line("ready\n");
    rustix::process::kill_process(pid, rustix::process::Signal::USR1).unwrap();
    line("usr1\n");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(shim.wait().unwrap().code(), Some(42));
}

#[test]
fn a_shim_that_is_killed_while_it_starts_leaves_nobody_waiting() {
    let mark = "17.0815";
    for delay in 0..40 {
        let (mut command, _scratch) = Shim::new().command(&["sleep", mark]);
        let mut shim = command.spawn().unwrap();
        std::thread::sleep(Duration::from_micros(delay * 500));
        shim.kill().unwrap();
        shim.wait().unwrap();
    }
    std::thread::sleep(Duration::from_millis(300));
    let (mut programs, mut waiting) = (vec![], vec![]);
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let words = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).into_owned();
        if words.contains(mark) {
            let pid = process.file_name().to_str().unwrap().parse().unwrap();
            if words.starts_with("sleep") { programs.push(pid) } else { waiting.push(pid) }
        }
    }
    for pid in programs.iter().chain(&waiting) {
        let pid = rustix::process::Pid::from_raw(*pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    assert!(waiting.is_empty(), "{waiting:?}, and {} programs had started", programs.len());
}

#[test]
fn the_program_starts_as_it_would_without_the_shim() {
    let program = "import os, resource
print(sorted(os.listdir('/proc/self/fd')), resource.getrlimit(resource.RLIMIT_NOFILE))
print(sorted(name for name in os.environ))
status = dict(line.split(':\\t') for line in open('/proc/self/status').read().splitlines() if ':\\t' in line)
# Without the C library's own, which any program with threads resets.
print(status['SigBlk'], int(status['SigIgn'], 16) & 0x7fffffff)
print([status[name] for name in ('SigCgt', 'Uid', 'Groups', 'CapEff')])";
    let mut native = Command::new(python());
    let native = native.args(["-c", program]).stdin(Stdio::null()).output().unwrap();
    let ran = Shim::new().run(&[python(), "-c", program]);
    assert_eq!(ran.out, String::from_utf8_lossy(&native.stdout), "{}", ran.log);
    let ran = Shim::new().run(&["sh", "-c", "tr '\\0' '\\n' < /proc/$$/cmdline | head -1"]);
    assert_eq!(ran.out, "sh\n");
}

#[test]
fn orphans_are_buried() {
    let program = "import os, time
if os.fork() == 0:
    if os.fork() == 0: time.sleep(0.1); os._exit(0)
    os._exit(0)
os.wait(); time.sleep(0.5)
def parent(p):
    try: return open(f'/proc/{p}/stat').read().split()[3]
    except OSError: return None
print([p for p in os.listdir('/proc') if p.isdigit() and parent(p) == str(os.getppid())] == [str(os.getpid())])";
    let ran = Shim::new().run(&[python(), "-c", program]);
    assert_eq!(ran.out, "True\n", "{}", ran.log);
}

#[test]
fn a_log_that_nobody_reads_ends_nothing() {
    let server = Server::new();
    let scratch = Scratch::new();
    // Whatever is mapped is not on this list, and that is said at the first connection.
    let list = scratch.file("list", Digest::of(b"").to_string());
    let program = format!(
        "import socket, time
time.sleep(0.5)
for _ in range(2):
    c = socket.create_connection(('127.0.0.1', {port}), timeout=5)
    c.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n'); print(c.recv(15).decode())",
        port = server.address.port()
    );
    let shim = Shim::capturing(server.address).option("--code-list", list.to_str().unwrap());
    let (mut command, _scratch) = shim.command(&[python(), "-c", &program]);
    let mut shim = command.spawn().unwrap();
    drop(shim.stderr.take());
    let output = shim.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "HTTP/1.1 200 OK\n".repeat(2));
}
