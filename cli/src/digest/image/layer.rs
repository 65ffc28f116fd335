//! One layer, applied to those before it as runtimes do (OCI image specification, "layer").

use super::compression::unpacked;
use super::manifest::Blob;
use super::rootfs::{Kind, Rootfs};
use super::store::{Checked, Store};
use crate::digest::content::{self, Content};
use core::cell::Cell;
use std::io::{self, Read};
use tar::{Archive, Entry};

/// Bytes between two files' contents: their names and attributes, which the archive's reader holds in memory.
const MAX_BETWEEN: u64 = 1024 * 1024;
/// Marks that something of an earlier layer is gone.
const WHITEOUT: &[u8] = b".wh.";
/// Marks that all that earlier layers have in this folder is gone.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Other marks of this form are an old file system's own.
const OTHER_MARK: &[u8] = b".wh..wh.";

/// Reads the layer to its end, and checks that it is the one that was meant. Calls `count` for each file.
pub(super) fn apply(
    store: &Store,
    blob: &Blob,
    rootfs: &mut Rootfs,
    left: &Cell<u64>,
    count: &mut impl FnMut(),
) -> io::Result<()> {
    let mut packed = Checked::new(store.read(&blob.name)?);
    let between = Cell::new(MAX_BETWEEN);
    rootfs.begin_layer();
    {
        let metered = Metered { inner: unpacked(&mut packed)?, between: &between, left };
        let mut archive = Archive::new(metered);
        for entry in archive.entries()? {
            between.set(u64::MAX);
            let mut entry = entry?;
            one(&mut entry, rootfs, left)?;
            io::copy(&mut entry, &mut io::sink())?;
            between.set(MAX_BETWEEN);
            count();
        }
    }
    packed.finish(&blob.name, blob.digest)
}

fn one(entry: &mut Entry<'_, impl Read>, rootfs: &mut Rootfs, left: &Cell<u64>) -> io::Result<()> {
    // A file with holes is larger than what is read for it.
    let size = entry.size();
    left.set(left.get().checked_sub(size).ok_or_else(too_large)?);
    let path = entry.path_bytes().into_owned();
    let name = path.rsplit(|byte| *byte == b'/').find(|part| !part.is_empty()).unwrap_or_default();
    if name == OPAQUE {
        return rootfs.empty_folder_of(&path);
    }
    if name.starts_with(OTHER_MARK) {
        return Ok(());
    }
    if let Some(gone) = name.strip_prefix(WHITEOUT) {
        return rootfs.remove(&path, gone);
    }
    let kind = entry.header().entry_type();
    let kind = if kind.is_dir() {
        Kind::Folder
    } else if kind.is_symlink() {
        Kind::Link(entry.link_name_bytes().unwrap_or_default().into_owned())
    } else if kind.is_hard_link() {
        rootfs.linked(&entry.link_name_bytes().unwrap_or_default())?
    } else if kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse() {
        Kind::File(of_file(entry)?)
    } else if kind.is_pax_global_extensions() || kind.is_pax_local_extensions() {
        return Ok(());
    } else {
        Kind::Other
    };
    rootfs.put(&path, kind)
}

fn of_file(entry: &mut Entry<'_, impl Read>) -> io::Result<Content> {
    let mode = entry.header().mode()?;
    content::of(entry, mode)
}

fn too_large() -> io::Error {
    io::Error::other("the image unpacks to more than any image has")
}

/// What is unpacked, counted: no more between two files than their names need, nor more of it all than is left.
struct Metered<'a, R> {
    inner: R,
    between: &'a Cell<u64>,
    left: &'a Cell<u64>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let count = u64::try_from(read).unwrap_or(u64::MAX);
        let between = self.between.get().checked_sub(count);
        self.between.set(between.ok_or_else(|| io::Error::other("a file's name or attributes have no end"))?);
        // Contents are counted by the size that they claim.
        if between.is_some_and(|between| between <= MAX_BETWEEN) {
            self.left.set(self.left.get().checked_sub(count).ok_or_else(too_large)?);
        }
        Ok(read)
    }
}
