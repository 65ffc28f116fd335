//! Files in and out: read within a bound, written whole or not at all.

use crate::failure::Problem;
use procgate_identity::{Digest, Hasher};
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Bytes of a key file that are read: a JWK has less than 200, and its parser refuses 4,096 and more.
const MAX_KEY_FILE: u64 = 16 * 1024;
/// Bytes of a policy or code list that are read: four times a policy of 10,000 rules.
const MAX_TEXT_FILE: u64 = 16 * 1024 * 1024;
/// How much of a file is in memory while it is hashed.
const BLOCK: usize = 128 * 1024;

/// The bytes of a key file. The buffer has its full size from the start, since one that grows would
/// leave copies of the key behind.
pub(crate) fn read_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(BLOCK));
    read_into(&mut bytes, path, MAX_KEY_FILE)?;
    Ok(bytes)
}

/// The bytes of a policy or the like; `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    read_at_most(path, MAX_TEXT_FILE)
}

/// As [`read`], up to this many bytes.
pub(crate) fn read_at_most(path: &Path, limit: u64) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    read_into(&mut bytes, path, limit)?;
    Ok(bytes)
}

/// As [`read`], for what must be UTF-8.
pub(crate) fn read_text(path: &Path) -> Result<String, Problem> {
    read_text_at_most(path, MAX_TEXT_FILE)
}

/// As [`read_text`], up to this many bytes.
pub(crate) fn read_text_at_most(path: &Path, limit: u64) -> Result<String, Problem> {
    String::from_utf8(read_at_most(path, limit)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Problem::new(format!("not UTF-8 at byte {at}")).in_file(path).next("save it as UTF-8 text")
    })
}

fn read_into(bytes: &mut Vec<u8>, path: &Path, limit: u64) -> Result<(), Problem> {
    let bounded = limit.saturating_add(1);
    let read = if path == Path::new("-") {
        io::stdin().lock().take(bounded).read_to_end(bytes)
    } else {
        open(path)?.take(bounded).read_to_end(bytes)
    };
    let read = read.map_err(|error| unreadable(path, &error))?;
    if u64::try_from(read).unwrap_or(u64::MAX) > limit {
        let problem = Problem::new(format!("longer than {limit} bytes")).in_file(path);
        return Err(problem.next("name another file, or divide it"));
    }
    Ok(())
}

/// Opens a file for reading. Pipes are welcome (`<(…)` of a shell), directories are not.
fn open(path: &Path) -> Result<File, Problem> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    match file.metadata() {
        Ok(metadata) if metadata.is_dir() => Err(unreadable(path, &io::ErrorKind::IsADirectory.into())),
        Ok(_) => Ok(file),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// The digest of a file's content, however long it is.
pub(crate) fn digest(path: &Path) -> Result<Digest, Problem> {
    digest_of(open(path)?).map_err(|error| unreadable(path, &error))
}

/// The digest of what is left to read.
pub(crate) fn digest_of(mut source: impl Read) -> io::Result<Digest> {
    let mut hasher = Hasher::new();
    let mut block = vec![0; BLOCK];
    loop {
        match source.read(&mut block) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(read) => hasher.update(block.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes a file whole or not at all. It has no name before it is whole, where the system can do that: whoever
/// is interrupted leaves nothing behind. What is there and no file, /dev/null for example, is not replaced
/// by one.
pub(crate) fn write_whole(path: &Path, text: &str) -> Result<(), Problem> {
    let before = fs::metadata(path).ok();
    if before.as_ref().is_some_and(|metadata| !metadata.is_file()) {
        return Err(Problem::new("is there and no file").in_file(path).next("choose another name"));
    }
    let fill = |file: &mut File| {
        // Whoever may not read what is there may not read what takes its place.
        before.as_ref().map_or(Ok(()), |metadata| file.set_permissions(metadata.permissions()))?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all())
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

/// Writes a folder with these files whole or not at all, in the place of one that has no others.
pub(crate) fn write_folder_whole(folder: &Path, files: &[(String, String)]) -> Result<(), Problem> {
    // Without a slash at its end, which would put what is beside it into it; of a link, the folder that it leads to.
    let folder = &fs::canonicalize(folder).unwrap_or_else(|_| folder.components().collect());
    if let Some(strange) = other_than(folder, files) {
        let what = format!("has {}, which is not written by this command", strange.display());
        return Err(Problem::new(what).in_file(folder).next("choose a folder of its own"));
    }
    let beside = named_beside(folder, "procgate-part");
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    let claimed = parent.map_or(Ok(()), fs::create_dir_all).and_then(|()| claim(&beside));
    let _claimed = claimed.map_err(|error| unwritable(&beside, &error))?;
    let written = fill_folder(&beside, files).and_then(|()| {
        match rustix::fs::renameat_with(CWD, &beside, CWD, folder, RenameFlags::EXCHANGE) {
            // There was none before.
            Err(Errno::NOENT) => fs::rename(&beside, folder),
            exchanged => Ok(exchanged?),
        }
    });
    // What was there before, or what is not whole.
    let _ = fs::remove_dir_all(&beside);
    written.map_err(|error| unwritable(folder, &error))
}

/// Makes a folder that is this process's as long as it keeps what is returned. One that somebody left who was
/// interrupted goes: his lock went with him, however he ended, which no handler of signals could promise.
fn claim(folder: &Path) -> io::Result<File> {
    let lock = || {
        let file = File::open(folder)?;
        let locked = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
        Ok::<_, io::Error>((file, locked))
    };
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let (_left, Ok(())) = lock()? else { return Err(error) };
            fs::remove_dir_all(folder)?;
            fs::create_dir(folder)?;
        }
        made => made?,
    }
    // Where a file system has no locks, what is left stays, and the next one is told.
    Ok(lock()?.0)
}

fn fill_folder(folder: &Path, files: &[(String, String)]) -> io::Result<()> {
    for (name, text) in files {
        let path = folder.join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        File::create_new(path)?.write_all(text.as_bytes())?;
    }
    // Once for all: there may be thousands.
    Ok(rustix::fs::syncfs(File::open(folder)?)?)
}

/// Something in a folder, or in one of its folders, that is none of these files, or that cannot be looked into.
fn other_than(folder: &Path, files: &[(String, String)]) -> Option<PathBuf> {
    let known: BTreeSet<_> = files.iter().map(|(name, _)| folder.join(name)).collect();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let entries = match fs::read_dir(&next) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound && next == folder => return None,
            Err(_) => return Some(next),
        };
        for entry in entries {
            let Ok(entry) = entry else { return Some(next) };
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() && known.contains(&entry.path()) => {}
                _ => return Some(entry.path()),
            }
        }
    }
    None
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

/// A name in the same directory (a rename works within one file system only) that nobody else uses.
fn beside(path: &Path) -> PathBuf {
    named_beside(path, &format!("{}.part", std::process::id()))
}

fn named_beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{end}"));
    name.into()
}

/// The problem of a file that cannot be read.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let next = remedy(
        error,
        &[
            (io::ErrorKind::NotFound, "check the path"),
            (io::ErrorKind::PermissionDenied, "run as a user who may read it"),
            (io::ErrorKind::IsADirectory, "name a file"),
        ],
    );
    let what = format!("cannot be read ({})", reason(error));
    Problem::new(what).in_file(path).next(next.unwrap_or("it must be a readable file"))
}

/// The problem of a file that cannot be written.
pub(crate) fn unwritable(path: &Path, error: &io::Error) -> Problem {
    let next = remedy(
        error,
        &[
            (io::ErrorKind::AlreadyExists, "choose another name, or remove it if nobody uses it any more"),
            (io::ErrorKind::NotFound, "make the directory first"),
            (io::ErrorKind::PermissionDenied, "choose a directory that you may write to"),
        ],
    );
    let what = format!("cannot be written ({})", reason(error));
    Problem::new(what).in_file(path).next(next.unwrap_or("choose another place"))
}

/// What to do about an error of this kind, where that is known.
pub(crate) fn remedy(error: &io::Error, known: &[(io::ErrorKind, &'static str)]) -> Option<&'static str> {
    known.iter().find(|(kind, _)| *kind == error.kind()).map(|(_, remedy)| *remedy)
}

/// The system's words without the error number.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.clone(), |(reason, _)| reason.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_stream_has_the_digest_of_its_whole() {
        let bytes = vec![7; 3 * BLOCK + 1];
        assert_eq!(digest_of(bytes.as_slice()).unwrap(), Digest::of(&bytes));
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_stays_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list");
        write_whole(&path, "old").unwrap();
        write_whole(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    fn files(names: &[&str], text: &str) -> Vec<(String, String)> {
        names.iter().map(|name| ((*name).to_owned(), text.to_owned())).collect()
    }

    #[test]
    fn a_folder_is_replaced_whole_and_nothing_stays_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("parent/manifests");
        for text in ["old", "new"] {
            write_folder_whole(&folder, &files(&["a/list", "b/list"], text)).unwrap();
            assert_eq!(fs::read_to_string(folder.join("b/list")).unwrap(), text);
        }
        assert_eq!(fs::read_dir(directory.path().join("parent")).unwrap().count(), 1);
    }

    #[test]
    fn what_an_interrupted_run_left_goes_and_what_a_running_one_writes_stays() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("manifests");
        let beside = directory.path().join("manifests.procgate-part");
        fs::create_dir(&beside).unwrap();
        fs::write(beside.join("half"), "half").unwrap();
        write_folder_whole(&folder, &files(&["list"], "old")).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        let running = claim(&beside).unwrap();
        assert!(write_folder_whole(&folder, &files(&["list"], "new")).is_err());
        assert_eq!(fs::read_to_string(folder.join("list")).unwrap(), "old");
        assert!(beside.exists());
        drop(running);
        write_folder_whole(&folder, &files(&["list"], "new")).unwrap();
        assert_eq!(fs::read_to_string(folder.join("list")).unwrap(), "new");
        assert!(!beside.exists());
    }

    #[test]
    fn a_folder_may_be_named_with_a_slash_or_by_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let [folder, link] = ["manifests/", "link"].map(|name| directory.path().join(name));
        write_folder_whole(&folder, &files(&["list"], "old")).unwrap();
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        for name in [&folder, &link] {
            write_folder_whole(name, &files(&["list"], "new")).unwrap();
        }
        assert_eq!(fs::read_to_string(folder.join("list")).unwrap(), "new");
        assert!(fs::symlink_metadata(link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_in_the_folder_s_place_stays_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("policy.yaml");
        fs::write(&path, "policy").unwrap();
        assert!(write_folder_whole(&path, &files(&["list"], "new")).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "policy");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_with_something_else_in_it_stays_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("manifests");
        write_folder_whole(&folder, &files(&["a/list"], "old")).unwrap();
        fs::write(folder.join("a/mine"), "mine").unwrap();
        assert!(write_folder_whole(&folder, &files(&["a/list"], "new")).is_err());
        assert_eq!(fs::read_to_string(folder.join("a/list")).unwrap(), "old");
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
    fn what_is_no_file_is_not_replaced_by_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list");
        std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(write_whole(&path, "text").is_err());
        assert!(!fs::metadata(&path).unwrap().is_file());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
