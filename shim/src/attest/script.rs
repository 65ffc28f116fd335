//! The script that the first process was started with, as long as that process runs it: an interpreter
//! that executes itself again keeps its digest and may run anything.

use crate::process::process_of;
use procgate_identity::Digest;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Which process runs the script, if there is one.
#[derive(Debug)]
pub(super) struct Script {
    digest: Option<Digest>,
    process: AtomicU32,
    started: AtomicBool,
    replaced: AtomicBool,
}

impl Script {
    pub(super) fn new(digest: Option<Digest>) -> Self {
        Self {
            digest,
            process: AtomicU32::new(0),
            started: AtomicBool::new(false),
            replaced: AtomicBool::new(false),
        }
    }

    /// The first to execute anything is the program itself; it has not run before that.
    pub(super) fn executed(&self, thread: u32) {
        let Some(process) = self.digest.and_then(|_| process_of(thread)) else { return };
        if !self.started.swap(true, Ordering::AcqRel) {
            self.process.store(process, Ordering::Release);
        } else if self.process.load(Ordering::Acquire) == process {
            self.replaced.store(true, Ordering::Release);
        }
    }

    /// The script that this thread's process runs, where that is known.
    pub(super) fn of(&self, thread: u32) -> Option<Digest> {
        let digest = self.digest.filter(|_| !self.replaced.load(Ordering::Acquire))?;
        (process_of(thread) == Some(self.process.load(Ordering::Acquire))).then_some(digest)
    }
}
