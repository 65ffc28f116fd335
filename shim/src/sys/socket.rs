//! Questions about a socket that rustix does not ask.

use super::checked;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// TCP_INFO's first byte for a socket that neither connects nor listens (include/net/tcp_states.h).
const CLOSED: u8 = 7;

/// Whether this TCP socket is unconnected: connecting it is not a second attempt.
pub(crate) fn is_unconnected(socket: impl AsFd) -> io::Result<bool> {
    let mut state = 0u8;
    let mut length: libc::socklen_t = 1;
    let descriptor = socket.as_fd().as_raw_fd();
    let level = libc::IPPROTO_TCP;
    // SAFETY: the kernel writes at most `length` bytes, one, to `state`.
    checked(unsafe {
        libc::getsockopt(descriptor, level, libc::TCP_INFO, (&raw mut state).cast(), &raw mut length)
    })?;
    Ok(state == CLOSED)
}

/// Whether binding without a port leaves the choice of one to `connect` (ip(7), `IP_BIND_ADDRESS_NO_PORT`,
/// which IPv6 sockets share). Returns what it was before.
pub(crate) fn set_late_port(socket: impl AsFd, late: bool) -> rustix::io::Result<bool> {
    let descriptor = socket.as_fd().as_raw_fd();
    let (level, option) = (libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT);
    let (mut before, wanted): (libc::c_int, libc::c_int) = (0, late.into());
    let mut length: libc::socklen_t = 4;
    // SAFETY: the kernel writes at most `length` bytes, the size of an int, to `before`.
    let read = checked(unsafe {
        libc::getsockopt(descriptor, level, option, (&raw mut before).cast(), &raw mut length)
    });
    read.map_err(errno)?;
    if before != wanted {
        // SAFETY: the kernel reads four bytes, the size of an int, from `wanted`.
        let set =
            checked(unsafe { libc::setsockopt(descriptor, level, option, (&raw const wanted).cast(), 4) });
        set.map_err(errno)?;
    }
    Ok(before != 0)
}

fn errno(error: io::Error) -> rustix::io::Errno {
    rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::INVAL)
}
