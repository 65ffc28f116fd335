//! Connections that cannot be started and let go: the caller waits until the preface is sent. It costs the
//! caller's own timeouts, and nobody else anything.

use super::Trap;
use super::outgoing::{FORESTALLED, Outgoing};
use super::preface::{Prefacer, settle};
use crate::attest::Attestation;
use crate::sys::notify::{Answer, Notification};
use crate::sys::socket::written;
use core::net::SocketAddr;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{connect, sockopt};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Callers that are held at a time, a thread each. Beyond that connecting fails.
const MAX_HELD: usize = 256;
/// A held connection's thread needs little.
const STACK: usize = 128 * 1_024;
/// How often it is looked whether the caller still waits.
const GLANCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
/// How long connecting may keep a thread before it polls.
const START: Duration = Duration::from_millis(1);
/// The kernel gives up before that (tcp(7), `tcp_syn_retries`).
const LONGEST: Duration = Duration::from_secs(150);

/// What is left to do for a caller.
#[derive(Debug)]
pub(super) enum Work {
    /// All of it.
    Connect { destination: SocketAddr, process: Box<Attestation> },
    /// To send this.
    Send(Outgoing),
}

/// How many are held.
#[derive(Debug, Default)]
pub(crate) struct Held(AtomicUsize);

impl Trap {
    /// Does the rest in a thread of its own, which answers the caller.
    pub(super) fn hold(self: &Arc<Self>, notification: Notification, socket: Arc<OwnedFd>, work: Work) {
        let trap = Arc::clone(self);
        let refuse = |why: &str| {
            self.problems.note(&format!("{why}: further connects fail"));
            self.listener.answer(&notification, Answer::Error(Errno::AGAIN));
        };
        if self.held.0.fetch_add(1, Ordering::AcqRel) >= MAX_HELD {
            self.held.0.fetch_sub(1, Ordering::AcqRel);
            return refuse("too many connects wait for their destination in the shim");
        }
        let finish = move || {
            let answer = trap.finish(&notification, &socket, work);
            trap.sockets.let_go(socket);
            trap.listener.answer(&notification, answer);
            trap.held.0.fetch_sub(1, Ordering::AcqRel);
        };
        if std::thread::Builder::new().name("held".into()).stack_size(STACK).spawn(finish).is_err() {
            self.held.0.fetch_sub(1, Ordering::AcqRel);
            refuse("no thread can be started to wait for a destination");
        }
    }

    fn finish(&self, notification: &Notification, socket: &OwnedFd, work: Work) -> Answer {
        let patience = sockopt::socket_timeout(socket, sockopt::Timeout::Send).ok().flatten();
        let until = Instant::now().checked_add(patience.unwrap_or(LONGEST));
        let waits = || {
            let early = until.is_none_or(|until| Instant::now() < until);
            early && self.listener.is_waiting(notification)
        };
        let mut outgoing = match work {
            Work::Send(outgoing) => outgoing,
            Work::Connect { destination, process } => {
                let Some(prefacer) = self.prefacer() else { return Answer::Continue };
                match begin(prefacer, socket, destination, &process) {
                    Ok(outgoing) => outgoing,
                    Err(Begun::Failed(error)) => return Answer::Error(error),
                    Err(Begun::Unminted(why)) => {
                        return self.without_token("no preface could be made", &why);
                    }
                }
            }
        };
        match send_all(socket, &mut outgoing, waits) {
            Ok(()) => settle(socket),
            Err(error @ Errno::CONNABORTED) => {
                self.problems.note(FORESTALLED);
                Answer::Error(error)
            }
            Err(Errno::TIMEDOUT) => Answer::Error(Errno::INPROGRESS),
            // The kernel's own connect says why.
            Err(_) => Answer::Continue,
        }
    }
}

/// Why a connection was not begun.
enum Begun {
    Failed(Errno),
    Unminted(String),
}

/// Sends the SYN, and makes the preface that is to follow.
fn begin(
    prefacer: &Prefacer,
    socket: &OwnedFd,
    destination: SocketAddr,
    process: &Attestation,
) -> Result<Outgoing, Begun> {
    let before = written(socket).map_err(Begun::Failed)?;
    let connected = connect_patiently(socket, destination, START);
    match connected {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(Begun::Failed(error)),
    }
    let preface = prefacer.preface(socket, destination, process).map_err(Begun::Unminted)?;
    Ok(Outgoing::new(preface, before))
}

/// Connects without keeping this thread for long: the socket gets a send timeout for the time being, a
/// non-blocking one too, since its flags are shared with whoever shares the socket.
pub(super) fn connect_patiently(
    socket: &OwnedFd,
    destination: SocketAddr,
    patience: Duration,
) -> rustix::io::Result<()> {
    let before = sockopt::socket_timeout(socket, sockopt::Timeout::Send)?;
    sockopt::set_socket_timeout(socket, sockopt::Timeout::Send, Some(patience))?;
    let connected = connect(socket, &destination);
    sockopt::set_socket_timeout(socket, sockopt::Timeout::Send, before)?;
    connected
}

/// Sends everything as soon as the connection is there, for as long as somebody waits.
fn send_all(socket: &OwnedFd, outgoing: &mut Outgoing, waits: impl Fn() -> bool) -> rustix::io::Result<()> {
    while !outgoing.is_sent() {
        match outgoing.send(socket) {
            Ok(()) => {}
            Err(Errno::AGAIN) if waits() => {
                let mut writable = [PollFd::new(socket, PollFlags::OUT)];
                poll(&mut writable, Some(&GLANCE))?;
            }
            Err(Errno::AGAIN) => return Err(Errno::TIMEDOUT),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
