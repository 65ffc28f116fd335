//! The token as a TLV of a PROXY protocol v2 preface
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>, section 2.2).

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::refusal::{Refusal, RefusalReason};
use crate::token::MAX_TOKEN_BYTES;

/// The TLV's type, from the range that the protocol leaves to applications.
pub const TLV_TYPE: u8 = 0xEA;

/// The TLV: type, length (16 bits, big-endian), token. Nothing where the token is too long.
#[must_use]
pub fn encode(token: &str) -> Option<Vec<u8>> {
    let [high, low] = u16::try_from(token.len()).ok()?.to_be_bytes();
    let mut tlv = vec![TLV_TYPE, high, low];
    tlv.extend_from_slice(token.as_bytes());
    Some(tlv)
}

/// What every preface begins with.
pub(super) const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of signature, version and command, family, and the length of what follows.
pub(super) const HEAD: usize = 16;
const VERSION_2_PROXY: u8 = 0x21;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;
/// Bytes of two addresses with their ports.
const IPV4_ADDRESSES: usize = 12;
const IPV6_ADDRESSES: usize = 36;
/// Bytes of a whole preface: the longest token, and about as much for TLVs of others.
pub const MAX_PREFACE: usize = 8_192;

/// The preface of a connection between these two addresses, with the token in it. Addresses of two
/// families are written as IPv6. Nothing where the token is too long.
#[must_use]
pub fn preface(source: SocketAddr, destination: SocketAddr, token: &str) -> Option<Vec<u8>> {
    let mut rest = Vec::with_capacity(64);
    let family = if let (IpAddr::V4(source), IpAddr::V4(destination)) = (source.ip(), destination.ip()) {
        rest.extend_from_slice(&source.octets());
        rest.extend_from_slice(&destination.octets());
        TCP_OVER_IPV4
    } else {
        for address in [source.ip(), destination.ip()] {
            rest.extend_from_slice(&mapped(address).octets());
        }
        TCP_OVER_IPV6
    };
    rest.extend_from_slice(&source.port().to_be_bytes());
    rest.extend_from_slice(&destination.port().to_be_bytes());
    rest.extend_from_slice(&encode(token)?);
    let length = u16::try_from(rest.len()).ok()?.to_be_bytes();
    Some([&SIGNATURE[..], &[VERSION_2_PROXY, family], &length, &rest].concat())
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// Bytes of the preface that has this head.
///
/// # Errors
/// `malformed-identity` for another version, command or family than the shim writes: only with these do
/// addresses and TLVs follow. `identity-too-large`.
pub(super) fn length(head: &[u8; HEAD]) -> Result<usize, Refusal> {
    let [.., command, family, high, low] = *head;
    if command != VERSION_2_PROXY || addresses(family).is_none() {
        let detail = "the PROXY preface is not of version 2, command PROXY, TCP over IPv4 or IPv6";
        return Err(Refusal::malformed(detail));
    }
    let length = HEAD.saturating_add(usize::from(u16::from_be_bytes([high, low])));
    if length > MAX_PREFACE {
        let detail = format!("the preface has {length} bytes, at most {MAX_PREFACE} are read");
        return Err(Refusal::new(RefusalReason::IdentityTooLarge, detail));
    }
    Ok(length)
}

/// The token of a whole preface. What it says of addresses is not looked at: anybody can write them.
///
/// # Errors
/// `malformed-identity` where it is shorter than its addresses; as [`decode`].
pub(super) fn token(preface: &[u8]) -> Result<Option<&[u8]>, Refusal> {
    let tlvs = preface
        .split_first_chunk::<HEAD>()
        .and_then(|([.., family, _, _], rest)| rest.get(addresses(*family)?..));
    decode(tlvs.ok_or_else(|| Refusal::malformed("the preface is shorter than its addresses"))?)
}

const fn addresses(family: u8) -> Option<usize> {
    match family {
        TCP_OVER_IPV4 => Some(IPV4_ADDRESSES),
        TCP_OVER_IPV6 => Some(IPV6_ADDRESSES),
        _ => None,
    }
}

/// The token among the TLVs that follow a preface's addresses: nothing where there is none of ours.
///
/// # Errors
/// `malformed-identity` where the lengths do not add up, `ambiguous-identity` for two of ours,
/// `identity-too-large`.
pub fn decode(mut tlvs: &[u8]) -> Result<Option<&[u8]>, Refusal> {
    let mut found = None;
    while let Some((&[kind, high, low], rest)) = tlvs.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some((value, rest)) = rest.split_at_checked(length) else {
            return Err(Refusal::malformed("a TLV is longer than the preface"));
        };
        tlvs = rest;
        if kind != TLV_TYPE {
            continue;
        }
        if value.len() > MAX_TOKEN_BYTES {
            let detail = format!("{length} bytes, at most {MAX_TOKEN_BYTES} are read");
            return Err(Refusal::new(RefusalReason::IdentityTooLarge, detail));
        }
        if found.replace(value).is_some() {
            let detail = "the preface has two identities: a connection has one";
            return Err(Refusal::new(RefusalReason::AmbiguousIdentity, detail));
        }
    }
    if tlvs.is_empty() { Ok(found) } else { Err(Refusal::malformed("bytes are left after the last TLV")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_among_other_tlvs() {
        let tlvs = [&[0x04, 0, 2, 9, 9][..], &encode("a.b.c").unwrap(), &[0xEB, 0, 0]].concat();
        assert_eq!(decode(&tlvs), Ok(Some(b"a.b.c".as_slice())));
        assert_eq!(decode(&[0x04, 0, 2, 9, 9]), Ok(None));
        assert_eq!(decode(&[]), Ok(None));
    }

    #[test]
    fn a_preface_has_the_form_of_the_specification() {
        let preface = preface("192.0.2.1:258".parse().unwrap(), "198.51.100.7:443".parse().unwrap(), "a.b.c");
        let expected = [
            &b"\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A"[..],
            &[0x21, 0x11, 0, 20],
            &[192, 0, 2, 1, 198, 51, 100, 7, 1, 2, 1, 187],
            &[0xEA, 0, 5],
            b"a.b.c",
        ];
        assert_eq!(preface.unwrap(), expected.concat());
    }

    #[test]
    fn a_preface_of_two_families_is_ipv6() {
        let preface =
            preface("192.0.2.1:1".parse().unwrap(), "[2001:db8::1]:2".parse().unwrap(), "t").unwrap();
        assert_eq!(preface[13..16], [0x21, 0, 40]);
        assert_eq!(preface[16..32], "::ffff:192.0.2.1".parse::<Ipv6Addr>().unwrap().octets());
    }

    #[test]
    fn every_truncation_is_malformed_and_two_tokens_are_ambiguous() {
        let tlv = encode("a.b.c").unwrap();
        for length in 1..tlv.len() {
            let refusal = decode(&tlv[..length]).unwrap_err();
            assert_eq!(refusal.reason, RefusalReason::MalformedIdentity, "{length}");
        }
        let refusal = decode(&[tlv.clone(), tlv].concat()).unwrap_err();
        assert_eq!(refusal.reason, RefusalReason::AmbiguousIdentity);
    }

    #[test]
    fn a_tlv_of_sixty_kilobytes_is_too_large() {
        let tlv = encode(&"a".repeat(60_000)).unwrap();
        assert_eq!(decode(&tlv).unwrap_err().reason, RefusalReason::IdentityTooLarge);
    }
}
