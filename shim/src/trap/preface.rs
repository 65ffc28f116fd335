//! Connecting the workload's own socket with the token ahead of all that it will send. The SYN takes the
//! preface along, so that nobody waits for anything that he would not wait for natively, and the shim has
//! no part in the connection afterwards.

use super::Reply;
use super::held::Work;
use super::outgoing::{FORESTALLED, Outgoing, abort};
use super::sockets::is_non_blocking;
use crate::attest::Attestation;
use crate::mint::Minter;
use crate::problems::{Problems, say};
use crate::source_ports::SourcePorts;
use crate::sys::notify::Answer;
use crate::sys::socket::{Progress, is_deferred, progress, set_deferred, written};
use core::net::SocketAddr;
use procgate_identity::{canonical, carrier::proxy_v2};
use rustix::io::Errno;
use rustix::net::{connect, getsockname};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};

/// Who puts prefaces ahead of connections.
#[derive(Debug)]
pub(crate) struct Prefacer {
    minter: Arc<Minter>,
    ports: SourcePorts,
    /// The kernel may turn Fast Open off by itself, and then a connect that was to be deferred would wait
    /// (ip-sysctl.rst, `tcp_fastopen_blackhole_timeout_sec`).
    unreliable: bool,
    /// That connects are held was said.
    told: Once,
    /// Whether any connect was deferred, so that a socket may still be told to.
    deferred: AtomicBool,
}

impl Prefacer {
    pub(crate) fn new(minter: Arc<Minter>) -> Self {
        let timeout = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_fastopen_blackhole_timeout_sec");
        let unreliable = timeout.is_ok_and(|seconds| seconds.trim() != "0");
        let ports = SourcePorts::new();
        Self { minter, ports, unreliable, told: Once::new(), deferred: AtomicBool::new(false) }
    }

    /// Connects the socket, or says what is left to do.
    pub(super) fn connect(
        &self,
        socket: &Arc<OwnedFd>,
        destination: SocketAddr,
        process: Attestation,
        problems: &Problems,
    ) -> Reply {
        let before = match written(socket) {
            Ok(before) => before,
            Err(error) => return Answer::Error(error).into(),
        };
        self.ports.bind(socket, destination);
        match self.defer(socket, destination) {
            Ok(true) => {}
            Ok(false) => {
                self.told.call_once(|| say(
                    "net.ipv4.tcp_fastopen does not let clients, or tcp_fastopen_blackhole_timeout_sec is not 0: \
                     connects wait for the destination in the shim, whatever timeout the program has",
                ));
                return Reply::Hold(Work::Connect { destination, process: Box::new(process) });
            }
            Err(error) => return Answer::Error(error).into(),
        }
        let mut outgoing = match self.preface(socket, destination, &process) {
            Ok(bytes) => Outgoing::new(bytes, before),
            Err(why) => return unaided(socket, &why, problems),
        };
        match outgoing.send(socket) {
            Ok(()) if outgoing.is_sent() => settle(socket).into(),
            Ok(()) => Reply::Hold(Work::Send(outgoing)),
            // The SYN is under way already: with what somebody else has written.
            Err(Errno::AGAIN | Errno::CONNABORTED) => {
                problems.note(FORESTALLED);
                abort(socket);
                Answer::Error(Errno::CONNABORTED).into()
            }
            Err(error) => unaided(socket, &error.to_string(), problems),
        }
    }

    /// Has the kernel choose the connection's addresses and nothing else; false where it cannot.
    fn defer(&self, socket: &OwnedFd, destination: SocketAddr) -> rustix::io::Result<bool> {
        if self.unreliable {
            return Ok(false);
        }
        self.deferred.store(true, Ordering::Relaxed);
        match set_deferred(socket, true) {
            Ok(()) => {}
            Err(Errno::OPNOTSUPP) => return Ok(false),
            Err(error) => return Err(error),
        }
        connect(socket, &destination).inspect_err(|_| {
            let _ = set_deferred(socket, false);
        })?;
        Ok(true)
    }

    /// The preface for a socket whose addresses are chosen.
    pub(super) fn preface(
        &self,
        socket: &OwnedFd,
        destination: SocketAddr,
        process: &Attestation,
    ) -> Result<Vec<u8>, String> {
        let source = getsockname(socket).and_then(SocketAddr::try_from).map_err(|error| error.to_string())?;
        let token = self.minter.token(process, source, destination).map_err(|error| error.to_string())?;
        let preface = proxy_v2::preface(canonical(source), canonical(destination), &token);
        preface.ok_or_else(|| "the token is too long".to_owned())
    }

    /// A socket whose earlier connect was deferred and failed, and that now goes where no preface is
    /// wanted, connects as it would have at first.
    pub(super) fn forget(&self, socket: impl FnOnce() -> Option<Arc<OwnedFd>>) {
        if self.deferred.load(Ordering::Relaxed)
            && let Some(socket) = socket()
            && is_deferred(&socket).unwrap_or(false)
        {
            let _ = set_deferred(&socket, false);
        }
    }
}

/// No SYN has been sent: the socket becomes what it was.
fn unaided(socket: &OwnedFd, why: &str, problems: &Problems) -> Reply {
    problems.note(&format!("no preface could be sent ({why}): its connection has no identity"));
    abort(socket);
    Reply::Unaided
}

/// What the caller is told once the preface is on its way.
pub(super) fn settle(socket: &OwnedFd) -> Answer {
    if is_non_blocking(socket) {
        Answer::Error(Errno::INPROGRESS)
    } else if progress(socket) == Ok(Progress::Connected) && completed(socket) {
        Answer::Success
    } else {
        // The kernel's own connect waits, with the caller's signals and timeouts, or fails.
        Answer::Continue
    }
}

/// A second connect makes a socket whose connection is there a connected one, if it is not: the next is
/// then EISCONN, as it should be. The destination matters no more.
fn completed(socket: &OwnedFd) -> bool {
    let connected = getsockname(socket).and_then(|own| connect(socket, &own));
    matches!(connected, Ok(()) | Err(Errno::ISCONN))
}
