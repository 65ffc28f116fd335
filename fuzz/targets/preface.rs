//! Any TLVs of a PROXY v2 preface, and any token written as one: as another reader of the protocol reads it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ppp::v2;
use procgate_identity::{MAX_TOKEN_BYTES, RefusalReason, carrier::proxy_v2};
use std::net::SocketAddr;

/// Signature, version 2 and PROXY, TCP over IPv4.
const START: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11";
const ADDRESSES: [u8; 12] = [10, 0, 0, 9, 10, 0, 0, 1, 0x9c, 0x40, 0, 80];

fuzz_target!(|tlvs: &[u8]| {
    let Ok(length) = u16::try_from(ADDRESSES.len() + tlvs.len()) else { return };
    let preface = [START, &length.to_be_bytes(), &ADDRESSES, tlvs].concat();
    let header = v2::Header::try_from(preface.as_slice()).expect("the addresses are sound");
    let read: Vec<_> = header.tlvs().collect();
    let ours: Vec<&[u8]> = read
        .iter()
        .filter_map(|tlv| tlv.as_ref().ok())
        .filter(|tlv| tlv.kind == proxy_v2::TLV_TYPE)
        .map(|tlv| &*tlv.value)
        .collect();
    match proxy_v2::decode(tlvs) {
        Ok(None) => assert!(ours.is_empty() && read.iter().all(Result::is_ok)),
        Ok(Some(token)) => {
            assert!(read.iter().all(Result::is_ok));
            assert_eq!(ours, [token], "one of several tokens was chosen");
            assert!(token.len() <= MAX_TOKEN_BYTES);
            if let Ok(token) = std::str::from_utf8(token) {
                written_as_read(token);
            }
        }
        Err(refusal) => match refusal.reason {
            RefusalReason::AmbiguousIdentity => assert!(ours.len() > 1),
            RefusalReason::IdentityTooLarge => assert!(ours.iter().any(|tlv| tlv.len() > MAX_TOKEN_BYTES)),
            RefusalReason::MalformedIdentity => assert!(read.iter().any(Result::is_err)),
            other => panic!("{other:?}"),
        },
    }
});

fn written_as_read(token: &str) {
    let v4: SocketAddr = "10.0.0.9:40000".parse().unwrap();
    let v6: SocketAddr = "[fd00::1]:443".parse().unwrap();
    for (source, destination) in [(v4, v4), (v6, v6), (v4, v6)] {
        let preface = proxy_v2::preface(source, destination, token).expect("short enough");
        let header = v2::Header::try_from(preface.as_slice()).expect("a preface");
        assert_eq!(header.as_bytes(), preface, "nothing is left behind it");
        let ends = match header.addresses {
            v2::Addresses::IPv4(ends) => (ends.source_port, ends.destination_port),
            v2::Addresses::IPv6(ends) => (ends.source_port, ends.destination_port),
            other => panic!("{other:?}"),
        };
        assert_eq!(ends, (source.port(), destination.port()));
        let tlvs: Vec<_> = header.tlvs().map(Result::unwrap).collect();
        let [tlv] = &*tlvs else { panic!("{} TLVs", tlvs.len()) };
        assert_eq!((tlv.kind, &*tlv.value), (proxy_v2::TLV_TYPE, token.as_bytes()));
    }
}
