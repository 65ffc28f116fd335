//! One way of writing a socket address, so that both ends of a binding compare equal.

use core::net::SocketAddr;

/// The address as claims and bindings write it: an IPv4-mapped IPv6 address becomes IPv4, and an
/// IPv6 address loses its flow label and zone, which the other end of the connection cannot see.
#[must_use]
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_v4_mapped_address_is_written_as_v4() {
        let mapped: SocketAddr = "[::ffff:10.1.2.3]:80".parse().unwrap();
        assert_eq!(canonical(mapped).to_string(), "10.1.2.3:80");
    }

    #[test]
    fn a_v6_address_loses_its_zone() {
        let zoned: SocketAddr = "[fe80::1%3]:80".parse().unwrap();
        assert_eq!(canonical(zoned).to_string(), "[fe80::1]:80");
    }
}
