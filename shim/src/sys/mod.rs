//! The system calls that no library offers safely: the only place with `unsafe`.
//!
//! Each function here is safe to call; each block says which fact makes it so.

#![allow(unsafe_code, reason = "system calls without a safe wrapper; each block states why it is sound")]

pub(crate) mod child;
pub(crate) mod custody;
pub(crate) mod filter;
pub(crate) mod maps;
pub(crate) mod memory;
pub(crate) mod notify;
pub(crate) mod signals;
pub(crate) mod socket;

use std::io;

/// The result of a libc call that returns -1 and sets errno.
fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
