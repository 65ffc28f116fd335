//! Which process has a socket, by its inode (proc_pid_fd(5)).

use rustix::fs::{Mode, OFlags, RawDir, readlink, readlinkat};
use std::collections::HashMap;

/// A descriptor of a process, or of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) process: u32,
    pub(super) descriptor: u32,
}

/// The inode of the socket at this place; nothing where there is none, or none to be seen.
pub(super) fn inode_at(Place { process, descriptor }: Place) -> Option<u64> {
    socket_inode(readlink(format!("/proc/{process}/fd/{descriptor}"), Vec::new()).ok()?.as_bytes())
}

fn socket_inode(link: &[u8]) -> Option<u64> {
    let number = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    core::str::from_utf8(number).ok()?.parse().ok()
}

/// Whether this process, or thread, has the socket with this inode.
pub(super) fn has_socket(process: u32, inode: u64) -> bool {
    // Where it was last seen does not matter: nowhere.
    let wanted = HashMap::from([(inode, Place { process, descriptor: u32::MAX })]);
    let mut found = HashMap::new();
    scan_process(process, &wanted, &mut found);
    !found.is_empty()
}

/// Where each of these sockets is: where it was, or else anywhere.
pub(super) fn holders(places: &HashMap<u64, Place>) -> HashMap<u64, Place> {
    let mut found: HashMap<_, _> = places
        .iter()
        .filter(|(inode, place)| inode_at(**place) == Some(**inode))
        .map(|(i, p)| (*i, *p))
        .collect();
    if found.len() < places.len() {
        scan(places, &mut found);
    }
    found
}

/// Looks through the descriptors of every process that can be looked at, once.
fn scan(places: &HashMap<u64, Place>, found: &mut HashMap<u64, Place>) {
    let own = std::process::id();
    let Ok(processes) = std::fs::read_dir("/proc") else { return };
    for process in processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        if process != own {
            scan_process(process, places, found);
        }
        if found.len() == places.len() {
            return;
        }
    }
}

fn scan_process(process: u32, places: &HashMap<u64, Place>, found: &mut HashMap<u64, Place>) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(folder) = rustix::fs::open(format!("/proc/{process}/fd"), flags, Mode::empty()) else { return };
    let mut space = Vec::with_capacity(4_096);
    let mut entries = RawDir::new(&folder, space.spare_capacity_mut());
    while let Some(Ok(entry)) = entries.next() {
        let name = entry.file_name();
        let Some(descriptor) = name.to_str().ok().and_then(|name| name.parse().ok()) else { continue };
        let link = readlinkat(&folder, name, Vec::new()).ok();
        let inode = link.and_then(|link| socket_inode(link.as_bytes()));
        if let Some(inode) = inode.filter(|inode| places.contains_key(inode)) {
            found.insert(inode, Place { process, descriptor });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn only_links_of_sockets_have_an_inode() {
        assert_eq!(socket_inode(b"socket:[4711]"), Some(4_711));
        for link in ["socket:[]", "socket:[1", "pipe:[1]", "/socket:[1]", "socket:[99999999999999999999]"] {
            assert_eq!(socket_inode(link.as_bytes()), None, "{link}");
        }
    }

    #[test]
    fn a_socket_is_found_where_it_was() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let descriptor = socket.as_raw_fd().try_into().unwrap();
        let place = Place { process: std::process::id(), descriptor };
        let inode = inode_at(place).unwrap();
        assert_eq!(holders(&HashMap::from([(inode, place)])), HashMap::from([(inode, place)]));
        drop(socket);
        assert_eq!(holders(&HashMap::from([(inode, place)])), HashMap::new());
    }
}
