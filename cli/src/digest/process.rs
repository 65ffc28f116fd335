//! What a running process executes: its executable and every file it has mapped executable.

use super::listing::{Entry, Found};
use super::maps::{Mapping, NotALine, without_deleted};
use super::or_ignore;
use crate::failure::Problem;
use crate::files::{digest_of, reason, remedy, unreadable};
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Bytes of `maps` that are read: Linux's default limit of 65,530 mappings at 250 bytes each.
const MAX_MAPS: u64 = 16 * 1024 * 1024;

/// The code of the process with this id.
pub(super) fn search(pid: u32) -> Result<Found, Problem> {
    let process = Process::open(pid)?;
    let exe = process.executable()?;
    let mappings = process.mappings()?;
    let itself = |mapping: &Mapping| mapping.inode == exe.inode || mapping.path() == exe.entry.path;
    let now = fs::metadata(process.base.join("exe")).map_or(0, |metadata| metadata.ino());
    if now != exe.inode || !mappings.values().any(itself) {
        let problem = Problem::new("it is just starting a program").at(format!("process {pid}"));
        return Err(problem.next("try again"));
    }
    let mut found = Found { exe: Some(exe.entry.clone()), ..Found::default() };
    for mapping in mappings.into_values() {
        match process.mapped(&mapping, &exe) {
            Ok(entry) => found.code.push(entry),
            Err(problem) => found.problems.push(problem),
        }
    }
    Ok(found)
}

/// A process by its open `/proc` folder: should it end and its id be given away, reading fails.
struct Process {
    pid: u32,
    /// Held for the descriptor in `base`.
    _folder: File,
    base: PathBuf,
}

struct Executable {
    entry: Entry,
    inode: u64,
    deleted: bool,
}

impl Process {
    fn open(pid: u32) -> Result<Self, Problem> {
        let folder = File::open(format!("/proc/{pid}")).map_err(|error| {
            let problem = Problem::new("no such process").at(format!("process {pid}"));
            if error.kind() == io::ErrorKind::NotFound {
                problem.next("look the id up again; it is the one outside the container")
            } else {
                problem.next(error)
            }
        })?;
        let base = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
        Ok(Self { pid, _folder: folder, base })
    }

    fn executable(&self) -> Result<Executable, Problem> {
        let exe = self.base.join("exe");
        let read = || {
            let link = fs::read_link(&exe)?;
            let file = File::open(&exe)?;
            let metadata = file.metadata()?;
            let digest = digest_of(&file)?;
            let deleted = metadata.nlink() == 0;
            let path = if deleted { without_deleted(&link) } else { link };
            Ok(Executable { entry: Entry { digest, path }, inode: metadata.ino(), deleted })
        };
        read().map_err(|error: io::Error| {
            let problem = Problem::new("its executable cannot be read").at(format!("process {}", self.pid));
            let next = remedy(
                &error,
                &[
                    (io::ErrorKind::NotFound, "it has ended, or is the kernel's own"),
                    (io::ErrorKind::PermissionDenied, "run as its user or as root"),
                ],
            );
            problem.next(next.unwrap_or(&reason(&error)))
        })
    }

    /// The executable file mappings, each file once.
    fn mappings(&self) -> Result<BTreeMap<(u64, PathBuf), Mapping>, Problem> {
        let mut maps = Vec::new();
        let read = File::open(self.base.join("maps"))
            .and_then(|file| file.take(MAX_MAPS.saturating_add(1)).read_to_end(&mut maps));
        let place = format!("/proc/{}/maps", self.pid);
        let length = read.map_err(|error| unreadable(Path::new(&place), &error))?;
        if u64::try_from(length).unwrap_or(u64::MAX) > MAX_MAPS {
            return Err(Problem::new(format!("longer than {MAX_MAPS} bytes")).at(place));
        }
        let mut mappings = BTreeMap::new();
        for line in maps.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let mapping = Mapping::parse(line);
            let mapping = mapping.map_err(|NotALine| Problem::new("a line of another form").at(&place))?;
            mappings.extend(mapping.map(|mapping| ((mapping.inode, mapping.path()), mapping)));
        }
        Ok(mappings)
    }

    /// The digest of what is mapped: of the very file, never of another under the same name.
    fn mapped(&self, mapping: &Mapping, exe: &Executable) -> Result<Entry, Problem> {
        let path = mapping.path();
        if mapping.inode == exe.inode && path == exe.entry.path {
            return if exe.deleted { Err(replaced(&path)) } else { Ok(exe.entry.clone()) };
        }
        let unreadable = |error: io::Error| or_ignore(unreadable(&path, &error));
        let file = self.open_mapped(mapping).map_err(unreadable)?.ok_or_else(|| replaced(&path))?;
        if file.metadata().map_err(unreadable)?.nlink() == 0 {
            return Err(replaced(&path));
        }
        let digest = digest_of(file).map_err(unreadable)?;
        Ok(Entry { digest, path: path.clone() })
    }

    /// The mapped file, through the mapping itself where that is permitted (it takes root), else
    /// through its path in the process's view. There the inode tells whether it is still the same
    /// file; the device does not, since overlays and btrfs show another one in `maps`.
    fn open_mapped(&self, mapping: &Mapping) -> io::Result<Option<File>> {
        if let Ok(file) = File::open(self.base.join("map_files").join(&mapping.range)) {
            return Ok(Some(file));
        }
        for candidate in mapping.candidates() {
            let Ok(inside) = candidate.strip_prefix("/") else { continue };
            let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let file = match rustix::fs::open(self.base.join("root").join(inside), flags, Mode::empty()) {
                Ok(file) => File::from(file),
                Err(rustix::io::Errno::NOENT | rustix::io::Errno::LOOP) => continue,
                Err(error) => return Err(error.into()),
            };
            let metadata = file.metadata()?;
            if metadata.is_file() && metadata.ino() == mapping.inode {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }
}

fn replaced(path: &Path) -> Problem {
    let problem = Problem::new("deleted or replaced since it was mapped").in_file(path);
    problem.next("restart the process and try again, or leave it out with --ignore-unreadable")
}
