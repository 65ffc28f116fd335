//! Why the program was not started: one line, and an exit code as `docker run` has them.

use core::fmt;

/// A failure of the shim's own.
pub(crate) const OWN: u8 = 125;
/// The program cannot be executed.
pub(crate) const NOT_EXECUTABLE: u8 = 126;
/// There is no such program.
pub(crate) const NOT_FOUND: u8 = 127;

/// What happened, where, and what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    line: String,
}

impl Failure {
    /// A failure of the shim's own.
    pub(crate) fn own(line: impl Into<String>) -> Self {
        Self { code: OWN, line: line.into() }
    }

    /// A failure of the program to start.
    pub(crate) fn program(code: u8, line: impl Into<String>) -> Self {
        Self { code, line: line.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.line)
    }
}
