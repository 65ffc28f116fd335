//! Files that are read once, however often and by whatever name they are given: what is in them did not happen twice.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// A file by its device and inode, whatever it is called.
pub(super) type FileId = (u64, u64);

/// The file that this is of.
pub(super) fn id(file: &fs::Metadata) -> FileId {
    (file.dev(), file.ino())
}

/// The files that were given so far.
#[derive(Debug, Default)]
pub(crate) struct Once(HashSet<FileId>);

impl Once {
    /// Whether this file was given before. Of a pipe each reading is another part.
    pub(crate) fn again(&mut self, path: &Path) -> bool {
        let file = fs::metadata(path).ok().filter(fs::Metadata::is_file);
        file.is_some_and(|file| !self.0.insert(id(&file)))
    }
}
