//! The signing key: read while it still may be, then out of the workload's reach.

use crate::failure::Failure;
use crate::options::User;
use crate::problems::say;
use crate::sys::custody;
use procgate_identity::SigningKey;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use zeroize::Zeroizing;

/// Bytes of a key file that are read. A private JWK has about 170.
const MAX_KEY_FILE: u64 = 4_096;

/// Reads the key and locks it in memory. From here on no process of the same user may look into the
/// shim: the key is in its memory.
pub(crate) fn read_key(path: &Path) -> Result<Box<SigningKey>, Failure> {
    stay_closed()?;
    let shown = path.display();
    let unreadable = |error: std::io::Error| {
        Failure::own(format!(
            "key {shown}: {error}: mount the key that `procgate keygen` wrote, readable by uid {}",
            rustix::process::getuid().as_raw()
        ))
    };
    // Opening a FIFO would wait for somebody who writes to it.
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(unreadable(std::io::Error::other("it is not a regular file")));
    }
    // Made at its full size: a buffer that grows would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_KEY_FILE).unwrap_or_default()));
    file.take(MAX_KEY_FILE).read_to_end(&mut bytes).map_err(unreadable)?;
    let key = SigningKey::from_jwk(&bytes).map_err(|error| Failure::own(format!("key {shown}: {error}")))?;
    let key = Box::new(key);
    if let Err(error) = custody::lock(&*key) {
        say(&format!("the key is not locked in memory ({error}): raise RLIMIT_MEMLOCK, or switch swap off"));
    }
    Ok(key)
}

/// Becomes the workload's user, which the shim must be to look at its processes.
pub(crate) fn become_user(user: User) -> Result<(), Failure> {
    let User { uid, gid } = user;
    custody::become_user(uid, gid).map_err(|error| {
        Failure::own(format!("cannot become user {uid}:{gid}: {error}: start as root, or leave --user out"))
    })?;
    stay_closed()
}

/// A key that the workload's user can read is a key that the workload has.
pub(crate) fn check_reach(path: &Path, strict: bool) -> Result<(), Failure> {
    if File::open(path).is_err() {
        return Ok(());
    }
    let uid = rustix::process::getuid().as_raw();
    let line = format!(
        "key {} can be read by the program too (uid {uid}): make it readable by root only, start the shim as root, and give --user",
        path.display()
    );
    if strict {
        return Err(Failure::own(line));
    }
    say(&format!("warning: {line}"));
    Ok(())
}

/// Neither ptrace nor /proc lets another process of this user in (prctl(2), `PR_SET_DUMPABLE`).
fn stay_closed() -> Result<(), Failure> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| Failure::own(format!("cannot close the shim's memory to others: {error}")))
}
