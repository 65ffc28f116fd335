//! Each carrier gives back the token that it was given, whatever else travels with it, and picks none of two.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails loudly"
)]
#![cfg(not(target_arch = "wasm32"))]

use procgate_identity::carrier::{alpn, header, proxy_v2};
use procgate_identity::{MAX_TOKEN_BYTES, RefusalReason};
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::SocketAddr;

fn token() -> impl Strategy<Value = String> {
    let short = "[A-Za-z0-9_.-]{1,300}";
    prop_oneof![9 => short, 1 => "[A-Za-z0-9_.-]{3800,4096}"].prop_map(|token| {
        assert!(token.len() <= MAX_TOKEN_BYTES);
        token
    })
}

/// Bytes of any form that are no TLV of ours.
fn other_tlvs() -> impl Strategy<Value = Vec<u8>> {
    let tlv = (any::<u8>().prop_filter("ours", |kind| *kind != proxy_v2::TLV_TYPE), vec(any::<u8>(), 0..40));
    vec(tlv, 0..5).prop_map(|tlvs| {
        let encode =
            |(kind, value): (u8, Vec<u8>)| [&[kind, 0, u8::try_from(value.len()).unwrap()], &*value].concat();
        tlvs.into_iter().flat_map(encode).collect()
    })
}

/// Protocol names that are not ours.
fn other_names() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(vec(any::<u8>(), 1..=255).prop_filter("ours", |name| !name.starts_with(b"procgate/")), 0..5)
}

proptest! {
    #[test]
    fn the_header_gives_back_its_token(token in token()) {
        let line = header::http1_line(&token);
        let value = line.strip_prefix(b"x-process-identity: ").unwrap().strip_suffix(b"\r\n").unwrap();
        prop_assert_eq!(header::decode([value]), Ok(Some(token.as_bytes())));
        prop_assert_eq!(header::decode([value, value]).unwrap_err().reason, RefusalReason::AmbiguousIdentity);
        let field = hpack_literal(&header::hpack_field(&token));
        prop_assert_eq!(field, (header::NAME.as_bytes().to_vec(), token.into_bytes()));
    }

    #[test]
    fn a_preface_gives_back_its_ends_and_its_token(
        source: SocketAddr, destination: SocketAddr, token in token(), others in other_tlvs(),
    ) {
        let preface = proxy_v2::preface(source, destination, &token).unwrap();
        let both_v4 = source.is_ipv4() && destination.is_ipv4();
        let addresses = if both_v4 { 12 } else { 36 };
        let length = usize::from(u16::from_be_bytes([preface[14], preface[15]]));
        prop_assert_eq!(preface.len(), 16 + length);
        let ports = &preface[16 + addresses - 4..16 + addresses];
        prop_assert_eq!(ports, [source.port().to_be_bytes(), destination.port().to_be_bytes()].concat());
        let tlvs = &preface[16 + addresses..];
        prop_assert_eq!(proxy_v2::decode(tlvs), Ok(Some(token.as_bytes())));
        let between = [&others, tlvs, &others].concat();
        prop_assert_eq!(proxy_v2::decode(&between), Ok(Some(token.as_bytes())));
        let twice = [tlvs, &others, tlvs].concat();
        prop_assert_eq!(proxy_v2::decode(&twice).unwrap_err().reason, RefusalReason::AmbiguousIdentity);
    }

    #[test]
    fn protocol_names_give_back_their_token(token in token(), before in other_names(), after in other_names()) {
        let ours = alpn::encode(&token);
        prop_assert!(ours.iter().all(|name| name.len() <= 255));
        let offered = [before, ours.clone(), after].concat();
        let decoded = |names: &[Vec<u8>]| alpn::decode(names.iter().map(Vec::as_slice));
        prop_assert_eq!(decoded(&offered), Ok(Some(token.into_bytes())));
        let twice = [offered.clone(), ours].concat();
        prop_assert!(decoded(&twice).is_err(), "one of two was taken");
    }

    #[test]
    fn no_bytes_make_a_carrier_panic(bytes: Vec<u8>, parts: Vec<Vec<u8>>) {
        let _ = header::decode([&*bytes]);
        let _ = proxy_v2::decode(&bytes);
        let _ = alpn::decode(parts.iter().map(Vec::as_slice));
    }
}

/// Name and value of a literal field with a new name (RFC 7541 section 6.2.3), read by the letter of it.
fn hpack_literal(field: &[u8]) -> (Vec<u8>, Vec<u8>) {
    assert_eq!(field[0], 0x10);
    let (name, rest) = hpack_string(&field[1..]);
    let (value, rest) = hpack_string(rest);
    assert!(rest.is_empty());
    (name, value)
}

fn hpack_string(bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let (mut length, mut at) = (usize::from(bytes[0] & 0x7f), 1);
    if length == 0x7f {
        for shift in [0, 7, 14, 21] {
            length += usize::from(bytes[at] & 0x7f) << shift;
            at += 1;
            if bytes[at - 1] & 0x80 == 0 {
                break;
            }
        }
    }
    (bytes[at..at + length].to_vec(), &bytes[at + length..])
}
