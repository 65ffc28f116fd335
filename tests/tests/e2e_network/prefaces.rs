//! Prefaces that no shim writes.

use crate::stage::Stage;
use procgate_identity::carrier::proxy_v2;
use procgate_tests::tokens;
use procgate_tests::wire::{Connection, get, token_line};

#[test]
fn a_preface_cut_anywhere_reaches_no_server_and_harms_nobody() {
    let stage = Stage::start();
    for cut in [1, 5, 12, 13, 15, 16, 20, 28, 29, 31, 40, 200] {
        let mut stream = stage.connect();
        let preface = stage.preface(&stream);
        std::io::Write::write_all(&mut stream, &preface[..cut]).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(!crate::stage::is_served(&mut stream), "{cut}");
    }
    assert_eq!(stage.server.connections(), 0);
    assert!(stage.reaches(|stream| stage.preface(stream)));
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
