//! seccomp user notifications: what the workload asks, and what it is answered (seccomp_unotify(2)).

use super::checked;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

const RECEIVE: libc::c_ulong = 0xc050_2100;
const SEND: libc::c_ulong = 0xc018_2101;
const ID_VALID: libc::c_ulong = 0x4008_2102;
const ADD_DESCRIPTOR: libc::c_ulong = 0x4018_2103;
const SET_FLAGS: libc::c_ulong = 0x4008_2104;
/// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP` (include/uapi/linux/seccomp.h, Linux 6.6).
const SYNC_WAKE_UP: libc::c_ulong = 1;

const _: () = assert!(size_of::<libc::seccomp_notif>() == 0x50);
const _: () = assert!(size_of::<libc::seccomp_notif_resp>() == 0x18);
const _: () = assert!(size_of::<libc::seccomp_notif_addfd>() == 0x18);

/// The descriptor on which the kernel asks.
#[derive(Debug)]
pub(crate) struct Listener(OwnedFd);

/// A system call that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notification {
    id: u64,
    /// The calling thread, as this PID namespace numbers it; 0 where it cannot be seen from here.
    pub(crate) thread: u32,
    /// The system call's number.
    pub(crate) call: i64,
    /// Its arguments.
    pub(crate) arguments: [u64; 6],
}

/// What the caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The kernel carries the call out as it was made.
    Continue,
    /// The call has succeeded.
    Success,
    /// The call has failed.
    Error(rustix::io::Errno),
}

impl Listener {
    /// Caller and answerer take turns, and the kernel is told so: it wakes each on the processor that the
    /// other leaves, which saves both the way to another one. Before Linux 6.6 it does without.
    pub(crate) fn new(descriptor: OwnedFd) -> Self {
        // SAFETY: this request takes its flags as the argument itself.
        let _ = unsafe { libc::ioctl(descriptor.as_raw_fd(), SET_FLAGS, SYNC_WAKE_UP) };
        Self(descriptor)
    }

    /// Waits for the next question.
    ///
    /// # Errors
    /// ENOENT where the caller died meanwhile; the next question may be asked.
    pub(crate) fn receive(&self) -> io::Result<Notification> {
        // SAFETY: a structure of integers, for which all zeros, which the kernel demands, is valid.
        let mut request: libc::seccomp_notif = unsafe { core::mem::zeroed() };
        // SAFETY: the kernel writes a seccomp_notif of the size that the request's number holds.
        checked(unsafe { libc::ioctl(self.0.as_raw_fd(), RECEIVE, &raw mut request) })?;
        let libc::seccomp_notif { id, pid, data, .. } = request;
        Ok(Notification { id, thread: pid, call: i64::from(data.nr), arguments: data.args })
    }

    /// Whether no process is left that could ask; receiving would then fail at once, again and again.
    pub(crate) fn is_abandoned(&self) -> bool {
        let mut listener = [PollFd::new(&self.0, PollFlags::IN)];
        let ready = poll(&mut listener, Some(&Timespec::default()));
        ready.is_ok() && listener.iter().any(|listener| listener.revents().contains(PollFlags::HUP))
    }

    /// Whether the caller still waits: then what was read about it since was about it.
    pub(crate) fn is_waiting(&self, notification: &Notification) -> bool {
        // SAFETY: the kernel reads the eight bytes of the id.
        unsafe { libc::ioctl(self.0.as_raw_fd(), ID_VALID, &raw const notification.id) == 0 }
    }

    /// Gives the caller a duplicate of this descriptor, and answers its call with the number.
    ///
    /// # Errors
    /// EMFILE where the caller may have no more, and then its call is not answered yet; ENOENT where it
    /// died meanwhile; EINVAL before Linux 5.14.
    pub(crate) fn install(
        &self,
        notification: &Notification,
        descriptor: &OwnedFd,
        closed_on_exec: bool,
    ) -> io::Result<u32> {
        self.add(notification, descriptor, 0, libc::SECCOMP_ADDFD_FLAG_SEND, closed_on_exec)
    }

    /// Gives the caller a duplicate of this descriptor as this number, in the place of what has it. Its call is
    /// not answered yet.
    ///
    /// # Errors
    /// ENOENT where the caller died meanwhile.
    pub(crate) fn replace(
        &self,
        notification: &Notification,
        descriptor: &OwnedFd,
        number: u32,
        closed_on_exec: bool,
    ) -> io::Result<()> {
        self.add(notification, descriptor, number, libc::SECCOMP_ADDFD_FLAG_SETFD, closed_on_exec).map(drop)
    }

    fn add(
        &self,
        notification: &Notification,
        descriptor: &OwnedFd,
        number: u32,
        how: libc::c_ulong,
        closed_on_exec: bool,
    ) -> io::Result<u32> {
        let flags = if closed_on_exec { libc::O_CLOEXEC } else { 0 };
        let request = libc::seccomp_notif_addfd {
            id: notification.id,
            flags: u32::try_from(how).map_err(io::Error::other)?,
            srcfd: u32::try_from(descriptor.as_raw_fd()).map_err(io::Error::other)?,
            newfd: number,
            newfd_flags: flags.unsigned_abs(),
        };
        // SAFETY: the kernel reads a seccomp_notif_addfd of the size that the request's number holds.
        let number = checked(unsafe { libc::ioctl(self.0.as_raw_fd(), ADD_DESCRIPTOR, &raw const request) })?;
        u32::try_from(number).map_err(io::Error::other)
    }

    /// Answers; a caller that died meanwhile needs none.
    pub(crate) fn answer(&self, notification: &Notification, answer: Answer) {
        let continues = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        let (error, flags) = match answer {
            Answer::Continue => (0, u32::try_from(continues).unwrap_or_default()),
            Answer::Success => (0, 0),
            Answer::Error(errno) => (errno.raw_os_error().saturating_neg(), 0),
        };
        let response = libc::seccomp_notif_resp { id: notification.id, val: 0, error, flags };
        // SAFETY: the kernel reads a seccomp_notif_resp of the size that the request's number holds.
        let _ = unsafe { libc::ioctl(self.0.as_raw_fd(), SEND, &raw const response) };
    }
}

impl std::os::fd::AsFd for Listener {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}
