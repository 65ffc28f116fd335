//! Making the workload's TCP sockets in its place, so that the shim has a descriptor of its own of each.

use super::Trap;
use super::kept::Kept;
use super::sockets::MPTCP;
use crate::sys::notify::{Answer, Notification};
use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, ipproto, socket_with};
use std::os::fd::OwnedFd;

/// The type of a socket without its flags (`SOCK_TYPE_MASK` of include/linux/net.h).
const TYPE: u32 = 0xf;

/// What `socket` was asked for.
#[derive(Clone, Copy)]
struct Wanted {
    family: AddressFamily,
    flags: SocketFlags,
    protocol: Option<Protocol>,
}

impl Wanted {
    /// Nothing where it is no TCP over IP.
    fn of([family, kind, protocol, ..]: [u64; 6]) -> Option<Self> {
        // The kernel takes these arguments for ints: their upper halves mean nothing.
        let low = |argument: u64| u32::try_from(argument & u64::from(u32::MAX)).ok();
        let (family, kind, protocol) = (low(family)?, low(kind)?, low(protocol)?);
        let family = AddressFamily::from_raw(family.try_into().ok()?);
        let protocol = core::num::NonZero::new(protocol).map(Protocol::from_raw);
        let known = [Some(ipproto::TCP), core::num::NonZero::new(MPTCP).map(Protocol::from_raw), None];
        let fits = matches!(family, AddressFamily::INET | AddressFamily::INET6)
            && kind & TYPE == SocketType::STREAM.as_raw()
            && known.contains(&protocol);
        fits.then_some(Self { family, flags: SocketFlags::from_bits_retain(kind & !TYPE), protocol })
    }
}

/// A network namespace (namespaces(7)). A socket belongs to that of whoever makes it: one of the shim's would let
/// a program out that has locked itself in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    device: u64,
    inode: u64,
}

impl Network {
    /// The shim's own.
    pub(super) fn own() -> rustix::io::Result<Self> {
        Self::at("/proc/self/ns/net")
    }

    /// Whether this thread makes its sockets here.
    fn is_of(self, thread: u32) -> bool {
        Self::at(&format!("/proc/{thread}/ns/net")) == Ok(self)
    }

    fn at(path: &str) -> rustix::io::Result<Self> {
        let stat = rustix::fs::stat(path)?;
        Ok(Self { device: stat.st_dev, inode: stat.st_ino })
    }
}

impl Trap {
    /// Answers a `socket`.
    pub(super) fn make(&self, kept: &Kept, notification: &Notification) {
        let answer = |answer| self.listener.answer(notification, answer);
        let Some(wanted) = Wanted::of(notification.arguments) else { return answer(Answer::Continue) };
        if !kept.network.is_of(notification.thread) {
            let why = "its program has a network namespace of its own";
            return answer(self.without_token("a socket is the kernel's own", why));
        }
        let flags = wanted.flags | SocketFlags::CLOEXEC;
        let socket = match socket_with(wanted.family, SocketType::STREAM, flags, wanted.protocol) {
            Ok(socket) => socket,
            Err(Errno::MFILE | Errno::NFILE) => {
                return answer(self.without_token("the shim has no descriptor left", "raise RLIMIT_NOFILE"));
            }
            Err(error) => return answer(Answer::Error(error)),
        };
        let closed_on_exec = wanted.flags.contains(SocketFlags::CLOEXEC);
        let install = |socket: &OwnedFd| self.listener.install(notification, socket, closed_on_exec);
        match kept.keep(socket, notification.thread, install) {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                let error = Errno::from_io_error(&error).unwrap_or(Errno::MFILE);
                answer(Answer::Error(error));
            }
            None => {
                let why = "too many sockets of the program are unconnected";
                answer(self.without_token("a socket cannot be kept", why));
            }
        }
    }
}
