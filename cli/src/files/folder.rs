//! A folder that is written whole or not at all.

use super::{named_beside, unwritable};
use crate::failure::Problem;
use rustix::fs::{CWD, FlockOperation, RenameFlags};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
