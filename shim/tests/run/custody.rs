//! The signing key stays with the shim.

use crate::stage::{Scratch, Server, Shim, WAYS};

#[test]
fn the_program_cannot_look_into_the_shim() {
    let scratch = Scratch::new();
    let spy = scratch.compile("spy", include_str!("spy.c"), &[]);
    // Root with SYS_PTRACE may do all of that: the program must be somebody else.
    let shim = if rustix::process::getuid().is_root() {
        Shim::new().option("--user", "65534:65534")
    } else {
        Shim::new()
    };
    let ran = shim.run(&[spy.to_str().unwrap()]);
    assert_eq!(ran.out, "done\n", "{}", ran.log);
}

#[test]
fn the_key_is_locked_in_memory() {
    let ran = Shim::new().run(&["sh", "-c", "grep VmLck /proc/$PPID/status"]);
    let kilobytes: u32 = ran.out.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kilobytes > 0, "{}", ran.log);
}

#[test]
fn a_key_that_the_program_can_read_is_told_and_refused_when_strict() {
    let ran = Shim::new().run(&["true"]);
    assert!(ran.log.contains("can be read by the program too"), "{}", ran.log);
    let ran = Shim::new().flag("--strict").run(&["true"]);
    assert_eq!(ran.code, Some(125), "{}", ran.log);
}

/// Whoever may signal the shim may stop it. Its program's calls wait then, and go through as ever when it goes on.
#[test]
fn while_the_shim_is_stopped_nothing_connects() {
    let program = "import signal, time
shim = os.getppid()
os.kill(shim, signal.SIGSTOP)
child = os.fork()
if child == 0:
    c = socket.create_connection((HOST, PORT)); c.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n')
    print(c.recv(8), flush=True); os._exit(0)
time.sleep(0.5)
print(os.waitpid(child, os.WNOHANG)[0], flush=True)
os.kill(shim, signal.SIGCONT)
os.waitpid(child, 0)";
    for way in WAYS {
        let server = Server::new();
        let ran = Shim::by(way, server.address).python(server.address, program);
        assert_eq!(ran.out, "0\nb'HTTP/1.1'\n", "{way:?}: {}", ran.log);
        server.next().claims();
        assert!(server.more().is_empty());
    }
}

#[test]
fn a_program_that_kills_its_shim_connects_nowhere() {
    let program = "import signal, time
before = socket.socket()
shim = os.getppid()
os.kill(shim, signal.SIGKILL)
while os.getppid() == shim: time.sleep(0.01)
print(before.connect_ex((HOST, PORT)))
try: print(socket.socket().connect_ex((HOST, PORT)))
except OSError as error: print(error.errno)";
    for way in WAYS {
        let server = Server::new();
        let ran = Shim::by(way, server.address).python(server.address, program);
        let nobody = libc::ENOSYS;
        assert_eq!(ran.out, format!("{nobody}\n{nobody}\n"), "{way:?}: {}", ran.log);
        assert!(server.more().is_empty(), "{way:?}");
    }
}

#[test]
fn neither_token_nor_key_is_logged() {
    let server = Server::new();
    let program =
        "c = socket.create_connection((HOST, PORT)); c.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n'); c.recv(1)";
    let ran = Shim::capturing(server.address).python(server.address, program);
    let token = server.next().tokens().remove(0);
    assert!(token.split('.').all(|part| !ran.log.contains(part)));
    assert!(!ran.log.contains("\"d\""));
}

/// A name of many lines, with sequences that a terminal obeys.
#[test]
fn no_name_of_a_file_writes_a_line_of_its_own_into_the_log() {
    let (server, scratch) = (Server::new(), Scratch::new());
    let name = "a\nprocgate-shim: all is well\r\u{1b}[2J\u{202e}";
    let source = include_str!("request.c").replace("PORT", &server.address.port().to_string());
    let tool = scratch.compile("tool", &source, &[]);
    let named = scratch.path().join(name);
    std::fs::rename(tool, &named).unwrap();
    let list = scratch.file("list", format!("{}\n", procgate_identity::Digest::of(b"")));
    let shim = Shim::capturing(server.address).option("--code-list", list.to_str().unwrap());
    let ran = shim.run(&[named.to_str().unwrap()]);
    let claims = server.next().claims();
    assert!(claims.name.ends_with(name) && claims.stray.is_some(), "{}", ran.log);
    assert!(ran.log.contains("not on the code list"), "{}", ran.log);
    assert!(!ran.log.contains("\nprocgate-shim: all is well"), "{}", ran.log);
    assert!(ran.log.chars().all(|letter| letter == '\n' || !letter.is_control()), "{:?}", ran.log);
    assert!(!ran.log.contains('\u{202e}'), "{:?}", ran.log);
}
