//! What is not tried here, said by name: past the test runner, which keeps to itself what a test prints that passes.

use std::io::Write;

/// Leaves something out for want of what can be installed. In CI all of that is there.
///
/// # Panics
/// In CI.
pub fn skip(what: &str) {
    assert!(std::env::var_os("CI").is_none(), "{what}, and CI skips nothing");
    leave_out(what);
}

/// Leaves something out that this machine or this user cannot do, in CI too.
pub fn leave_out(what: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
}

/// Whether this is root, whom this takes; for anybody else it is left out.
#[must_use]
pub fn is_root_for(what: &str) -> bool {
    let is_root = rustix::process::getuid().is_root();
    if !is_root {
        leave_out(&format!("{what} takes root"));
    }
    is_root
}
