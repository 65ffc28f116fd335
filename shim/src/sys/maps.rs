//! PROCMAP_QUERY: the executable file mappings of a process, one ioctl each (Linux 6.11,
//! Documentation/filesystems/proc.rst).

use super::checked;
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

const QUERY: libc::c_ulong = 0xc068_6611;
const EXECUTABLE: u64 = 0x04;
const COVERING_OR_NEXT: u64 = 0x10;
const FILE_BACKED: u64 = 0x20;

/// `struct procmap_query` of include/uapi/linux/fs.h.
#[repr(C)]
#[derive(Default)]
struct Query {
    size: u64,
    flags: u64,
    address: u64,
    start: u64,
    end: u64,
    mapping_flags: u64,
    page_size: u64,
    offset: u64,
    inode: u64,
    major: u32,
    minor: u32,
    name_size: u32,
    build_id_size: u32,
    name: u64,
    build_id: u64,
}

const _: () = assert!(size_of::<Query>() == 0x68);

/// One mapping of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) device: (u32, u32),
    pub(crate) inode: u64,
    /// The path as the process's mount namespace names it.
    pub(crate) path: Vec<u8>,
}

/// The executable mapping of a file that covers `address` or comes next; nothing after the last.
///
/// # Errors
/// ENOTTY from kernels that do not know the call.
pub(crate) fn next(maps: &File, address: u64) -> io::Result<Option<Mapping>> {
    let mut name = [0u8; 4_096];
    let mut query = Query {
        size: 0x68,
        flags: EXECUTABLE | COVERING_OR_NEXT | FILE_BACKED,
        address,
        name_size: 4_096,
        name: name.as_mut_ptr().expose_provenance().try_into().map_err(io::Error::other)?,
        ..Query::default()
    };
    // SAFETY: the kernel reads and writes a structure of the size that it holds, and at most
    // `name_size` bytes of `name`; both are ours for the length of the call.
    match checked(unsafe { libc::ioctl(maps.as_raw_fd(), QUERY, &raw mut query) }) {
        Ok(_) => {}
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(None),
        Err(error) => return Err(error),
    }
    let path = CStr::from_bytes_until_nul(&name).map_err(io::Error::other)?.to_bytes().to_vec();
    let Query { start, end, major, minor, inode, .. } = query;
    Ok(Some(Mapping { start, end, device: (major, minor), inode, path }))
}
