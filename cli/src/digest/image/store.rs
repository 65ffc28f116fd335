//! Where an image's blobs are: in the folder of an OCI layout, or in a tar archive.

use crate::failure::Problem;
use crate::files::unreadable;
use procgate_identity::{Digest, Hasher};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// Files in an archive: a few for each layer, and no image has more than some hundred of those.
const MAX_MEMBERS: usize = 10_000;
/// Bytes of an index, a manifest or a configuration: registries take up to 4 MiB.
const MAX_DOCUMENT: u64 = 4 * 1024 * 1024;
/// Links that lead to one another: `docker save` writes one for a layer that it has written already.
const MAX_LINKS: usize = 8;

/// An image's blobs.
#[derive(Debug)]
pub(super) enum Store {
    Folder(PathBuf),
    Archive { path: PathBuf, members: HashMap<String, Member> },
}

/// A file in the archive, or a link to another.
#[derive(Debug)]
pub(super) enum Member {
    File { at: u64, size: u64 },
    Link(String),
}

impl Store {
    pub(super) fn open(path: &Path) -> Result<Self, Problem> {
        let mut file = File::open(path).map_err(|error| unreadable(path, &error))?;
        let kind = file.metadata().map_err(|error| unreadable(path, &error))?;
        if kind.is_dir() {
            return Ok(Self::Folder(path.into()));
        }
        if !kind.is_file() {
            let problem = Problem::new("is neither a file nor a folder").in_file(path);
            return Err(
                problem.next("write the image to a file first: its parts are not read in their order")
            );
        }
        let mut start = [0; 2];
        if file.read_exact(&mut start).is_ok() && start == [0x1f, 0x8b] {
            return Err(Problem::new("is compressed as a whole").in_file(path).next("unpack it with gunzip"));
        }
        let members = file.rewind().and_then(|()| members(file));
        let members = members.map_err(|error| {
            let problem = Problem::new(format!("no tar archive that can be an image: {error}")).in_file(path);
            problem.next("name what `docker save` wrote, or an OCI layout")
        })?;
        Ok(Self::Archive { path: path.into(), members })
    }

    /// Whether there is a file of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Self::Folder(folder) => folder.join(name).is_file(),
            Self::Archive { members, .. } => members.contains_key(name),
        }
    }

    /// Opens the file of this name. Names are the layout's own, or made of digests: none leads out of a folder.
    pub(super) fn read(&self, name: &str) -> io::Result<Box<dyn Read>> {
        let missing = || io::Error::other(format!("{name} is missing"));
        match self {
            Self::Folder(folder) => Ok(Box::new(File::open(folder.join(name)).map_err(|_| missing())?)),
            Self::Archive { path, members } => {
                let mut member = members.get(name);
                for _ in 0..MAX_LINKS {
                    let Some(Member::Link(target)) = member else { break };
                    member = members.get(target);
                }
                let Some(Member::File { at, size }) = member else { return Err(missing()) };
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(*at))?;
                Ok(Box::new(file.take(*size)))
            }
        }
    }

    /// A whole document of this name, of the bytes that its digest says where it has one.
    pub(super) fn document(&self, name: &str, digest: Option<Digest>) -> Result<Vec<u8>, Problem> {
        let mut bytes = Vec::new();
        let read = self.read(name).and_then(|file| file.take(MAX_DOCUMENT).read_to_end(&mut bytes));
        read.map_err(|error| Problem::new(error).next("make or fetch the image anew"))?;
        if digest.is_some_and(|digest| Digest::of(&bytes) != digest) {
            return Err(Problem::new(changed(name)).next("make or fetch the image anew"));
        }
        Ok(bytes)
    }
}

fn changed(name: &str) -> String {
    format!("{name} has another digest than its name says")
}

fn members(file: File) -> io::Result<HashMap<String, Member>> {
    let mut members = HashMap::new();
    for entry in tar::Archive::new(file).entries_with_seek()? {
        let entry = entry?;
        let Ok(name) = core::str::from_utf8(&entry.path_bytes()).map(plain) else { continue };
        let kind = entry.header().entry_type();
        if kind.is_file() {
            members.insert(name, Member::File { at: entry.raw_file_position(), size: entry.size() });
        } else if kind.is_symlink()
            && let Some(target) = entry.link_name_bytes()
            && let Ok(target) = core::str::from_utf8(&target)
        {
            let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
            members.insert(name, Member::Link(plain(&format!("{folder}/{target}"))));
        }
        if members.len() > MAX_MEMBERS {
            return Err(io::Error::other(format!("more than {MAX_MEMBERS} files")));
        }
    }
    Ok(members)
}

/// The name without what means nothing in it, and `..` gone up.
fn plain(name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A blob that is read in one go, whose digest is known at the end.
pub(super) struct Checked<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Checked<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, hasher: Hasher::new() }
    }

    /// Reads what is left, and compares.
    pub(super) fn finish(mut self, name: &str, expected: Option<Digest>) -> io::Result<()> {
        io::copy(&mut self, &mut io::sink())?;
        let digest = self.hasher.finish();
        if expected.is_some_and(|expected| expected != digest) {
            return Err(io::Error::other(changed(name)));
        }
        Ok(())
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}
