//! What the child does between fork and exec.

use super::filter::Filter;
use super::signals::Mask;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::ffi::{CString, NulError, OsStr, c_char};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

/// All that a child needs, made where memory may be allocated.
pub(crate) struct Child {
    pub(crate) filter: Filter,
    /// Where the filter's listener is sent.
    pub(crate) channel: OwnedFd,
    /// Where the shim receives it. The child has a copy.
    pub(crate) receiver: Arc<OwnedFd>,
    /// What the shim changed for itself.
    pub(crate) mask: Mask,
    pub(crate) files: Rlimit,
    pub(crate) image: Image,
}

impl Child {
    /// Has the command's child become the program, under the filter.
    pub(crate) fn prepare(self, command: &mut Command) {
        let steps = move || {
            self.mask.restore()?;
            setrlimit(Resource::Nofile, self.files)?;
            // As long as anybody has the listener, the kernel asks it about execve, and waits for ever if the
            // shim is dead: so it must be nowhere else, nor on its way to this process.
            close(&self.receiver);
            let listener = self.filter.install()?;
            send(&self.channel, &listener)?;
            drop(listener);
            Err(self.image.execute())
        };
        // SAFETY: between fork and exec the closure makes system calls on memory that it owns and
        // allocates nothing but an error that ends the child. Its descriptors close on exec.
        unsafe { command.pre_exec(steps) };
    }
}

/// Closes the child's copy of a descriptor.
fn close(descriptor: &OwnedFd) {
    // SAFETY: the child's table is its own, and its copy of the owner is never used nor dropped: the child
    // becomes the program or ends.
    unsafe { libc::close(descriptor.as_raw_fd()) };
}

fn send(channel: &OwnedFd, descriptor: &OwnedFd) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut message = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor.as_fd()];
    if !message.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("no room for a descriptor"));
    }
    rustix::net::sendmsg(channel, &[IoSlice::new(b"l")], &mut message, SendFlags::empty())?;
    Ok(())
}

/// A program and its arguments as execve(2) takes them. The library's own way would have a shell read
/// whatever the kernel does not recognise.
#[derive(Debug)]
pub(crate) struct Image {
    path: CString,
    words: Vec<CString>,
    /// Where each of the words is, and a null pointer.
    pointers: Vec<*const c_char>,
}

// SAFETY: the pointers point into the words, which the image owns and which never change.
unsafe impl Send for Image {}
// SAFETY: as above; nothing is ever written through them.
unsafe impl Sync for Image {}

unsafe extern "C" {
    /// The environment (environ(7)).
    static environ: *const *const c_char;
}

impl Image {
    /// # Errors
    /// A NUL byte in one of the words.
    pub(crate) fn new<'a>(path: &OsStr, words: impl Iterator<Item = &'a OsStr>) -> Result<Self, NulError> {
        let words = words.map(|word| CString::new(word.as_bytes())).collect::<Result<Vec<_>, _>>()?;
        let pointers = words.iter().map(|word| word.as_ptr()).chain([core::ptr::null()]).collect();
        Ok(Self { path: CString::new(path.as_bytes())?, words, pointers })
    }

    /// Becomes the program; returns only where that fails.
    fn execute(&self) -> io::Error {
        debug_assert_eq!(self.pointers.len(), self.words.len().saturating_add(1));
        // SAFETY: the path and the words end in NUL, the list of words in a null pointer, and the
        // child has one thread: nobody changes the environment meanwhile.
        unsafe { libc::execve(self.path.as_ptr(), self.pointers.as_ptr(), environ) };
        io::Error::last_os_error()
    }
}
