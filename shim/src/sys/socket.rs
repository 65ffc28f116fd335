//! Questions about a socket that rustix does not ask.

use super::checked;
use rustix::io::{Errno, Result};
use std::os::fd::{AsFd, AsRawFd};

/// TCP_INFO's first byte (include/net/tcp_states.h).
const ESTABLISHED: u8 = 1;
const FIN_WAIT_1: u8 = 4;
const CLOSED: u8 = 7;
const CLOSE_WAIT: u8 = 8;
const LAST_ACK: u8 = 9;
const CLOSING: u8 = 11;

/// Where TCP_INFO has the number of bytes that are not sent yet.
const NOT_SENT: usize = 144;

/// How far a TCP socket has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It neither connects nor listens: connecting it is not a second attempt.
    Unconnected,
    /// It is connected; the peer may have sent all that it will.
    Connected,
    /// It listens, is about to be connected, or to be closed.
    Between,
}

/// How far this TCP socket has got.
pub(crate) fn progress(socket: impl AsFd) -> Result<Progress> {
    let [state] = get(socket, libc::IPPROTO_TCP, libc::TCP_INFO)?;
    Ok(match state {
        CLOSED => Progress::Unconnected,
        ESTABLISHED | CLOSE_WAIT => Progress::Connected,
        _ => Progress::Between,
    })
}

/// Whether all that was to be sent on this TCP socket, its end included, has arrived.
pub(crate) fn is_delivered(socket: impl AsFd) -> Result<bool> {
    let [state] = get(socket, libc::IPPROTO_TCP, libc::TCP_INFO)?;
    Ok(!matches!(state, FIN_WAIT_1 | CLOSING | LAST_ACK))
}

/// Whether all bytes that this TCP socket was given to send have arrived.
pub(crate) fn is_empty(socket: impl AsFd) -> Result<bool> {
    const UNACKNOWLEDGED: usize = 24;
    let info: [u8; 148] = get(socket, libc::IPPROTO_TCP, libc::TCP_INFO)?;
    let is_zero = |at: usize| info.get(at..).and_then(|rest| rest.first_chunk()) == Some(&[0; 4]);
    Ok(is_zero(UNACKNOWLEDGED) && is_zero(NOT_SENT))
}

/// How many bytes this TCP socket was ever given to send, whoever gave them: those sent, each once, and those that
/// wait (`struct tcp_info` of include/uapi/linux/tcp.h, Linux 4.19).
pub(crate) fn written(socket: impl AsFd) -> Result<u64> {
    const SENT: usize = 200;
    const SENT_AGAIN: usize = 208;
    let info: [u8; 216] = get(socket, libc::IPPROTO_TCP, libc::TCP_INFO)?;
    let long = |at: usize| {
        info.get(at..).and_then(|rest| rest.first_chunk()).map(|bytes| u64::from_ne_bytes(*bytes))
    };
    let waiting =
        info.get(NOT_SENT..).and_then(|rest| rest.first_chunk()).map(|bytes| u32::from_ne_bytes(*bytes));
    let all = || long(SENT)?.checked_sub(long(SENT_AGAIN)?)?.checked_add(waiting?.into());
    all().ok_or(Errno::INVAL)
}

/// Whether `connect` only chooses the addresses and the first `send` does the rest, with what it sends in
/// the SYN and without a cookie (tcp(7), `TCP_FASTOPEN_CONNECT`). Only an unconnected socket can be told.
///
/// # Errors
/// EOPNOTSUPP where net.ipv4.tcp_fastopen does not let clients.
pub(crate) fn set_deferred(socket: impl AsFd, deferred: bool) -> Result<()> {
    if deferred {
        set(&socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_NO_COOKIE, true)?;
    }
    set(socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, deferred)
}

/// Whether it was told so.
pub(crate) fn is_deferred(socket: impl AsFd) -> Result<bool> {
    get(socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT).map(|value| i32::from_ne_bytes(value) != 0)
}

/// Whether binding without a port leaves the choice of one to `connect` (ip(7), `IP_BIND_ADDRESS_NO_PORT`,
/// which IPv6 sockets share). Returns what it was before.
pub(crate) fn set_late_port(socket: impl AsFd, late: bool) -> Result<bool> {
    let (level, option) = (libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT);
    let before = get(&socket, level, option).map(i32::from_ne_bytes)? != 0;
    if before != late {
        set(socket, level, option, late)?;
    }
    Ok(before)
}

/// The first bytes of an option.
fn get<const LENGTH: usize>(
    socket: impl AsFd,
    level: libc::c_int,
    option: libc::c_int,
) -> Result<[u8; LENGTH]> {
    let mut value = [0; LENGTH];
    let mut length = libc::socklen_t::try_from(LENGTH).map_err(|_| Errno::INVAL)?;
    let descriptor = socket.as_fd().as_raw_fd();
    // SAFETY: the kernel writes at most `length` bytes, the size of `value`, to it.
    let result =
        unsafe { libc::getsockopt(descriptor, level, option, value.as_mut_ptr().cast(), &raw mut length) };
    checked(result).map_err(errno)?;
    Ok(value)
}

fn set(socket: impl AsFd, level: libc::c_int, option: libc::c_int, value: bool) -> Result<()> {
    let value: libc::c_int = value.into();
    let descriptor = socket.as_fd().as_raw_fd();
    // SAFETY: the kernel reads four bytes, the size of an int, from `value`.
    let result = unsafe { libc::setsockopt(descriptor, level, option, (&raw const value).cast(), 4) };
    checked(result).map_err(errno).map(drop)
}

fn errno(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::INVAL)
}
