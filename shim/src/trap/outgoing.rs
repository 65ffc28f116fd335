//! A preface on its way, ahead of all else or not at all.

use crate::sys::socket::{set_deferred, written};
use rustix::io::{Errno, Result};
use rustix::net::{SendFlags, connect_unspec, send, sockopt};
use std::os::fd::OwnedFd;

/// What is said of a connection that was ended because the preface was not ahead of everything.
pub(super) const FORESTALLED: &str =
    "another thread of the program has written to a socket that is being connected: its connection is ended";

/// A preface of which something is left to send.
#[derive(Debug)]
pub(super) struct Outgoing {
    left: Vec<u8>,
    /// Bytes that the socket was given ahead of these.
    before: u64,
}

impl Outgoing {
    /// A preface for a socket that was given so many bytes (`written`) when it was not connected yet: with an
    /// earlier connection, which failed.
    pub(super) const fn new(preface: Vec<u8>, before: u64) -> Self {
        Self { left: preface, before }
    }

    /// Whether nothing is left to send.
    pub(super) const fn is_sent(&self) -> bool {
        self.left.is_empty()
    }

    /// Sends what can be sent now; in the SYN, if there was none yet.
    ///
    /// As soon as the connection is begun, any thread of the program may write to it. What it writes would
    /// be ahead of the token, which would reach whoever reads the connection as payload. So the kernel keeps
    /// the bytes (tcp(7), `TCP_CORK`) until it is clear that nobody else's are between. A SYN takes them along
    /// all the same, but then they are the first: who sends the SYN is the first to write.
    ///
    /// # Errors
    /// ECONNABORTED where there are others: the connection is ended, and these bytes have not left.
    pub(super) fn send(&mut self, socket: &OwnedFd) -> Result<()> {
        let corked = sockopt::tcp_cork(socket)?;
        sockopt::set_tcp_cork(socket, true)?;
        let sent = self.send_next(socket);
        sockopt::set_tcp_cork(socket, corked)?;
        sent
    }

    fn send_next(&mut self, socket: &OwnedFd) -> Result<()> {
        let sent = send(socket, &self.left, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?;
        let due = u64::try_from(sent).ok().and_then(|sent| self.before.checked_add(sent));
        let due = due.ok_or(Errno::OVERFLOW)?;
        if written(socket)? > due {
            abort(socket);
            return Err(Errno::CONNABORTED);
        }
        self.before = due;
        self.left.drain(..sent.min(self.left.len()));
        Ok(())
    }
}

/// Ends a connection at once, for both sides; what was not sent will not be. The socket may connect again.
pub(super) fn abort(socket: &OwnedFd) {
    let _ = connect_unspec(socket);
    let _ = set_deferred(socket, false);
}
