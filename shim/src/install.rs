//! `procgate-shim install`: the shim puts itself where another container starts it from. Its image has no shell and
//! no `cp`.

use crate::failure::Failure;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;

/// What it is called in the folder.
const NAME: &str = "procgate-shim";
/// Whoever runs the container's program starts it; nobody changes it.
const MODE: u32 = 0o555;

/// Copies this very program into a folder, whole or not at all. What has its name there is replaced, and goes on
/// where it runs.
pub(crate) fn install(folder: &Path) -> Result<ExitCode, Failure> {
    let place = folder.join(NAME);
    // One name for all: in an init container every run has the process id 1, and one that was killed leaves its own.
    let beside = folder.join(format!(".{NAME}.part"));
    let _ = fs::remove_file(&beside);
    let copied = copy_to(&beside).and_then(|()| fs::rename(&beside, &place));
    copied.map_err(|error| {
        let _ = fs::remove_file(&beside);
        Failure::own(format!(
            "{}: {error}: name a folder that uid {} may write to, such as an emptyDir that is mounted here",
            place.display(),
            rustix::process::getuid().as_raw()
        ))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn copy_to(path: &Path) -> io::Result<()> {
    let mut copy = File::create_new(path)?;
    io::copy(&mut File::open("/proc/self/exe")?, &mut copy)?;
    copy.set_permissions(Permissions::from_mode(MODE))?;
    copy.sync_all()
}
