//! What a file is, by its first bytes.

use crate::files::digest_of;
use procgate_identity::Digest;
use std::io::{self, Read};

/// What a file is to a code list.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content {
    /// Code, whatever its mode: a shared library need not be executable to be mapped.
    Elf(Digest),
    /// A script that somebody may execute.
    Script(Digest),
    /// Anything else. Its digest is of no use, and is not taken.
    Neither,
}

/// Reads as much of a file as it takes.
pub(super) fn of(mut file: impl Read, mode: u32) -> io::Result<Content> {
    /// Somebody may execute it.
    const EXECUTABLE: u32 = 0o111;
    let mut start = Vec::with_capacity(4);
    file.by_ref().take(4).read_to_end(&mut start)?;
    let elf = start == b"\x7fELF";
    let script = start.starts_with(b"#!") && mode & EXECUTABLE != 0;
    if !elf && !script {
        return Ok(Content::Neither);
    }
    let digest = digest_of(start.chain(file))?;
    Ok(if elf { Content::Elf(digest) } else { Content::Script(digest) })
}
