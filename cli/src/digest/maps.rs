//! `/proc/<pid>/maps`, one line a mapping (proc_pid_maps(5)). The paths in it are strangers' bytes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// A file that is mapped executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    /// The address range as it is written, which is the mapping's name in `map_files`.
    pub(super) range: String,
    pub(super) inode: u64,
    /// As the kernel writes it; [`Mapping::candidates`] has what it may mean.
    path: Vec<u8>,
}

/// A line that is not of the documented form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotALine;

impl Mapping {
    /// The executable file mapping of this line; none for data and for memory without a file.
    pub(super) fn parse(line: &[u8]) -> Result<Option<Self>, NotALine> {
        let mut rest = line;
        let mut field = || {
            let (word, after) = split_at_space(rest);
            rest = after;
            core::str::from_utf8(word).ok().filter(|word| !word.is_empty()).ok_or(NotALine)
        };
        let (range, permissions, _offset, _device) = (field()?, field()?, field()?, field()?);
        let inode: u64 = field()?.parse().map_err(|_| NotALine)?;
        let is_range = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if !is_range(range) || permissions.len() != 4 {
            return Err(NotALine);
        }
        if inode == 0 || !permissions.contains('x') {
            return Ok(None);
        }
        let path = rest.trim_ascii_start().to_vec();
        Ok(Some(Self { range: range.into(), inode, path }))
    }

    /// The paths that the written one may stand for. The kernel writes a line break in a name as
    /// `\012` but leaves a backslash alone, and puts ` (deleted)` behind a name that may end so
    /// itself: the inode decides which one it is.
    pub(super) fn candidates(&self) -> impl Iterator<Item = PathBuf> {
        let literal = self.path.clone();
        let unescaped = replace(&literal, br"\012", b"\n");
        let different = unescaped != literal;
        core::iter::once(literal)
            .chain(different.then_some(unescaped))
            .map(|path| PathBuf::from(OsStr::from_bytes(&path)))
    }

    /// The path for people.
    pub(super) fn path(&self) -> PathBuf {
        without_deleted(Path::new(OsStr::from_bytes(&self.path)))
    }
}

/// A path without what the kernel puts behind it once the file is deleted.
pub(super) fn without_deleted(path: &Path) -> PathBuf {
    let bytes = path.as_os_str().as_bytes();
    OsStr::from_bytes(bytes.strip_suffix(b" (deleted)").unwrap_or(bytes)).into()
}

fn split_at_space(text: &[u8]) -> (&[u8], &[u8]) {
    let at = text.iter().position(|byte| *byte == b' ').unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(at).unwrap_or((text, b""));
    (word, rest.strip_prefix(b" ").unwrap_or(rest))
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(from) {
            replaced.extend_from_slice(to);
            rest = after;
        } else {
            replaced.push(*first);
            rest = after;
        }
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(path: &str) -> Vec<PathBuf> {
        let line = format!("7f00-7f10 r-xp 00000000 08:01 42                 {path}");
        Mapping::parse(line.as_bytes()).unwrap().unwrap().candidates().collect()
    }

    #[test]
    fn an_executable_file_mapping_has_a_range_an_inode_and_a_path() {
        let line = b"55d0c8a00000-55d0c8a20000 r-xp 00002000 fe:01 1234567                    /usr/bin/a b";
        let mapping = Mapping::parse(line).unwrap().unwrap();
        assert_eq!(mapping.range, "55d0c8a00000-55d0c8a20000");
        assert_eq!((mapping.inode, mapping.path()), (1_234_567, PathBuf::from("/usr/bin/a b")));
    }

    #[test]
    fn data_and_memory_without_a_file_are_no_code() {
        for line in [
            "7ffd1000-7ffd3000 r-xp 00000000 00:00 0                          [vdso]",
            "7f001000-7f002000 rwxp 00000000 00:00 0 ",
            "7f001000-7f002000 r--p 00000000 08:01 77                         /lib/x.so",
        ] {
            assert_eq!(Mapping::parse(line.as_bytes()), Ok(None), "{line}");
        }
    }

    #[test]
    fn what_is_no_line_is_said_so() {
        for line in
            ["", "7f00-7f10", "7f00-7f10 r-xp 0 08:01 many /a", "../x r-xp 0 08:01 1 /a", "a r 0 0 1 /a"]
        {
            assert_eq!(Mapping::parse(line.as_bytes()), Err(NotALine), "{line}");
        }
    }

    #[test]
    fn a_line_break_in_a_name_is_found_and_a_written_one_too() {
        assert_eq!(candidates(r"/a\012b"), [PathBuf::from(r"/a\012b"), PathBuf::from("/a\nb")]);
        assert_eq!(candidates("/a"), [PathBuf::from("/a")]);
    }

    #[test]
    fn a_name_that_ends_like_a_deleted_file_is_tried_as_it_is() {
        assert_eq!(candidates("/a (deleted)"), [PathBuf::from("/a (deleted)")]);
    }
}
