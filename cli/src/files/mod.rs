//! Files in and out: read within a bound, written whole or not at all.

mod folder;
mod whole;

pub(crate) use folder::write_folder_whole;
pub(crate) use whole::{write_lines_whole, write_whole};

use crate::failure::Problem;
use procgate_identity::{Digest, Hasher};
use std::fs::File;
use std::io::{self, Read};
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

/// A name in the same directory: a rename works within one file system only.
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
}
