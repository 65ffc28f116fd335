//! The workload's sockets: how the shim gets at the one that a call is about.

use super::holders::{Place, inode_at};
use super::kept::Kept;
use crate::failure::Failure;
use crate::options::Mode;
use crate::process::process_of;
use crate::sys::filter::Filter;
use crate::sys::socket::{Progress, progress};
use core::net::SocketAddr;
use procgate_identity::canonical;
use rustix::io::Errno;
use rustix::net::{AddressFamily, ipproto, sockopt};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

/// `PIDFD_THREAD` (Linux 6.9): the descriptor table is the thread's own, should it have one.
pub(crate) const PIDFD_THREAD: PidfdFlags = PidfdFlags::from_bits_retain(0o200);
pub(super) const MPTCP: u32 = 262;

/// Tries what takes the program's sockets over. A runtime's seccomp profile may forbid it, and then no
/// connection would carry an identity.
fn try_pidfd() -> rustix::io::Result<()> {
    let own = pidfd_open(rustix::process::getpid(), PidfdFlags::empty())?;
    let number = own.as_raw_fd();
    pidfd_getfd(own, number, PidfdGetfdFlags::empty()).map(drop)
}

/// A duplicate of the caller's descriptor; nothing where it has none of this number.
pub(super) fn duplicate(thread: u32, descriptor: u64) -> rustix::io::Result<Option<OwnedFd>> {
    let pid = |number: u32| i32::try_from(number).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH);
    let of_process = || pidfd_open(pid(process_of(thread).ok_or(Errno::SRCH)?)?, PidfdFlags::empty());
    let pidfd = pidfd_open(pid(thread)?, PIDFD_THREAD).or_else(|_| of_process())?;
    let Ok(descriptor) = i32::try_from(descriptor & u64::from(u32::MAX)) else { return Ok(None) };
    match pidfd_getfd(pidfd, descriptor, PidfdGetfdFlags::empty()) {
        Ok(socket) => Ok(Some(socket)),
        // The kernel will tell the caller.
        Err(Errno::BADF) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether this is an unconnected TCP socket over IP: no other kind of socket says how far it has got.
pub(super) fn is_fresh_tcp(socket: &OwnedFd) -> bool {
    let protocol = sockopt::socket_protocol(socket).ok().flatten();
    protocol.is_some_and(|protocol| protocol == ipproto::TCP || protocol.as_raw().get() == MPTCP)
        && progress(socket) == Ok(Progress::Unconnected)
}

/// Whether a socket can be connected to such an address; where it cannot, the kernel has its own words.
pub(super) fn fits(socket: &OwnedFd, destination: SocketAddr) -> bool {
    let six = sockopt::socket_domain(socket) == Ok(AddressFamily::INET6);
    let mapped = destination.is_ipv6() && canonical(destination).is_ipv4();
    destination.is_ipv6() == six && !(mapped && sockopt::ipv6_v6only(socket).unwrap_or(true))
}

/// Whether this socket's calls return before they are done.
pub(super) fn is_non_blocking(socket: &OwnedFd) -> bool {
    rustix::fs::fcntl_getfl(socket).is_ok_and(|flags| flags.contains(rustix::fs::OFlags::NONBLOCK))
}

/// How the shim gets at the workload's sockets.
#[derive(Clone, Debug)]
pub(crate) enum Sockets {
    /// It takes a duplicate when it is asked about one.
    Pidfd,
    /// It makes them itself.
    Own(Arc<Kept>),
}

impl Sockets {
    /// The way that this runtime permits, or that is required.
    pub(crate) fn choose(required: Option<Mode>) -> Result<Self, Failure> {
        match (required, try_pidfd()) {
            (None | Some(Mode::Pidfd), Ok(())) => Ok(Self::Pidfd),
            (Some(Mode::Pidfd), Err(error)) => Err(Failure::own(format!(
                "pidfd_getfd: {error}: the container's seccomp profile must permit it (Unconfined, or \
                 SYS_PTRACE), and Linux be 5.6 or later; without --require the shim takes own-socket mode"
            ))),
            (None | Some(Mode::OwnSocket), _) => Self::own(),
        }
    }

    fn own() -> Result<Self, Failure> {
        let release = rustix::system::uname();
        let release = release.release().to_string_lossy();
        if !installs_descriptors(&release) {
            return Err(Failure::own(format!(
                "own-socket mode needs Linux 5.14 or later, this is {release}; for pidfd mode the \
                 container's seccomp profile must permit pidfd_getfd"
            )));
        }
        let kept = Kept::new().map_err(|error| Failure::own(format!("cannot watch sockets: {error}")))?;
        Ok(Self::Own(Arc::new(kept)))
    }

    /// The mode's name.
    pub(crate) fn mode(&self) -> &'static str {
        match self {
            Self::Pidfd => "pidfd",
            Self::Own(_) => "own-socket",
        }
    }

    /// Which calls the kernel has to ask about.
    pub(crate) fn filter(&self) -> Filter {
        Filter::new(matches!(self, Self::Own(_)))
    }

    /// The workload's socket; nothing where it is no unconnected TCP socket over IP, or not known.
    pub(super) fn unconnected(
        &self,
        thread: u32,
        descriptor: u64,
    ) -> rustix::io::Result<Option<Arc<OwnedFd>>> {
        let socket = match self {
            Self::Pidfd => duplicate(thread, descriptor)?.map(Arc::new),
            Self::Own(kept) => inode(thread, descriptor).and_then(|inode| kept.get(inode)),
        };
        Ok(socket.filter(|socket| is_fresh_tcp(socket)))
    }

    /// Keeps nothing of a socket whose connection is there, or soon will be.
    pub(super) fn let_go(&self, socket: Arc<OwnedFd>) {
        match self {
            Self::Pidfd => drop(socket),
            Self::Own(kept) => kept.remove_when_connected(socket),
        }
    }

    /// Keeps nothing of a socket that is about to be connected, or to listen, without the shim.
    pub(super) fn give_up(&self, thread: u32, descriptor: u64) {
        if let Self::Own(kept) = self
            && let Some(inode) = inode(thread, descriptor)
        {
            kept.remove(inode);
        }
    }
}

/// The inode of the caller's socket.
fn inode(process: u32, descriptor: u64) -> Option<u64> {
    let descriptor = u32::try_from(descriptor & u64::from(u32::MAX)).ok()?;
    inode_at(Place { process, descriptor })
}

/// Whether this release of Linux has `SECCOMP_ADDFD_FLAG_SEND`.
fn installs_descriptors(release: &str) -> bool {
    let mut numbers =
        release.split(|letter: char| !letter.is_ascii_digit()).map_while(|text| text.parse().ok());
    (numbers.next(), numbers.next()) >= (Some(5u32), Some(14u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_can_be_installed_since_linux_5_14() {
        for (release, can) in [
            ("5.13.19", false),
            ("5.14.0-rc1", true),
            ("4.19.0", false),
            ("6.1.0-9-amd64", true),
            ("", false),
        ] {
            assert_eq!(installs_descriptors(release), can, "{release}");
        }
    }
}
