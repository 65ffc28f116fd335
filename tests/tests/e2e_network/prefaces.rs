//! Prefaces that no shim writes.

use crate::stage::Stage;
use procgate_identity::carrier::proxy_v2;
use procgate_tests::tokens;
use procgate_tests::wire::{Connection, get, token_line};

/// Envoy itself turns these down, before the plugin sees the connection.
#[test]
fn a_preface_cut_anywhere_reaches_no_server_and_harms_nobody() {
    let stage = Stage::start();
    let length = stage.preface(&stage.connect()).len();
    for (end, reason) in stage.refusals_at_end(1..length, |stream, end| cut(stage.preface(stream), end)) {
        assert_eq!(reason, None, "{end}");
    }
    assert!(stage.reaches(|stream| stage.preface(stream)));
}

#[test]
fn a_preface_with_a_length_that_is_not_its_own_reaches_no_server() {
    let stage = Stage::start();
    let wrong = |stream: &_, (place, by)| with_length(stage.preface(stream), place, by);
    for (case, reason) in stage.refusals_at_end(WRONG_LENGTHS, wrong) {
        assert_eq!(reason, None, "{case:?}");
    }
    // Its token is payload then.
    assert_eq!(stage.refusal(|stream| without_tlvs(stage.preface(stream))), "no-identity");
    assert!(stage.reaches(|stream| stage.preface(stream)));
}

/// Bytes up to there, and never all: port numbers, and so tokens, differ in length.
pub(crate) fn cut(mut bytes: Vec<u8>, end: usize) -> Vec<u8> {
    bytes.truncate(end.min(bytes.len() - 1));
    bytes
}

/// Where a preface over IPv4 says how long all is that follows its head, and how long its token; and by how much it is
/// to be wrong.
pub(crate) const WRONG_LENGTHS: [(usize, i32); 12] = [
    (REST, i32::MIN),
    (REST, -200),
    (REST, -4),
    (REST, -1),
    (REST, 1),
    (REST, i32::MAX),
    (TOKEN, i32::MIN),
    (TOKEN, -200),
    (TOKEN, -4),
    (TOKEN, -1),
    (TOKEN, 1),
    (TOKEN, i32::MAX),
];
const REST: usize = 14;
const TOKEN: usize = 29;
/// Bytes of its head and addresses.
const AHEAD_OF_TLVS: usize = 28;

/// A preface in which the length at this place is so much larger, as far as a length there can be.
pub(crate) fn with_length(mut preface: Vec<u8>, place: usize, by: i32) -> Vec<u8> {
    let length = i32::from(u16::from_be_bytes([preface[place], preface[place + 1]]));
    let wrong = u16::try_from(length.saturating_add(by).clamp(0, 0xffff)).unwrap();
    preface[place..place + 2].copy_from_slice(&wrong.to_be_bytes());
    preface
}

/// A preface that ends ahead of its TLVs, by what it says.
pub(crate) fn without_tlvs(preface: Vec<u8>) -> Vec<u8> {
    let tlvs = i32::try_from(preface.len() - AHEAD_OF_TLVS).unwrap();
    with_length(preface, REST, -tlvs)
}

#[test]
fn commands_families_and_versions_that_carry_no_identity_reach_no_server() {
    let stage = Stage::start();
    for (place, byte) in [(12, 0x20), (13, 0x00), (13, 0x31), (12, 0x31), (12, 0x11), (12, 0x2f)] {
        let changed = |stream: &_| {
            let mut preface = stage.preface(stream);
            preface[place] = byte;
            preface
        };
        assert!(!stage.reaches(changed), "{place} {byte}");
    }
    assert_eq!(stage.server.connections(), 0);
}

#[test]
fn a_second_preface_is_payload_and_brings_no_identity() {
    let stage = Stage::start();
    let stacked = |stream: &_| {
        let empty = stage.preface_with(stream, "");
        [empty, stage.preface(stream)].concat()
    };
    assert_eq!(stage.refusal(stacked), "no-identity");
}

#[test]
fn a_token_that_is_none_or_too_large_is_refused_by_name() {
    let stage = Stage::start();
    assert_eq!(stage.refusal(|stream| stage.preface_with(stream, "one.two.three")), "malformed-identity");
    let large = "a".repeat(60_000);
    assert_eq!(stage.refusal(|stream| stage.preface_with(stream, &large)), "identity-too-large");
}

#[test]
fn of_two_tokens_in_one_preface_the_connection_is_judged_by_one_that_verifies_here_or_refused() {
    let stage = Stage::start();
    let doubled = |stream: &std::net::TcpStream| {
        let mut preface = stage.preface(stream);
        let second = proxy_v2::encode("one.two.three").unwrap();
        let length = u16::from_be_bytes([preface[14], preface[15]]) + u16::try_from(second.len()).unwrap();
        preface[14..16].copy_from_slice(&length.to_be_bytes());
        [preface, second].concat()
    };
    // Envoy keeps the last of them.
    assert_eq!(stage.refusal(doubled), "malformed-identity");
}

/// Plaintext HTTP on this listener may bring its identity either way, and not both.
#[test]
fn a_header_and_a_preface_on_one_connection_are_ambiguous() {
    let stage = Stage::start();
    let mut connection = Connection::open(stage.envoy.address());
    let (source, destination) = (connection.source(), stage.envoy.address());
    let claims = || tokens::claims(procgate_tests::proxy::exe(), None, source, destination);
    let preface = proxy_v2::preface(source, destination, &stage.key.mint(&claims())).unwrap();
    let request = get("/charge/1", &token_line(&stage.key.mint(&claims())));
    let answer = connection.ask([preface, request.into()].concat());
    assert_eq!((answer.status, answer.reason().as_deref()), (403, Some("ambiguous-identity")));
    assert_eq!(stage.server.connections(), 0);
}
