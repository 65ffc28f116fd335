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
