//! Digests of files, computed once and noticed to be stale.
//!
//! An entry keeps its file open (`O_PATH`), so that no other file can take its inode, and remembers
//! size, mtime and ctime: ctime moves with every write(2) and cannot be set back by the workload.
//!
//! What that does not show is a write through a shared mapping whose page was made writable before the
//! file was digested (any time before on tmpfs). Only who may write to a file can do so: files of an
//! image that its user does not own, or a read-only root, are out of reach.

use procgate_identity::{Digest, Hasher};
use rustix::fs::{Mode, OFlags, Stat, fstat, openat};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// Files that are remembered; a program with all of its libraries has 10 to 300.
const MAX_FILES: usize = 1_024;
/// A file whose ctime is younger than this is digested again next time: a write within the same tick
/// of the file system's clock would leave no trace (2 s is the coarsest, FAT's).
const SETTLED: Duration = Duration::from_secs(2);
/// Bytes that are read at a time.
const CHUNK: usize = 256 * 1_024;

/// Which file: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FileId {
    pub(super) device: (u32, u32),
    pub(super) inode: u64,
}

impl FileId {
    pub(super) fn of(stat: &Stat) -> Self {
        let device = (rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev));
        Self { device, inode: stat.st_ino }
    }
}

/// What changes when a file's content does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    size: i64,
    modified: (i64, u64),
    changed: (i64, u64),
}

impl Stamp {
    fn of(stat: &Stat) -> Self {
        Self {
            size: stat.st_size,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let changed = Duration::from_secs(u64::try_from(self.changed.0).unwrap_or(u64::MAX));
        changed.saturating_add(SETTLED) < now
    }
}

#[derive(Debug)]
struct Entry {
    file: OwnedFd,
    stamp: Stamp,
    digest: Digest,
}

/// Digests by file.
#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: Mutex<HashMap<FileId, Entry>>,
    /// Files that are being read, so that a hundred callers do not read the same one.
    reading: Mutex<HashSet<FileId>>,
    read: Condvar,
}

impl Cache {
    /// The digest of a file that has not changed since it was taken.
    pub(super) fn look_up(&self, id: FileId) -> Option<Digest> {
        let mut entries = self.entries();
        let entry = entries.get(&id)?;
        if fstat(&entry.file).is_ok_and(|stat| Stamp::of(&stat) == entry.stamp) {
            return Some(entry.digest);
        }
        entries.remove(&id);
        None
    }

    /// Reads a file and remembers its digest.
    ///
    /// # Errors
    /// The file cannot be read, or was written to meanwhile.
    pub(super) fn digest(&self, file: &File) -> io::Result<(FileId, Digest)> {
        let id = FileId::of(&fstat(file)?);
        let _reading = self.read_alone(id);
        if let Some(digest) = self.look_up(id) {
            return Ok((id, digest));
        }
        let before = fstat(file)?;
        let digest = read(file)?;
        let stamp = Stamp::of(&before);
        if Stamp::of(&fstat(file)?) != stamp {
            return Err(io::Error::other("the file is being written to"));
        }
        if stamp.is_settled() {
            self.remember(id, file, stamp, digest)?;
        }
        Ok((id, digest))
    }

    /// Waits until nobody else reads this file, and keeps it so.
    fn read_alone(&self, id: FileId) -> Reading<'_> {
        let files = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.read.wait_while(files, |files| files.contains(&id));
        waited.unwrap_or_else(PoisonError::into_inner).insert(id);
        Reading { cache: self, id }
    }

    fn remember(&self, id: FileId, file: &File, stamp: Stamp, digest: Digest) -> io::Result<()> {
        let file = pin(file)?;
        let mut entries = self.entries();
        if entries.len() >= MAX_FILES {
            // Rare, and any choice is right: the file is read again when it is needed.
            let victim = entries.keys().next().copied();
            victim.map(|victim| entries.remove(&victim));
        }
        entries.insert(id, Entry { file, stamp, digest });
        Ok(())
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<FileId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file is being read, until this is dropped.
struct Reading<'a> {
    cache: &'a Cache,
    id: FileId,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.cache.reading.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        self.cache.read.notify_all();
    }
}

/// A second descriptor of the same file that allows nothing but to ask about it.
fn pin(file: &File) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    // A shim that is not dumpable may not always follow its own links; a duplicate pins as well.
    openat(rustix::fs::CWD, path, flags, Mode::empty())
        .or_else(|_| rustix::io::fcntl_dupfd_cloexec(file, 3))
        .map_err(Into::into)
}

fn read(mut file: &File) -> io::Result<Digest> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(length) => hasher.update(buffer.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{Timespec, Timestamps, utimensat};
    use std::fs;
    use std::io::{Seek, Write};
    use std::path::PathBuf;

    /// A file of this test, removed at its end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str, content: &str) -> Self {
            let path = std::env::temp_dir().join(format!("procgate-cache-{}-{name}", std::process::id()));
            fs::write(&path, content).unwrap();
            Self(path)
        }

        /// Enters the file as if it had been settled when it was digested.
        fn remembered(&self, cache: &Cache) -> FileId {
            let file = File::open(&self.0).unwrap();
            let stat = fstat(&file).unwrap();
            let id = FileId::of(&stat);
            cache.remember(id, &file, Stamp::of(&stat), Digest::of(b"old")).unwrap();
            assert_eq!(cache.look_up(id), Some(Digest::of(b"old")));
            id
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn a_file_rewritten_in_place_is_noticed_although_its_mtime_is_set_back() {
        let (cache, scratch) = (Cache::default(), Scratch::new("rewritten", "old"));
        let id = scratch.remembered(&cache);
        let stat = rustix::fs::stat(&scratch.0).unwrap();
        let mut file = fs::OpenOptions::new().write(true).open(&scratch.0).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        file.rewind().unwrap();
        file.write_all(b"new").unwrap();
        let time = Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec.cast_signed() };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(rustix::fs::CWD, &scratch.0, &times, rustix::fs::AtFlags::empty()).unwrap();
        assert_eq!(cache.look_up(id), None);
        assert_eq!(cache.digest(&File::open(&scratch.0).unwrap()).unwrap().1, Digest::of(b"new"));
    }

    #[test]
    fn a_file_that_was_just_written_is_not_remembered() {
        let (cache, scratch) = (Cache::default(), Scratch::new("fresh", "fresh"));
        let (id, digest) = cache.digest(&File::open(&scratch.0).unwrap()).unwrap();
        assert_eq!((digest, cache.look_up(id)), (Digest::of(b"fresh"), None));
    }

    #[test]
    fn a_replaced_file_keeps_its_inode_from_being_taken() {
        let (cache, scratch) = (Cache::default(), Scratch::new("replaced", "old"));
        let id = scratch.remembered(&cache);
        fs::remove_file(&scratch.0).unwrap();
        fs::write(&scratch.0, "new").unwrap();
        let new = FileId::of(&rustix::fs::stat(&scratch.0).unwrap());
        assert_ne!(new, id);
        assert_eq!(cache.look_up(new), None);
    }

    #[test]
    fn the_cache_is_bounded() {
        let (cache, scratch) = (Cache::default(), Scratch::new("bounded", "x"));
        let file = File::open(&scratch.0).unwrap();
        let stamp = Stamp::of(&fstat(&file).unwrap());
        for inode in 0..1_100 {
            let id = FileId { device: (0, 0), inode };
            let _ = cache.remember(id, &file, stamp, Digest::of(b"x"));
        }
        assert!(cache.entries().len() <= MAX_FILES);
    }
}
