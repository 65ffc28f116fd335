//! Signals, blocked everywhere and taken one at a time.

use super::checked;
use rustix::process::Signal;
use std::io;

/// The signal mask that the shim was started with.
#[derive(Clone, Copy)]
pub(crate) struct Mask(libc::sigset_t);

/// A signal that arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived {
    pub(crate) signal: Signal,
    /// The terminal sent it, to every process of the foreground group.
    pub(crate) from_terminal: bool,
}

/// Blocks every signal for this thread and those it starts.
pub(crate) fn block_all() -> io::Result<Mask> {
    let mut before = empty_set();
    let mut all = empty_set();
    // SAFETY: both sets are ours and initialised; the kernel reads one and writes the other.
    unsafe {
        libc::sigfillset(&raw mut all);
        checked(libc::sigprocmask(libc::SIG_SETMASK, &raw const all, &raw mut before))?;
    }
    Ok(Mask(before))
}

/// Waits for the next signal.
pub(crate) fn wait() -> io::Result<Arrived> {
    let mut all = empty_set();
    // SAFETY: siginfo_t is plain data for which zeros are valid.
    let mut info: libc::siginfo_t = unsafe { core::mem::zeroed() };
    // SAFETY: the set and the info are ours; the kernel reads one and writes the other.
    let number = unsafe {
        libc::sigfillset(&raw mut all);
        checked(libc::sigwaitinfo(&raw const all, &raw mut info))?
    };
    let signal = Signal::from_named_raw(number).ok_or_else(|| io::Error::other("a real-time signal"))?;
    Ok(Arrived { signal, from_terminal: info.si_code == libc::SI_KERNEL })
}

impl Mask {
    /// Goes back to this mask.
    pub(crate) fn restore(&self) -> io::Result<()> {
        // SAFETY: the kernel reads the set and writes nothing.
        checked(unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const self.0, core::ptr::null_mut()) })?;
        Ok(())
    }
}

fn empty_set() -> libc::sigset_t {
    // SAFETY: sigset_t is an array of integers; zeros are the empty set.
    unsafe { core::mem::zeroed() }
}
