//! What the workload's `connect` meets: look at the address, look at the caller, hand the socket over.

mod handover;
mod sockaddr;

pub(crate) use handover::{PIDFD_THREAD, try_pidfd};
pub(crate) use sockaddr::read as read_sockaddr;

use crate::attest::{Attestor, Effort, Unattested};
use crate::destinations::Destinations;
use crate::forward::Registry;
use crate::problems::Problems;
use crate::sys::notify::{Answer, Listener, Notification};
use rustix::io::Errno;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Threads that answer. Each is busy for some 50 us a call; more than the cores would only wait.
const THREADS: usize = 2;
/// Threads that digest files for those who wait: a second one, so that a huge file does not keep
/// everybody waiting whose program is new.
const DIGESTING: usize = 2;
/// Calls that may wait for a file to be digested, each a stopped thread of the workload. Beyond that
/// connecting fails.
const MAX_WAITING: usize = 128;

/// All that it takes to answer.
#[derive(Debug)]
pub(crate) struct Trap {
    pub(crate) listener: Listener,
    pub(crate) attestor: Arc<Attestor>,
    pub(crate) destinations: Destinations,
    pub(crate) registry: Arc<Registry>,
    pub(crate) problems: Arc<Problems>,
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
    Ok(())
}

impl Trap {
    fn answer_all(&self, slow: &SyncSender<Notification>) {
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

    fn answer(&self, notification: Notification, slow: &SyncSender<Notification>) {
        if notification.call != libc::SYS_connect {
            self.attestor.executed(notification.thread);
            return self.listener.answer(&notification, Answer::Continue);
        }
        match self.connect(&notification, Effort::LookUp) {
            Some(answer) => self.listener.answer(&notification, answer),
            None if slow.try_send(notification).is_ok() => {}
            None => {
                self.problems.note("too many callers wait for files to be digested: their connects fail");
                self.listener.answer(&notification, Answer::Error(Errno::AGAIN));
            }
        }
    }

    fn digest(&self, waiting: &Mutex<Receiver<Notification>>) {
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        while let Ok(notification) = next() {
            let answer = self.connect(&notification, Effort::Digest);
            self.listener.answer(&notification, answer.unwrap_or(Answer::Error(Errno::AGAIN)));
        }
    }

    /// The answer to one `connect`; none where a file has to be digested first.
    fn connect(&self, notification: &Notification, effort: Effort) -> Option<Answer> {
        let [descriptor, address, length, ..] = notification.arguments;
        let thread = notification.thread;
        if thread == 0 {
            return Some(Answer::Error(Errno::PERM));
        }
        let destination = match sockaddr::read(thread, address, length) {
            Ok(Some(destination)) if self.destinations.are_intercepted(destination) => destination,
            // Not TCP over IP, not intercepted, or unreadable, which the kernel will say itself.
            Ok(_) | Err(_) => return Some(Answer::Continue),
        };
        let socket = match handover::socket_of(thread, descriptor) {
            Ok(Some(socket)) if handover::fits(&socket, destination) => socket,
            Ok(_) => return Some(Answer::Continue),
            Err(error) => return Some(self.without_token("a socket cannot be reached", &error.to_string())),
        };
        let attestation = match self.attestor.attest(thread, effort, &self.problems) {
            Ok(attestation) => attestation,
            Err(Unattested::NeedsDigest) => return None,
            Err(Unattested::Unreadable(why)) => {
                return Some(self.without_token("a process cannot be attested", &why));
            }
        };
        if !self.listener.is_waiting(notification) {
            return Some(Answer::Continue);
        }
        Some(handover::hand_over(&self.registry, socket, destination, attestation, &self.problems))
    }

    /// The call goes on as it was made: the proxy will find no identity and refuse.
    fn without_token(&self, what: &str, why: &str) -> Answer {
        self.problems.note(&format!("{what} ({why}): its connection has no identity"));
        Answer::Continue
    }
}
