//! Whose code a token names.

use crate::stage::{Scratch, Server, Shim, python};
use procgate_identity::{CodeList, Digest};
use std::fs;
use std::path::Path;
use std::process::Command;

const REQUEST: &str =
    "c = socket.create_connection((HOST, PORT)); c.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n'); c.recv(1)";

/// The code list of what this Python maps for a request.
fn list_for_python() -> CodeList {
    let program = "import socket, time; socket.getaddrinfo('127.0.0.1', 1)
for line in open('/proc/self/maps'):
    parts = line.split(None, 5)
    if 'x' in parts[1] and len(parts) == 6 and parts[5][0] == '/': print(parts[5].strip())";
    let output = Command::new(python()).args(["-c", program]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    CodeList::from_digests(text.lines().map(|path| Digest::of(&fs::read(path).unwrap())))
}

#[test]
fn mapped_code_is_held_against_the_list() {
    let server = Server::new();
    let scratch = Scratch::new();
    let list = list_for_python();
    let text: String = list.iter().map(|digest| format!("{digest}\n")).collect();
    let file = scratch.file("list", text);
    let ran = Shim::capturing(server.address)
        .option("--code-list", file.to_str().unwrap())
        .python(server.address, REQUEST);
    let claims = server.next().claims();
    assert_eq!((claims.code, claims.stray), (Some(list.digest()), None), "{}", ran.log);

    let source = "int stray = 1; int f(void) { return stray; }";
    let library = scratch.compile("stray.so", source, &["-shared", "-fPIC"]);
    Shim::capturing(server.address)
        .option("--code-list", file.to_str().unwrap())
        .env("LD_PRELOAD", &library)
        .python(server.address, REQUEST);
    let claims = server.next().claims();
    let stray = claims.stray.unwrap();
    assert_eq!((claims.code, stray.path.as_str()), (None, library.to_str().unwrap()));
    assert_eq!(stray.digest, Some(Digest::of(&fs::read(&library).unwrap())));
}

#[test]
fn a_deleted_or_replaced_program_is_named_by_what_runs() {
    let server = Server::new();
    let scratch = Scratch::new();
    let copy = scratch.path().join("python");
    fs::copy(python(), &copy).unwrap();
    let program = format!(
        "import socket, os\nHOST, PORT = '127.0.0.1', {}\nos.rename({other:?}, {copy:?})\n{REQUEST}",
        server.address.port(),
        other = scratch.file("other", "another file under the same name"),
    );
    let home = Command::new(python()).args(["-c", "import sys; print(sys.base_prefix)"]).output().unwrap();
    let ran = Shim::capturing(server.address)
        .env("PYTHONHOME", String::from_utf8(home.stdout).unwrap().trim())
        .run(&[copy.to_str().unwrap(), "-c", &program]);
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert_eq!(server.next().claims().exe, Digest::of(&fs::read(python()).unwrap()));
}

#[test]
fn a_program_rewritten_in_place_is_noticed() {
    let server = Server::new();
    let scratch = Scratch::new();
    let port = server.address.port().to_string();
    let compile = |name, word| {
        scratch.compile(name, &include_str!("request.c").replace("PORT", &port).replace("WORD", word), &[])
    };
    let (tool, other) = (compile("tool", "first"), compile("other", "other"));
    let first = fs::read(&tool).unwrap();
    // The same inode, the same size: only its content is another.
    let script =
        format!("{tool} && cat {other} > {tool} && {tool}", tool = tool.display(), other = other.display());
    let ran = Shim::capturing(server.address).run(&["sh", "-c", &script]);
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert_eq!(server.next().claims().exe, Digest::of(&first));
    assert_eq!(server.next().claims().exe, Digest::of(&fs::read(&other).unwrap()));
}

#[test]
fn executing_another_program_while_connecting_never_borrows_its_name() {
    let server = Server::new();
    let scratch = Scratch::new();
    let text = include_str!("request.c").replace("PORT", &server.address.port().to_string());
    let trusted = scratch.compile("trusted", &text.replace("WORD", "trusted"), &[]);
    let evil = scratch.compile("evil", &text.replace("WORD", "evil"), &["-DRACE", "-pthread"]);
    let digest = |path: &Path| Digest::of(&fs::read(path).unwrap());
    let script = format!(
        "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do {} {}; done",
        evil.display(),
        trusted.display()
    );
    let ran = Shim::capturing(server.address).run(&["sh", "-c", &script]);
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    std::thread::sleep(std::time::Duration::from_millis(300));
    let mut seen = server.more();
    seen.retain(|seen| !seen.bytes.is_empty());
    assert!(seen.len() >= 20, "{}", seen.len());
    for seen in seen {
        let sender =
            if String::from_utf8_lossy(&seen.bytes).contains("GET /evil") { &evil } else { &trusted };
        if !seen.tokens().is_empty() {
            assert_eq!(seen.claims().exe, digest(sender));
        }
    }
}

#[test]
fn the_script_that_the_shim_started_is_named_until_something_else_is_executed() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::new();
    let scratch = Scratch::new();
    let port = server.address.port();
    let script = |again: &str| {
        let text = format!(
            "#!{}\nimport socket, os, sys\nHOST, PORT = '127.0.0.1', {port}\n{again}\n{REQUEST}\n",
            python()
        );
        let path = scratch.file("script", text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    let path = script("");
    Shim::capturing(server.address).run(&[path.to_str().unwrap()]);
    assert_eq!(server.next().claims().script, Some(Digest::of(&fs::read(&path).unwrap())));
    let path = script("if len(sys.argv) == 1: os.execv(sys.argv[0], [sys.argv[0], 'again'])");
    Shim::capturing(server.address).run(&[path.to_str().unwrap()]);
    assert_eq!(server.next().claims().script, None);
}
