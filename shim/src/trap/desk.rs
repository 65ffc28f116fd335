//! Tokens for programs that put them in themselves. Such a program connects a Unix socket to
//! `PATH/SOURCE/DESTINATION`, the addresses of a connection of its own, and reads the token from it.
//!
//! Nobody listens there, and there is no file. The shim is asked about this `connect` as about any other, while
//! the caller waits, and puts a socket that holds the token in the place of the caller's. Of a listener's peer the
//! kernel says only who it was when it connected: somebody could connect, fork, and execute an approved program,
//! which would be looked at, and the child would read that program's token.

use super::Trap;
use super::holders::{Place, has_socket, inode_at};
use super::sockaddr;
use super::tuple::inode_of;
use crate::attest::{Effort, Unattested};
use crate::mint::Minter;
use crate::sys::notify::{Answer, Notification};
use core::net::SocketAddr;
use core::str::FromStr;
use rustix::io::{Errno, ioctl_fionbio, write};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::sync::Arc;

/// Bytes of the path at the most: the addresses of two IPv6 sockets have to fit behind it (unix(7)).
const MAX_PATH: usize = 11;

/// Where programs ask.
#[derive(Clone, Debug)]
pub(crate) struct DeskPath(String);

impl FromStr for DeskPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() < 2 || text.len() > MAX_PATH || !text.starts_with('/') || text.ends_with('/') {
            return Err(format!(
                "{text:?} cannot be asked for tokens: write a path of at most {MAX_PATH} bytes that needs not be \
                 there, such as /procgate"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Who gives tokens out.
#[derive(Debug)]
pub(crate) struct Desk {
    path: DeskPath,
    minter: Arc<Minter>,
}

/// Why there is no token: what the caller is told, and what is said of it.
struct Refusal(Errno, String);

impl From<Errno> for Refusal {
    fn from(error: Errno) -> Self {
        Self(error, error.to_string())
    }
}

impl Desk {
    pub(crate) const fn new(path: DeskPath, minter: Arc<Minter>) -> Self {
        Self { path, minter }
    }

    /// What this `connect` asks for; nothing where it goes elsewhere.
    fn asked(&self, notification: &Notification) -> Option<Vec<u8>> {
        let [_, address, length, ..] = notification.arguments;
        let path = sockaddr::read_path(notification.thread, address, length).ok().flatten()?;
        path.strip_prefix(self.path.0.as_bytes())?.strip_prefix(b"/").map(<[u8]>::to_vec)
    }
}

impl Trap {
    /// Answers a `connect` that asks for a token; nothing where it goes elsewhere, false where it has to wait for
    /// the threads that read files.
    pub(super) fn attend(&self, notification: &Notification, effort: Effort) -> Option<bool> {
        let desk = self.desk.as_ref()?;
        let asked = desk.asked(notification)?;
        if effort == Effort::LookUp {
            return Some(false);
        }
        let answer = self.issue(desk, &asked, notification).unwrap_or_else(|Refusal(error, why)| {
            self.problems.note(&format!("a program asked for a token and got none: {why}"));
            Answer::Error(error)
        });
        self.listener.answer(notification, answer);
        Some(true)
    }

    fn issue(&self, desk: &Desk, asked: &[u8], notification: &Notification) -> Result<Answer, Refusal> {
        let (source, destination) = parse(asked).ok_or_else(|| {
            let form = format!("{}/10.0.0.2:40000/10.0.0.7:443", desk.path.0);
            Refusal(Errno::INVAL, format!("write its connection's own and peer's address, such as {form}"))
        })?;
        if self.destinations.judge(destination).is_intercepted() {
            let why = format!("connections to {destination} get one from the shim: exempt it");
            return Err(Refusal(Errno::EXIST, why));
        }
        let thread = notification.thread;
        let process = self.attestor.attest(thread, Effort::Digest, &self.problems).map_err(|error| {
            let why = match error {
                Unattested::Unreadable(why) => why,
                Unattested::NeedsDigest => "a file could not be digested".into(),
            };
            Refusal(Errno::ACCESS, format!("it cannot be attested ({why})"))
        })?;
        if !inode_of(source, destination).is_ok_and(|inode| has_socket(thread, inode)) {
            let why = format!("it has no connection from {source} to {destination}: connect first, then ask");
            return Err(Refusal(Errno::NOTCONN, why));
        }
        // Only then is all that was read about the caller.
        if !self.listener.is_waiting(notification) {
            return Ok(Answer::Continue);
        }
        let token = desk.minter.token(&process, source, destination);
        let token = token.map_err(|error| Refusal(Errno::INVAL, error.to_string()))?;
        self.deliver(notification, &token)?;
        Ok(Answer::Success)
    }

    /// Puts a socket from which the token can be read, and nothing after it, in the place of the caller's.
    fn deliver(&self, notification: &Notification, token: &str) -> Result<(), Refusal> {
        let [descriptor, ..] = notification.arguments;
        let descriptor = u32::try_from(descriptor & u64::from(u32::MAX)).map_err(|_| Errno::BADF)?;
        let place = Place { process: notification.thread, descriptor };
        if inode_at(place).is_none() {
            return Err(Errno::NOTSOCK.into());
        }
        let flags = flags(place)?;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        // It fits the buffer of any socket.
        write(&ours, token.as_bytes())?;
        ioctl_fionbio(&theirs, flags & libc::O_NONBLOCK != 0)?;
        let installed =
            self.listener.replace(notification, &theirs, descriptor, flags & libc::O_CLOEXEC != 0);
        installed.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        Ok(())
    }
}

/// The flags of a descriptor, with `O_CLOEXEC` among them (proc_pid_fdinfo(5)).
fn flags(Place { process, descriptor }: Place) -> Result<i32, Errno> {
    let text = std::fs::read_to_string(format!("/proc/{process}/fdinfo/{descriptor}"));
    let text = text.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::BADF))?;
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok()).ok_or(Errno::BADF)
}

/// `SOURCE/DESTINATION`
fn parse(asked: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let (source, destination) = core::str::from_utf8(asked).ok()?.split_once('/')?;
    Some((source.parse().ok()?, destination.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_addresses_fit_behind_the_longest_path() {
        let six = format!("[{}]:65535", ["ffff"; 8].join(":"));
        let whole = format!("/{}/{six}/{six}", "p".repeat(MAX_PATH - 1));
        // One byte is for the NUL.
        assert_eq!(whole.len(), 107);
        assert!(parse(format!("{six}/{six}").as_bytes()).is_some());
    }

    #[test]
    fn what_is_no_pair_of_addresses_is_none() {
        for asked in
            ["", "/", "10.0.0.1:1", "10.0.0.1:1/", "10.0.0.1/10.0.0.2", "a:1/b:2", "1.1.1.1:1/1.1.1.1:2/"]
        {
            assert_eq!(parse(asked.as_bytes()), None, "{asked}");
        }
        assert_eq!(parse(b"\xff:1/1.1.1.1:1"), None);
    }

    #[test]
    fn a_path_is_short_and_absolute() {
        for path in ["", "/", "procgate", "/procgate/", "/run/procgate"] {
            assert!(path.parse::<DeskPath>().unwrap_err().contains("such as /procgate"), "{path}");
        }
        assert!("/procgate".parse::<DeskPath>().is_ok());
    }
}
