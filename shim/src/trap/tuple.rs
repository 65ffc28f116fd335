//! Which socket has a connection, by its two addresses (sock_diag(7), include/uapi/linux/inet_diag.h).

use core::net::{IpAddr, SocketAddr};
use procgate_identity::canonical;
use rustix::io::{Errno, Result};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{ipproto, netlink, recv, send, socket_with};

/// `SOCK_DIAG_BY_FAMILY`, and the kernel's answer of the same number.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST`
const REQUEST: u16 = 1;
/// A `struct nlmsghdr` and a `struct inet_diag_req_v2`.
const LENGTH: u32 = 72;
/// Where the answer has the socket's inode: in `struct inet_diag_msg`, behind the `struct nlmsghdr`.
const INODE: usize = 16 + 68;

/// The inode of the socket in this network whose connection goes from one of these addresses to the other.
///
/// # Errors
/// ENOENT where there is no such connection.
pub(super) fn inode_of(source: SocketAddr, destination: SocketAddr) -> Result<u64> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(netlink::SOCK_DIAG))?;
    send(&socket, &question(canonical(source), canonical(destination)), SendFlags::empty())?;
    let mut answer = [0; 512];
    // The kernel has answered within the call.
    let (length, _) = recv(&socket, &mut answer, RecvFlags::DONTWAIT)?;
    inode(answer.get(..length).unwrap_or_default())
}

fn question(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let family = if source.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let mut question = Vec::with_capacity(usize::try_from(LENGTH).unwrap_or_default());
    question.extend(LENGTH.to_ne_bytes());
    question.extend(BY_FAMILY.to_ne_bytes());
    question.extend(REQUEST.to_ne_bytes());
    // Sequence and sender.
    question.extend([0; 8]);
    question.extend([family.as_raw().to_ne_bytes()[0], ipproto::TCP.as_raw().get().to_ne_bytes()[0], 0, 0]);
    // Any state.
    question.extend(u32::MAX.to_ne_bytes());
    question.extend(source.port().to_be_bytes());
    question.extend(destination.port().to_be_bytes());
    for address in [source.ip(), destination.ip()] {
        match address {
            IpAddr::V4(address) => question.extend([&address.octets()[..], &[0; 12]].concat()),
            IpAddr::V6(address) => question.extend(address.octets()),
        }
    }
    // Any interface, any cookie.
    question.extend(0u32.to_ne_bytes());
    question.extend(u64::MAX.to_ne_bytes());
    question
}

fn inode(answer: &[u8]) -> Result<u64> {
    let kind = answer.get(4..).and_then(|rest| rest.first_chunk());
    let inode = answer.get(INODE..).and_then(|rest| rest.first_chunk());
    match (kind, inode) {
        (Some(kind), Some(inode)) if u16::from_ne_bytes(*kind) == BY_FAMILY => {
            Ok(u32::from_ne_bytes(*inode).into())
        }
        _ => Err(Errno::NOENT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_connection_is_found_by_its_addresses_at_each_end() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (server, peer) = listener.accept().unwrap();
            let local = server.local_addr().unwrap();
            assert_eq!(inode_of(peer, local), Ok(rustix::fs::fstat(&client).unwrap().st_ino));
            assert_eq!(inode_of(local, peer), Ok(rustix::fs::fstat(&server).unwrap().st_ino));
            assert_eq!(inode_of(peer, peer), Err(Errno::NOENT));
        }
    }

    #[test]
    fn an_answer_that_is_cut_short_names_no_socket() {
        let error = [&36u32.to_ne_bytes()[..], &2u16.to_ne_bytes(), &[0; 80]].concat();
        for answer in [&error[..], &error[..36], &[]] {
            assert_eq!(inode(answer), Err(Errno::NOENT));
        }
    }
}
