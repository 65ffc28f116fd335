//! All code in a file tree: every ELF file, whatever its mode, and every executable script.

use super::content::{self, Content};
use super::listing::{Entry, Found};
use super::or_ignore;
use crate::failure::Problem;
use crate::files::unreadable;
use crate::progress::Progress;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Folders inside one another. Each holds a file descriptor while it is searched, and 1,024 of them
/// is a usual limit; real images have some 20.
const MAX_DEPTH: usize = 200;
/// `f_type` of the file systems that show the kernel and not the image (Linux's `magic.h`).
const KERNEL_VIEWS: [u64; 2] = [0x9fa0, 0x6265_6572];

/// Searches the tree below `root`. Symbolic links are not followed: what they point to is either in
/// the tree, and found there, or no part of it. `root` itself may be one (`/proc/<pid>/root` is).
pub(super) fn search(root: &Path) -> Result<Found, Problem> {
    let top = rustix::fs::openat(CWD, root, FOLDER, Mode::empty());
    let top = top.map_err(|error| match error {
        rustix::io::Errno::NOTDIR => Problem::new("is no directory").in_file(root).next("name a folder"),
        error => unreadable(root, &error.into()),
    })?;
    let device = rustix::fs::fstat(&top).map_err(|error| unreadable(root, &error.into()))?.st_dev;
    let progress = Progress::of("files");
    let mut search = Search { found: Found::default(), linked: HashMap::new(), files: 0, progress };
    search.folder(&Folder { handle: top, device, path: PathBuf::from("/"), depth: 0 });
    search.progress.finish(search.files);
    Ok(search.found)
}

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::CLOEXEC);
/// A file that turns out to be a pipe or device must not make the search wait.
const PLAIN_FILE: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

struct Search {
    found: Found,
    /// Hard-linked files that have been looked at, by device and inode.
    linked: HashMap<(u64, u64), Content>,
    files: u64,
    progress: Progress,
}

/// A folder that is being searched, held open so that nobody can put another in its place.
struct Folder {
    handle: OwnedFd,
    device: u64,
    path: PathBuf,
    depth: usize,
}

impl Search {
    fn folder(&mut self, folder: &Folder) {
        let names = match names(&folder.handle) {
            Ok(names) => names,
            Err(error) => return self.leave_out(&folder.path, &error),
        };
        for name in names {
            let path = folder.path.join(&name);
            if let Err(error) = self.entry(folder, &name, &path) {
                self.leave_out(&path, &error);
            }
        }
    }

    fn entry(&mut self, folder: &Folder, name: &OsStr, path: &Path) -> io::Result<()> {
        let stat = rustix::fs::statat(&folder.handle, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Directory {
            let depth = folder.depth.saturating_add(1);
            if depth > MAX_DEPTH {
                return Err(io::Error::other(format!("more than {MAX_DEPTH} folders inside one another")));
            }
            let handle = rustix::fs::openat(&folder.handle, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?;
            if stat.st_dev == folder.device || !shows_the_kernel(&handle)? {
                self.folder(&Folder { handle, device: stat.st_dev, path: path.into(), depth });
            }
        } else if kind == FileType::RegularFile {
            match self.content(folder, name, &stat)? {
                Content::Elf(digest) => self.found.code.push(Entry { digest, path: path.into() }),
                Content::Script(digest) => self.found.scripts.push(Entry { digest, path: path.into() }),
                Content::Neither => {}
            }
            self.files = self.files.saturating_add(1);
            self.progress.show(self.files);
        }
        Ok(())
    }

    fn content(&mut self, folder: &Folder, name: &OsStr, stat: &Stat) -> io::Result<Content> {
        let id = (stat.st_dev, stat.st_ino);
        if let Some(known) = self.linked.get(&id) {
            return Ok(*known);
        }
        let handle = rustix::fs::openat(&folder.handle, name, PLAIN_FILE, Mode::empty())?;
        let content = content(&mut File::from(handle), stat)?;
        if stat.st_nlink > 1 {
            self.linked.insert(id, content);
        }
        Ok(content)
    }

    fn leave_out(&mut self, path: &Path, error: &io::Error) {
        self.found.problems.push(or_ignore(unreadable(path, error)));
    }
}

fn names(folder: &OwnedFd) -> io::Result<Vec<OsString>> {
    let names =
        Dir::read_from(folder)?.map(|entry| Ok(OsStr::from_bytes(entry?.file_name().to_bytes()).into()));
    let names: io::Result<Vec<OsString>> = names.collect();
    let real = |name: &OsString| name != "." && name != "..";
    names.map(|names| names.into_iter().filter(real).collect())
}

fn shows_the_kernel(folder: &OwnedFd) -> io::Result<bool> {
    let kind = u64::try_from(rustix::fs::fstatfs(folder)?.f_type).unwrap_or(0);
    Ok(KERNEL_VIEWS.contains(&kind))
}

fn content(file: &mut File, stat: &Stat) -> io::Result<Content> {
    let content = content::of(&mut *file, stat.st_mode)?;
    let after = rustix::fs::fstat(&*file)?;
    let state = |stat: &Stat| (stat.st_ino, stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
    if state(&after) != state(stat) && !matches!(content, Content::Neither) {
        return Err(io::Error::other("it changed while it was read"));
    }
    Ok(content)
}
