//! What keeps the signing key out of the workload's reach.

use super::checked;
use std::io;

/// Locks the value's memory so that it is never written to swap.
///
/// # Errors
/// ENOMEM or EPERM beyond RLIMIT_MEMLOCK.
pub(crate) fn lock<T>(value: &T) -> io::Result<()> {
    let place = core::ptr::from_ref(value).cast_mut().cast();
    // SAFETY: the range is that of a live value; locking changes nothing of it.
    unsafe { rustix::mm::mlock(place, size_of::<T>()) }?;
    Ok(())
}

/// Becomes this user and group, with no others, for ever and in all threads.
///
/// # Errors
/// EPERM unless the caller is root or has CAP_SETUID and CAP_SETGID.
pub(crate) fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    // SAFETY: these calls take integers; setgroups with a count of 0 reads no list.
    unsafe {
        checked(libc::setgroups(0, core::ptr::null()))?;
        checked(libc::setresgid(gid, gid, gid))?;
        checked(libc::setresuid(uid, uid, uid))?;
    }
    Ok(())
}
