//! First bytes that the plugin reads by itself, under tls-alpn.yaml: from a client that names its token, and from
//! whoever tries something else. Nothing connects upstream before they are read.

use crate::greeter::GREETING;
use crate::prefaces::{WRONG_LENGTHS, cut, with_length, without_tlvs};
use crate::stage::{Stage, is_served};
use crate::tls::{hello, records};
use procgate_identity::Carrier;
use procgate_identity::carrier::{alpn, proxy_v2};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

fn stage() -> Stage {
    Stage::for_tls(&json!({"cidrs": ["127.0.0.0/8"]}))
}

/// Sends this in pieces, each a segment of its own as far as the sender can tell.
fn send(stream: &mut TcpStream, bytes: &[u8], each: usize) {
    for piece in bytes.chunks(each) {
        let _ = stream.write_all(piece);
        std::thread::sleep(Duration::from_micros(200));
    }
}

#[test]
fn a_client_hello_with_a_token_reaches_the_server_byte_by_byte_as_it_was_sent() {
    let stage = stage();
    for (each_record, each_segment) in [(16_000, 16_000), (1, 16_000), (16_000, 1), (7, 3)] {
        let mut stream = stage.connect();
        let bytes = records(&hello(stage.names(&stream)), each_record);
        send(&mut stream, &bytes, each_segment);
        let mut expected = [GREETING, &bytes].concat();
        let mut received = expected.clone();
        stream.read_exact(&mut received).unwrap();
        assert!(received == expected, "{each_record} {each_segment}");
        stream.write_all(b"more").unwrap();
        expected.truncate(4);
        stream.read_exact(&mut expected).unwrap();
        assert_eq!(expected, b"more");
        let source = stream.local_addr().unwrap();
        drop(stream);
        let record = stage.record_of(source);
        assert_eq!((record.reason.code(), record.carrier), ("allowed", Some(Carrier::Alpn)));
    }
}

#[test]
fn a_client_hello_without_a_token_and_what_is_no_tls_are_without_identity() {
    let stage = stage();
    assert_eq!(stage.refusal(|_| hello(vec![b"h2".to_vec()])), "no-identity");
    assert_eq!(stage.refusal(|_| b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10".to_vec()), "no-identity");
    assert_eq!(stage.refusal(|_| b"GET / HTTP/1.1\r\n\r\n".to_vec()), "no-identity");
    assert_eq!(stage.refusal(|_| (0..=255).rev().cycle().take(70_000).collect()), "no-identity");
}

#[test]
fn parts_of_a_token_that_do_not_fit_together_are_ambiguous() {
    let stage = stage();
    for picked in [&[1, 2][..], &[0, 2], &[0, 0, 1, 2], &[1, 0, 2], &[2]] {
        let pick = |stream: &_| {
            let names = alpn::encode(&stage.token(stream));
            assert!(names.len() > 2);
            hello(picked.iter().map(|part| names[*part].clone()).collect())
        };
        assert_eq!(stage.refusal(pick), "ambiguous-identity", "{picked:?}");
    }
}

#[test]
fn a_token_in_the_preface_and_one_in_the_client_hello_are_ambiguous() {
    let stage = stage();
    let both = |stream: &_| [stage.preface(stream), hello(stage.names(stream))].concat();
    assert_eq!(stage.refusal(both), "ambiguous-identity");
}

#[test]
fn a_token_of_another_connection_is_refused() {
    let stage = stage();
    let victim = stage.connect();
    assert_eq!(stage.refusal(|_| hello(stage.names(&victim))), "wrong-source");
}

#[test]
fn a_client_hello_that_is_cut_changed_or_too_large_is_refused_by_name() {
    let stage = stage();
    let whole = |stream: &_| hello(stage.names(stream));
    let length = whole(&stage.connect()).len();
    for (end, reason) in stage.refusals_at_end(1..length, |stream, end| cut(whole(stream), end)) {
        // One byte is not yet the beginning of anything.
        let due = if end < 2 { "no-identity" } else { "malformed-identity" };
        assert_eq!(reason.as_deref(), Some(due), "{end}");
    }
    let longer =
        |length: [u8; 3]| move |_: &_| [&b"\x16\x03\x01\x40\x00\x01"[..], &length, &vec![3; 70_000]].concat();
    assert_eq!(stage.refusal(longer([0, 0xff, 0xff])), "identity-too-large");
    assert_eq!(stage.refusal(longer([1, 0, 0])), "identity-too-large");
    let other_record = |stream: &_| {
        let mut bytes = records(&whole(stream), 100);
        bytes[105] = 0x17;
        bytes
    };
    assert_eq!(stage.refusal(other_record), "malformed-identity");
    assert!(stage.reaches(whole), "nobody else is harmed");
}

/// What a server might read otherwise than the plugin does.
#[test]
fn an_extension_that_is_there_twice_is_refused_and_a_second_client_hello_is_the_server_s_to_read() {
    let stage = stage();
    for (kind, reason) in [(0, "malformed-identity"), (16, "ambiguous-identity")] {
        assert_eq!(stage.refusal(|stream| repeated(hello(stage.names(stream)), kind)), reason, "{kind}");
    }
    let mut stream = stage.connect();
    let twice = [hello(stage.names(&stream)), hello(vec![b"h2".to_vec()])].concat();
    stream.write_all(&twice).unwrap();
    let mut received = vec![0; GREETING.len() + twice.len()];
    stream.read_exact(&mut received).unwrap();
    assert!(received.ends_with(&twice));
}

/// A ClientHello in one record with its extension of this kind a second time (RFC 8446 section 4.1.2).
fn repeated(mut record: Vec<u8>, kind: u16) -> Vec<u8> {
    let number = |record: &[u8], at: usize| usize::from(u16::from_be_bytes([record[at], record[at + 1]]));
    // Heads of record and message, version, random; then a session, ciphers and compression of any length.
    let mut at = 5 + 4 + 2 + 32;
    at += 1 + usize::from(record[at]);
    at += 2 + number(&record, at);
    at += 1 + usize::from(record[at]);
    let extensions = at;
    at += 2;
    while number(&record, at) != usize::from(kind) {
        at += 4 + number(&record, at + 2);
    }
    let extension = record[at..at + 4 + number(&record, at + 2)].to_vec();
    // The lengths of the record, of the message (its lower two bytes) and of the extensions.
    for place in [3, 7, extensions] {
        let length = number(&record, place) + extension.len();
        record[place..place + 2].copy_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
    }
    [record, extension].concat()
}

#[test]
fn a_preface_is_read_and_taken_off_in_whatever_pieces_it_comes() {
    let stage = stage();
    for each in [16_000, 100, 1] {
        let mut stream = stage.connect();
        let bytes = [stage.preface(&stream), b"EHLO checkout\r\n".to_vec()].concat();
        send(&mut stream, &bytes, each);
        let mut received = [0; GREETING.len() + 15];
        stream.read_exact(&mut received).unwrap();
        assert_eq!(&received[GREETING.len()..], b"EHLO checkout\r\n", "{each}");
        let source = stream.local_addr().unwrap();
        drop(stream);
        let record = stage.record_of(source);
        assert_eq!((record.reason.code(), record.carrier), ("allowed", Some(Carrier::ProxyV2)));
    }
}

#[test]
fn prefaces_that_no_shim_writes_are_refused_by_name() {
    let stage = stage();
    let with = |change: fn(Vec<u8>) -> Vec<u8>| {
        let stage = &stage;
        move |stream: &_| [change(stage.preface(stream)), b"EHLO\r\n".to_vec()].concat()
    };
    let set = |place: usize, byte: u8| {
        let stage = &stage;
        move |stream: &_| {
            let mut preface = stage.preface(stream);
            preface[place] = byte;
            preface
        }
    };
    for (place, byte) in [(12, 0x20), (12, 0x11), (12, 0x31), (13, 0), (13, 0x31), (14, 0), (16 + 12, 0x04)] {
        let expected = if place < 16 { "malformed-identity" } else { "no-identity" };
        assert_eq!(stage.refusal_at_end(set(place, byte)), expected, "{place} {byte}");
    }
    assert_eq!(stage.refusal(with(|preface| preface.repeat(2))), "ambiguous-identity");
    assert_eq!(stage.refusal(|stream| stage.preface_with(stream, &"a".repeat(60_000))), "identity-too-large");
    let doubled = |stream: &_| {
        let mut preface = stage.preface(stream);
        let second = proxy_v2::encode("one.two.three").unwrap();
        let length = u16::from_be_bytes([preface[14], preface[15]]) + u16::try_from(second.len()).unwrap();
        preface[14..16].copy_from_slice(&length.to_be_bytes());
        [preface, second].concat()
    };
    assert_eq!(stage.refusal(doubled), "ambiguous-identity");
    let length = stage.preface(&stage.connect()).len();
    for (end, reason) in stage.refusals_at_end(1..length, |stream, end| cut(stage.preface(stream), end)) {
        // Less than the signature is not yet the beginning of one.
        let due = if end < 12 { "no-identity" } else { "malformed-identity" };
        assert_eq!(reason.as_deref(), Some(due), "{end}");
    }
    let wrong = |stream: &_, (place, by)| with_length(stage.preface(stream), place, by);
    for ((place, by), reason) in stage.refusals_at_end(WRONG_LENGTHS, wrong) {
        let too_large = place == 14 && by == i32::MAX;
        let due = if too_large { "identity-too-large" } else { "malformed-identity" };
        assert_eq!(reason.as_deref(), Some(due), "{place} {by}");
    }
    assert_eq!(stage.refusal(|stream| without_tlvs(stage.preface(stream))), "no-identity");
}

#[test]
fn where_the_server_speaks_first_a_preface_is_enough_and_nobody_hangs() {
    let stage = stage();
    let begun = Instant::now();
    assert!(stage.reaches(|stream| stage.preface(stream)));
    let mut silent = stage.connect();
    assert!(!is_served(&mut silent));
    assert!(begun.elapsed() > Duration::from_secs(5), "the silent client was waited for");
    let source = silent.local_addr().unwrap();
    drop(silent);
    assert_eq!(stage.record_of(source).reason.code(), "no-identity");
    assert_eq!(
        stage.refusal(|_| b"\x16\x03\x01".to_vec()),
        "malformed-identity",
        "half of one, and nothing more"
    );
}

#[test]
fn whoever_closes_without_a_word_reaches_nobody() {
    let stage = stage();
    let stream = stage.connect();
    stream.shutdown(Shutdown::Write).unwrap();
    let source = stream.local_addr().unwrap();
    assert_eq!(stage.record_of(source).reason.code(), "no-identity");
    assert_eq!(stage.server.connections(), 0);
}
