//! A file that is written whole or not at all.

use super::{named_beside, reason, unwritable};
use crate::failure::Problem;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

/// Writes a file whole or not at all. It has no name before it is whole, where the system can do that: whoever
/// is interrupted leaves nothing behind. What is there and no file, /dev/null for example, is not replaced
/// by one; of a link, the file that it leads to is written.
pub(crate) fn write_whole(path: &Path, text: &str) -> Result<(), Problem> {
    write_lines_whole(path, &[text])
}

/// The same of what is too much to be put together first.
pub(crate) fn write_lines_whole(path: &Path, lines: &[impl AsRef<str>]) -> Result<(), Problem> {
    let path = &followed(path)?;
    let before = fs::metadata(path).ok();
    if before.as_ref().is_some_and(|metadata| !metadata.is_file()) {
        return Err(Problem::new("is there and no file").in_file(path).next("choose another name"));
    }
    let fill = |file: &mut File| {
        // Whoever may not read what is there may not read what takes its place.
        before.as_ref().map_or(Ok(()), |metadata| file.set_permissions(metadata.permissions()))?;
        let mut buffered = BufWriter::new(&mut *file);
        lines.iter().try_for_each(|line| buffered.write_all(line.as_ref().as_bytes()))?;
        buffered.flush()?;
        drop(buffered);
        file.sync_all()
    };
    let nameless = nameless(path).and_then(|mut file| {
        fill(&mut file)?;
        match give_name(&file, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                replace(path, |beside| give_name(&file, beside))
            }
            named => named,
        }
    });
    let written = match nameless.as_ref().map_err(io::Error::kind) {
        // NFS and old kernels have no files without a name, a container without /proc cannot name them.
        Err(io::ErrorKind::Unsupported | io::ErrorKind::IsADirectory | io::ErrorKind::NotFound) => {
            replace(path, |beside| fill(&mut File::create_new(beside)?))
        }
        _ => nameless,
    };
    written.map_err(|error| unwritable(path, &error))
}

/// What a link leads to, however many there are.
fn followed(path: &Path) -> Result<PathBuf, Problem> {
    if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) {
        return Ok(path.to_owned());
    }
    fs::canonicalize(path).map_err(|error| {
        let what = format!("is a link that leads nowhere ({})", reason(&error));
        Problem::new(what).in_file(path).next("name the file itself, or remove the link")
    })
}

/// Has a file made beside its place, and renames it over what is there.
fn replace(path: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let beside = beside(path);
    make(&beside).and_then(|()| fs::rename(&beside, path)).inspect_err(|error| {
        // Of that name there may be somebody else's.
        if error.kind() != io::ErrorKind::AlreadyExists {
            let _ = fs::remove_file(&beside);
        }
    })
}

/// A file in the same directory that has no name.
fn nameless(path: &Path) -> io::Result<File> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let how = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    // What the user's mask leaves of it, as for any file.
    Ok(rustix::fs::open(directory, how, Mode::from_raw_mode(0o666))?.into())
}

/// Gives it one, which nothing may have (open(2), O_TMPFILE).
fn give_name(file: &File, name: &Path) -> io::Result<()> {
    let handle = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, handle, CWD, name, AtFlags::SYMLINK_FOLLOW)?)
}

/// One that nobody else uses.
fn beside(path: &Path) -> PathBuf {
    named_beside(path, &format!("{}.part", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_stays_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list");
        write_whole(&path, "old").unwrap();
        write_whole(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_s_mode_stays() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        write_whole(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        write_whole(&path, "new").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn of_a_link_the_file_that_it_leads_to_is_written_and_one_that_leads_nowhere_stays() {
        let directory = tempfile::tempdir().unwrap();
        let [file, link, lost] = ["list", "link", "lost"].map(|name| directory.path().join(name));
        write_whole(&file, "old").unwrap();
        std::os::unix::fs::symlink("list", &link).unwrap();
        std::os::unix::fs::symlink("nothing", &lost).unwrap();
        write_whole(&link, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert!(write_whole(&lost, "new").is_err());
        assert!([link, lost].iter().all(|link| fs::symlink_metadata(link).unwrap().is_symlink()));
    }

    #[test]
    fn what_is_no_file_is_not_replaced_by_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list");
        std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(write_whole(&path, "text").is_err());
        assert!(!fs::metadata(&path).unwrap().is_file());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
