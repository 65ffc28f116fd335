//! What the workload's `connect` meets: look at the address, look at the caller, connect the socket in its
//! place.

mod desk;
mod handover;
mod held;
mod holders;
mod kept;
mod making;
mod outgoing;
mod preface;
mod sockaddr;
mod sockets;
mod tuple;

pub(crate) use desk::{Desk, DeskPath};
pub(crate) use held::Held;
pub(crate) use preface::Prefacer;
pub(crate) use sockaddr::{onto_loopback, read as read_sockaddr};
pub(crate) use sockets::{PIDFD_THREAD, Sockets};

use crate::attest::{Attestor, Effort, Unattested};
use crate::destinations::Destinations;
use crate::forward::Registry;
use crate::problems::Problems;
use crate::sys::notify::{Answer, Listener, Notification};
use core::net::SocketAddr;
use held::Work;
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Threads that answer. Each is busy for some 50 us a call; more than the cores would only wait.
const THREADS: usize = 2;
/// Threads that digest files for those who wait: a second one, so that a huge file does not keep
/// everybody waiting whose program is new.
const DIGESTING: usize = 2;
/// Calls that may wait for a file to be digested, each a stopped thread of the workload. Beyond that
/// connecting fails. A server that starts connects from all of its threads at once, before any file of it is
/// known: 200 are usual. The places take 100 kB.
const MAX_WAITING: usize = 1_024;

/// All that it takes to answer.
#[derive(Debug)]
pub(crate) struct Trap {
    pub(crate) listener: Listener,
    pub(crate) attestor: Arc<Attestor>,
    pub(crate) destinations: Destinations,
    pub(crate) sockets: Sockets,
    pub(crate) carriage: Carriage,
    pub(crate) desk: Option<Desk>,
    pub(crate) held: Held,
    pub(crate) problems: Arc<Problems>,
}

/// How connections get their tokens.
#[derive(Debug)]
pub(crate) enum Carriage {
    /// The forwarder puts them in.
    Forwarder(Arc<Registry>),
    /// They go ahead of the program's bytes.
    Preface(Prefacer),
}

/// What becomes of a `connect`.
#[derive(Debug)]
enum Reply {
    Answer(Answer),
    /// The call goes on as it was made: the proxy will find no identity and refuse.
    Unaided,
    /// A file has to be digested first.
    Digest,
    /// The caller waits for this.
    Hold(Work),
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

/// Starts the threads that answer. Digesting has threads of its own, so that a large file keeps no
/// caller waiting whose files are known.
pub(crate) fn serve(trap: Trap) -> std::io::Result<()> {
    let trap = Arc::new(trap);
    let (slow, waiting) = sync_channel(MAX_WAITING);
    let waiting = Arc::new(Mutex::new(waiting));
    for _ in 0..DIGESTING {
        let (trap, waiting) = (Arc::clone(&trap), Arc::clone(&waiting));
        std::thread::Builder::new().name("digest".into()).spawn(move || trap.digest(&waiting))?;
    }
    for _ in 0..THREADS {
        let (trap, slow) = (Arc::clone(&trap), slow.clone());
        std::thread::Builder::new().name("trap".into()).spawn(move || trap.answer_all(&slow))?;
    }
    if let Sockets::Own(kept) = &trap.sockets {
        let kept = Arc::clone(kept);
        std::thread::Builder::new().name("sweep".into()).spawn(move || kept.sweep_for_ever())?;
    }
    Ok(())
}

impl Trap {
    fn answer_all(self: &Arc<Self>, slow: &SyncSender<Notification>) {
        loop {
            match self.listener.receive() {
                Ok(notification) => self.answer(notification, slow),
                Err(error) => match error.raw_os_error() {
                    // The last process of the workload has ended: there will be no more.
                    Some(libc::ENOENT) if self.listener.is_abandoned() => return,
                    // The caller died, or a signal came: the next one.
                    Some(libc::ENOENT | libc::EINTR) => {}
                    _ => {
                        return self.problems.note(&format!("no more system calls can be received: {error}"));
                    }
                },
            }
        }
    }

    fn answer(self: &Arc<Self>, notification: Notification, slow: &SyncSender<Notification>) {
        let Notification { thread, call, arguments: [descriptor, ..], .. } = notification;
        match (call, &self.sockets) {
            (libc::SYS_connect, _) => return self.answer_connect(notification, slow),
            (libc::SYS_socket, Sockets::Own(kept)) => return self.make(kept, &notification),
            (libc::SYS_bind, Sockets::Own(kept)) => kept.free_ports(),
            (libc::SYS_listen, sockets) => sockets.give_up(thread, descriptor),
            _ => self.attestor.executed(thread),
        }
        self.listener.answer(&notification, Answer::Continue);
    }

    fn answer_connect(self: &Arc<Self>, notification: Notification, slow: &SyncSender<Notification>) {
        if !self.connect(&notification, Effort::LookUp) && slow.try_send(notification).is_err() {
            self.problems.note("too many callers wait for files to be digested: their connects fail");
            self.listener.answer(&notification, Answer::Error(Errno::AGAIN));
        }
    }

    fn digest(self: &Arc<Self>, waiting: &Mutex<Receiver<Notification>>) {
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        while let Ok(notification) = next() {
            if !self.connect(&notification, Effort::Digest) {
                self.listener.answer(&notification, Answer::Error(Errno::AGAIN));
            }
        }
    }

    /// Answers one `connect`; false where a file has to be digested first.
    fn connect(self: &Arc<Self>, notification: &Notification, effort: Effort) -> bool {
        if let Some(answered) = self.attend(notification, effort) {
            return answered;
        }
        let (socket, destination) = match self.wanted(notification) {
            Ok(wanted) => wanted,
            Err(answer) => {
                self.listener.answer(notification, answer);
                return true;
            }
        };
        match self.reply(notification, effort, &socket, destination) {
            Reply::Digest => return false,
            Reply::Hold(work) => self.hold(*notification, socket, work),
            Reply::Answer(answer) => {
                // Let go before the caller goes on, who may be about to close it.
                self.sockets.let_go(socket);
                self.listener.answer(notification, answer);
            }
            Reply::Unaided => {
                drop(socket);
                let [descriptor, ..] = notification.arguments;
                self.sockets.give_up(notification.thread, descriptor);
                self.listener.answer(notification, Answer::Continue);
            }
        }
        true
    }

    /// The socket and the destination of a `connect` that is to carry a token; the answer to any other.
    fn wanted(&self, notification: &Notification) -> Result<(Arc<OwnedFd>, SocketAddr), Answer> {
        let [descriptor, address, length, ..] = notification.arguments;
        let thread = notification.thread;
        if thread == 0 {
            return Err(Answer::Error(Errno::PERM));
        }
        let destination = match sockaddr::read(thread, address, length) {
            Ok(Some(destination)) => destination,
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(
                    self.without_token("a process does not let itself be looked at", &error.to_string())
                );
            }
            // Not TCP over IP, or unreadable, which the kernel will say itself.
            Ok(None) | Err(_) => return Err(Answer::Continue),
        };
        let socket = || self.sockets.unconnected(thread, descriptor);
        if !self.destinations.judge(destination).is_intercepted() {
            if let Some(prefacer) = self.prefacer() {
                prefacer.forget(|| socket().ok().flatten());
            }
            self.sockets.give_up(thread, descriptor);
            return Err(Answer::Continue);
        }
        match socket() {
            Ok(Some(socket)) if sockets::fits(&socket, destination) => Ok((socket, destination)),
            Ok(_) => Err(Answer::Continue),
            Err(error) => Err(self.without_token("a socket cannot be reached", &error.to_string())),
        }
    }

    /// Attests the caller and connects its socket.
    fn reply(
        &self,
        notification: &Notification,
        effort: Effort,
        socket: &Arc<OwnedFd>,
        destination: SocketAddr,
    ) -> Reply {
        let process = match self.attestor.attest(notification.thread, effort, &self.problems) {
            Ok(process) => process,
            Err(Unattested::NeedsDigest) => return Reply::Digest,
            Err(Unattested::Unreadable(why)) => {
                self.without_token("a process cannot be attested", &why);
                return Reply::Unaided;
            }
        };
        if !self.listener.is_waiting(notification) {
            return Answer::Continue.into();
        }
        match &self.carriage {
            Carriage::Forwarder(registry) => {
                handover::hand_over(registry, socket, destination, process, &self.problems).into()
            }
            Carriage::Preface(prefacer) => prefacer.connect(socket, destination, process, &self.problems),
        }
    }

    fn prefacer(&self) -> Option<&Prefacer> {
        match &self.carriage {
            Carriage::Forwarder(_) => None,
            Carriage::Preface(prefacer) => Some(prefacer),
        }
    }

    /// The call goes on as it was made: the proxy will find no identity and refuse.
    fn without_token(&self, what: &str, why: &str) -> Answer {
        self.problems.note(&format!("{what} ({why}): its connection has no identity"));
        Answer::Continue
    }
}
