//! The files that a process has mapped executable.

use super::cache::FileId;
use crate::sys::maps::{self, Mapping};
use rustix::fs::stat;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

/// Files of one process that are looked at. Java maps 14, node 11, Python 28, a desktop program 300.
const MAX_MAPPINGS: usize = 4_096;

/// The executable file mappings of this thread's process, a file once.
pub(super) fn files(thread: u32) -> io::Result<Vec<Mapping>> {
    let mut file = File::open(format!("/proc/{thread}/maps"))?;
    let mut mappings: Vec<Mapping> = Vec::new();
    let mut add = |mapping: Mapping| {
        if !mappings.iter().any(|known| id(known) == id(&mapping)) {
            mappings.push(mapping);
        }
        if mappings.len() > MAX_MAPPINGS { Err(io::Error::other("too many mapped files")) } else { Ok(()) }
    };
    let mut address = 0;
    loop {
        match maps::next(&file, address) {
            Ok(None) => return Ok(mappings),
            Ok(Some(mapping)) => {
                address = mapping.end;
                add(mapping)?;
            }
            // A kernel before 6.11: the same from the text.
            Err(error) if address == 0 && error.raw_os_error() == Some(libc::ENOTTY) => break,
            Err(error) => return Err(error),
        }
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    text.split(|byte| *byte == b'\n').filter_map(parse).try_for_each(add)?;
    Ok(mappings)
}

/// One line of `/proc/<pid>/maps` (proc_pid_maps(5)), where it is an executable mapping of a file.
fn parse(line: &[u8]) -> Option<Mapping> {
    let mut fields = line.splitn(6, |byte| *byte == b' ').map(|field| core::str::from_utf8(field).ok());
    let mut hexadecimal = |separator: char| {
        let (left, right) = fields.next()??.split_once(separator)?;
        Some((u64::from_str_radix(left, 16).ok()?, u64::from_str_radix(right, 16).ok()?))
    };
    let (start, end) = hexadecimal('-')?;
    let mut fields = line.splitn(6, |byte| *byte == b' ').skip(1);
    let executable = fields.next()?.get(2) == Some(&b'x');
    let device = core::str::from_utf8(fields.nth(1)?).ok()?.split_once(':')?;
    let number = |text| u32::from_str_radix(text, 16).ok();
    let inode = core::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let path = fields.next()?.trim_ascii_start().to_vec();
    let device = (number(device.0)?, number(device.1)?);
    (executable && inode != 0).then_some(Mapping { start, end, device, inode, path })
}

/// Which file is mapped.
pub(super) const fn id(mapping: &Mapping) -> FileId {
    FileId { device: mapping.device, inode: mapping.inode }
}

/// Opens the file that is mapped, if it can be had: by the mapping itself, which takes privilege, or
/// by its path as the process sees it. The caller must make sure that it is the same file.
pub(super) fn open(thread: u32, mapping: &Mapping) -> Option<File> {
    let Mapping { start, end, path, .. } = mapping;
    File::open(format!("/proc/{thread}/map_files/{start:x}-{end:x}")).ok().or_else(|| {
        let mut rooted = format!("/proc/{thread}/root").into_bytes();
        rooted.extend_from_slice(path);
        let rooted = std::ffi::OsStr::from_bytes(&rooted);
        // Looked at before it is opened: opening a device or a pipe can do things.
        let same = stat(rooted).is_ok_and(|stat| FileId::of(&stat) == id(mapping));
        same.then(|| File::open(rooted).ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_maps_is_read_whatever_its_path() {
        let line = b"7f00-7f10 r-xp 00001000 fd:0a 1234    /lib/a file (deleted)";
        let mapping = parse(line).unwrap();
        assert_eq!(
            (mapping.start, mapping.end, mapping.device, mapping.inode),
            (0x7f00, 0x7f10, (0xfd, 0x0a), 1_234)
        );
        assert_eq!(mapping.path, b"/lib/a file (deleted)");
    }

    #[test]
    fn lines_that_are_no_executable_file_are_passed_over() {
        for line in [
            &b"7f00-7f10 rw-p 0 fd:00 1 /lib/a"[..],
            b"7f00-7f10 r-xp 0 00:00 0 [vdso]",
            b"7f00-7f10 r-xp",
            b"",
            b"x",
        ] {
            assert_eq!(parse(line), None);
        }
    }

    #[test]
    fn the_kernel_s_answer_and_the_text_agree_about_this_process() {
        let own = std::process::id();
        let asked = files(own).unwrap();
        let text = std::fs::read("/proc/self/maps").unwrap();
        let mut read: Vec<Mapping> = Vec::new();
        for mapping in text.split(|byte| *byte == b'\n').filter_map(parse) {
            if !read.iter().any(|known| id(known) == id(&mapping)) {
                read.push(mapping);
            }
        }
        assert_eq!(asked, read);
        assert!(!asked.is_empty());
    }
}
