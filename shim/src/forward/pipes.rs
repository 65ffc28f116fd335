//! Pipes for splice(2), kept for the next connection that has bytes to move.

use rustix::pipe::{PipeFlags, pipe_with};
use std::cell::RefCell;
use std::os::fd::OwnedFd;

/// Pipes that are kept while nobody uses them. Each has 64 KiB of the kernel's memory at most, and
/// none while it is empty.
const MAX_KEPT: usize = 64;

/// Empty pipes.
#[derive(Debug, Default)]
pub(super) struct Pipes(RefCell<Vec<Pipe>>);

/// A pipe that is empty when it is handed out and when it comes back.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) read: OwnedFd,
    pub(super) write: OwnedFd,
}

impl Pipes {
    pub(super) fn get(&self) -> std::io::Result<Pipe> {
        if let Some(pipe) = self.0.borrow_mut().pop() {
            return Ok(pipe);
        }
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Pipe { read, write })
    }

    /// Takes an empty pipe back.
    pub(super) fn put(&self, pipe: Pipe) {
        let mut kept = self.0.borrow_mut();
        if kept.len() < MAX_KEPT {
            kept.push(pipe);
        }
    }
}
