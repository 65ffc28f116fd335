//! Starting the program under the filter.

use crate::failure::{Failure, NOT_EXECUTABLE, NOT_FOUND};
use crate::program::Program;
use crate::sys::child::{Child, Image};
use crate::sys::filter::Filter;
use crate::sys::notify::Listener;
use crate::sys::signals::Mask;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType, socketpair,
};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};
use std::ffi::OsString;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Starts the program. `serve` gets the filter's listener and must have started to answer when it
/// returns: the program's own start is the first thing that it is asked about.
pub(crate) fn launch(
    program: &Program,
    mask: Mask,
    filter: Filter,
    serve: impl FnOnce(Listener) -> io::Result<()> + Send + 'static,
) -> Result<Pid, Failure> {
    let own = |what: &str, error: &dyn core::fmt::Display| Failure::own(format!("{what}: {error}"));
    let files = raise_file_limit();
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .map_err(|error| own("cannot make a socket pair", &error))?;
    let ours = Arc::new(ours);
    let receiver = Arc::clone(&ours);
    let installed = Arc::new(AtomicBool::new(false));
    let mark = Arc::clone(&installed);
    let waiting = std::thread::Builder::new().name("serve".into()).spawn(move || {
        let Some(listener) = receive(&ours)? else { return Ok(()) };
        mark.store(true, Ordering::Release);
        serve(Listener::new(listener))
    });
    let waiting = waiting.map_err(|error| own("cannot start a thread", &error))?;
    let words = core::iter::once(&program.name).chain(&program.arguments).map(OsString::as_os_str);
    let image = Image::new(program.path.as_os_str(), words)
        .map_err(|error| own("a word of the command line", &error))?;
    let mut command = Command::new(&program.path);
    Child { filter, channel: theirs, receiver, mask, files, image }.prepare(&mut command);
    let spawned = command.spawn();
    // The child's end of the pair is closed with the command: a thread that still waits goes on.
    drop(command);
    let served = waiting.join().unwrap_or_else(|_| Err(io::Error::other("the thread that answers failed")));
    served.map_err(|error| own("cannot answer the program's system calls", &error))?;
    let child = spawned.map_err(|error| not_started(program, &error, installed.load(Ordering::Acquire)))?;
    i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| Failure::own("the program has no process id"))
}

/// Lets the shim hold as many descriptors as it may, and says what the program shall be limited to.
fn raise_file_limit() -> Rlimit {
    let before = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: before.maximum, maximum: before.maximum });
    before
}

/// The listener that the child sends; nothing where it ended without.
fn receive(channel: &OwnedFd) -> io::Result<Option<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let flags = RecvFlags::CMSG_CLOEXEC;
    rustix::net::recvmsg(channel, &mut [IoSliceMut::new(&mut byte)], &mut control, flags)?;
    let mut descriptors = control.drain().filter_map(|message| {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message { Some(descriptors) } else { None }
    });
    Ok(descriptors.next().and_then(|mut descriptors| descriptors.next()))
}

fn not_started(program: &Program, error: &io::Error, installed: bool) -> Failure {
    let path = program.path.display();
    if !installed {
        return Failure::own(format!(
            "the seccomp filter was refused ({error}): Linux 5.19 or later is needed, and a runtime that \
             permits seccomp with user notification; `procgate-shim check` says what is missing"
        ));
    }
    match error.raw_os_error() {
        Some(libc::ENOENT) => {
            let line = format!("{path}: its interpreter or loader is missing: use an image that has it");
            Failure::program(NOT_FOUND, line)
        }
        Some(libc::ENOEXEC) => {
            let line =
                format!("{path} is no program for this machine: check its architecture, or its #! line");
            Failure::program(NOT_EXECUTABLE, line)
        }
        _ => Failure::program(NOT_EXECUTABLE, format!("{path} cannot be executed: {error}")),
    }
}
