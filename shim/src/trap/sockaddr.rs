//! The address that the workload passed, read once: what it writes there later changes nothing.

use crate::sys::memory;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::io;

/// Bytes of any socket address (`struct sockaddr_storage`).
const MAX_LENGTH: u64 = 128;

/// The IP address and port at this place in the caller's memory; nothing for other families.
pub(crate) fn read(thread: u32, place: u64, length: u64) -> io::Result<Option<SocketAddr>> {
    let mut bytes = [0; 28];
    let bytes = read_bytes(thread, place, length, &mut bytes)?;
    Ok(parse(bytes).map(onto_loopback))
}

/// The path of a Unix socket at this place in the caller's memory (unix(7)); nothing for other families.
pub(super) fn read_path(thread: u32, place: u64, length: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = [0; 110];
    let bytes = read_bytes(thread, place, length, &mut bytes)?;
    let Some((family, path)) = bytes.split_first_chunk() else { return Ok(None) };
    let is_unix = i32::from(u16::from_ne_bytes(*family)) == libc::AF_UNIX;
    Ok(is_unix.then(|| path.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()))
}

/// As much of an address as there is and fits.
fn read_bytes(thread: u32, place: u64, length: u64, bytes: &mut [u8]) -> io::Result<&[u8]> {
    let wanted = usize::try_from(length.min(MAX_LENGTH)).unwrap_or_default().min(bytes.len());
    let bytes = bytes.get_mut(..wanted).unwrap_or_default();
    memory::read(thread, place, bytes)?;
    Ok(bytes)
}

/// The kernel takes the unspecified address of a destination for this machine's loopback.
pub(crate) fn onto_loopback(address: SocketAddr) -> SocketAddr {
    if !address.ip().to_canonical().is_unspecified() {
        return address;
    }
    let ip: IpAddr = match address.ip() {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(),
    };
    SocketAddr::new(ip, address.port())
}

/// `struct sockaddr_in` and `sockaddr_in6` (ip(7), ipv6(7)).
fn parse(bytes: &[u8]) -> Option<SocketAddr> {
    let (family, rest) = bytes.split_first_chunk()?;
    let (port, rest) = rest.split_first_chunk()?;
    let port = u16::from_be_bytes(*port);
    match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => {
            let (address, rest) = rest.split_first_chunk::<4>()?;
            // The kernel refuses a shorter structure, and can do so itself.
            let _padding = rest.first_chunk::<8>()?;
            Some(SocketAddr::new(Ipv4Addr::from(*address).into(), port))
        }
        libc::AF_INET6 => {
            let (_flow, rest) = rest.split_first_chunk::<4>()?;
            let (address, rest) = rest.split_first_chunk::<16>()?;
            let scope = rest.first_chunk().map_or(0, |scope| u32::from_ne_bytes(*scope));
            Some(SocketAddrV6::new(Ipv6Addr::from(*address), port, 0, scope).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_are_read_and_others_are_not() {
        let v4 = [&2u16.to_ne_bytes()[..], &80u16.to_be_bytes(), &[10, 0, 0, 1], &[0; 8]].concat();
        assert_eq!(parse(&v4), Some("10.0.0.1:80".parse().unwrap()));
        let v6 = [
            &10u16.to_ne_bytes()[..],
            &443u16.to_be_bytes(),
            &[0; 4],
            &Ipv6Addr::LOCALHOST.octets(),
            &[0; 4],
        ]
        .concat();
        assert_eq!(parse(&v6), Some("[::1]:443".parse().unwrap()));
        assert_eq!(parse(&[&1u16.to_ne_bytes()[..], b"/run/socket"].concat()), None);
    }

    #[test]
    fn a_truncated_address_is_none() {
        let v4 = [&2u16.to_ne_bytes()[..], &80u16.to_be_bytes(), &[10, 0, 0, 1], &[0; 8]].concat();
        assert!((0..v4.len()).all(|length| parse(&v4[..length]).is_none()));
    }

    #[test]
    fn no_address_at_all_is_loopback_as_the_kernel_has_it() {
        for (given, meant) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("[::ffff:0.0.0.0]:80", "[::ffff:127.0.0.1]:80"),
            ("10.0.0.1:80", "10.0.0.1:80"),
        ] {
            assert_eq!(onto_loopback(given.parse().unwrap()), meant.parse().unwrap());
        }
    }

    #[test]
    fn an_address_is_read_from_memory_and_a_bad_pointer_is_an_error() {
        let v4 = [&2u16.to_ne_bytes()[..], &80u16.to_be_bytes(), &[10, 0, 0, 1], &[0; 8]].concat();
        let place = v4.as_ptr().expose_provenance();
        let place = u64::try_from(place).unwrap();
        assert_eq!(read(std::process::id(), place, 16).unwrap(), Some("10.0.0.1:80".parse().unwrap()));
        assert!(read(std::process::id(), 8, 16).is_err());
    }
}
