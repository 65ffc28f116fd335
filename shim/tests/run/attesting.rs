//! Whose code a token names.

use crate::skip::{is_root_for, leave_out};
use crate::stage::{Scratch, Server, Shim, WAYS, python};
use procgate_identity::{CodeList, Digest};
use std::fs;
use std::os::unix::fs::PermissionsExt;
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

/// One file in the guise of another: the token has the digest of what runs, never of what it is called.
#[test]
fn whatever_guise_a_program_starts_in_its_token_names_the_file_that_runs() {
    let (server, scratch) = (Server::new(), Scratch::new());
    let source = include_str!("request.c").replace("PORT", &server.address.port().to_string());
    let tool = scratch.compile("tool", &source, &[]);
    let [link, applet] = ["link", "checkout"].map(|name| scratch.path().join(name));
    fs::hard_link(&tool, &link).unwrap();
    std::os::unix::fs::symlink(&tool, &applet).unwrap();
    let loader = loader();
    let memory = "import os, sys
fd = os.memfd_create('checkout'); os.write(fd, open(sys.argv[1], 'rb').read() + b'more'); os.lseek(fd, 0, 0)
os.execve(fd, ['checkout'], os.environ)";
    let [tool, link, applet, loader] = [&tool, &link, &applet, &loader].map(|path| path.to_str().unwrap());
    let content = fs::read(tool).unwrap();
    let of_tool = Digest::of(&content);
    for (guise, command, runs) in [
        ("a hard link", &[link][..], of_tool),
        ("a symbolic link, as busybox has them", &[applet], of_tool),
        ("a name in its first argument", &["bash", "-c", "exec -a checkout \"$0\"", tool], of_tool),
        ("an argument of the loader", &[loader, tool], Digest::of(&fs::read(loader).unwrap())),
        ("bytes in memory", &[python(), "-c", memory, tool], Digest::of(&[&content, &b"more"[..]].concat())),
    ] {
        let ran = Shim::capturing(server.address).run(command);
        assert_eq!(ran.code, Some(0), "{guise}: {}", ran.log);
        assert_eq!(server.next().claims().exe, runs, "{guise}");
    }
}

/// The dynamic loader that this process was started with.
fn loader() -> std::path::PathBuf {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let path =
        maps.lines().filter_map(|line| line.split_whitespace().nth(5)).find(|path| path.contains("/ld-"));
    path.expect("this test is linked dynamically").into()
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

/// A program that its own user may execute and not read, and one that hides itself: nobody can say what it is, so its
/// connections say nothing.
#[test]
fn a_program_whose_file_the_shim_cannot_read_gets_no_token() {
    if !is_root_for("a program that its own user may not read") {
        return;
    }
    let (server, scratch) = (Server::new(), Scratch::new());
    let source = include_str!("request.c").replace("PORT", &server.address.port().to_string());
    let [open, closed] = ["open", "closed"].map(|name| scratch.compile(name, &source, &[]));
    let hidden = scratch.compile("hidden", &source, &["-DHIDDEN"]);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o111)).unwrap();
    for way in WAYS {
        for (program, is_named) in [(&open, true), (&closed, false), (&hidden, false)] {
            let shim = Shim::by(way, server.address).option("--user", "65534:65534");
            let ran = shim.run(&[program.to_str().unwrap()]);
            let seen = server.next();
            assert!(String::from_utf8_lossy(seen.payload()).contains("GET /WORD"), "{way:?} {program:?}");
            assert_eq!(seen.tokens().len(), usize::from(is_named), "{way:?} {program:?}: {}", ran.log);
            assert_eq!(ran.log.contains("has no identity"), !is_named, "{way:?} {program:?}: {}", ran.log);
        }
    }
}

/// Without privileges: a user namespace gives root's. Natively the kernel then names the other program.
#[test]
fn no_process_has_the_kernel_name_another_executable() {
    let scratch = Scratch::new();
    let forge = scratch.compile("forge", include_str!("forge.c"), &["-static"]);
    let (forge, server) = (forge.to_str().unwrap(), Server::new());
    let port = server.address.port().to_string();
    let native = Command::new(forge).args([python(), &port]).output().unwrap();
    if native.stdout != b"0\n" {
        return leave_out(&format!("a forged executable, which this kernel lets nobody have: {native:?}"));
    }
    assert!(server.next().tokens().is_empty());
    for way in WAYS {
        let ran = Shim::by(way, server.address).run(&[forge, python(), &port]);
        assert_eq!(ran.out, format!("{}\n", libc::EPERM), "{way:?}: {}", ran.log);
        assert_eq!(server.next().claims().exe, Digest::of(&fs::read(forge).unwrap()), "{way:?}");
    }
}

#[test]
fn the_script_that_the_shim_started_is_named_until_something_else_is_executed() {
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
