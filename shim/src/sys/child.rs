//! What the child does between fork and exec.

use super::filter::Filter;
use super::signals::Mask;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Has the child restore what the shim changed for itself, install the filter, and send the filter's
/// listener through `channel` before it becomes the program.
pub(crate) fn prepare(command: &mut Command, filter: Filter, channel: OwnedFd, mask: Mask, files: Rlimit) {
    let steps = move || {
        mask.restore()?;
        setrlimit(Resource::Nofile, files)?;
        let listener = filter.install()?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut message = SendAncillaryBuffer::new(&mut space);
        let descriptors = [listener.as_fd()];
        if !message.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(io::Error::other("no room for a descriptor"));
        }
        rustix::net::sendmsg(&channel, &[IoSlice::new(b"l")], &mut message, SendFlags::empty())?;
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes system calls on memory that it owns and
    // allocates nothing but an error that ends the child. Its descriptors close on exec.
    unsafe { command.pre_exec(steps) };
}
