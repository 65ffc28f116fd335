//! Requests that are to be read otherwise than the shim reads them: its token counts for the connection, so what
//! matters is that no second request hides behind the first, and none brings an identity of its own.

use crate::interpreter::Interpreter;
use procgate_tests::wire::{HOST, frames, request};
use std::fs;

/// An identity that a program writes by itself.
const OWN: &str = "x-process-identity: mine\r\n";

/// What is sent, the statuses of the answers, and how many requests reach the server.
type Trick = (&'static str, Vec<u8>, &'static str, usize);

fn tricks() -> Vec<Trick> {
    let hidden = request("GET", "/refund/hidden", "", "");
    let chunked = "transfer-encoding: chunked\r\n";
    vec![
        ("a request in a body", request("POST", "/charge/1", "", &hidden).into(), "200", 1),
        (
            "two lengths",
            request("POST", "/charge/2", chunked, &format!("0\r\n\r\n{hidden}")).into(),
            "400",
            0,
        ),
        ("an identity of its own", request("GET", "/charge/3", OWN, "").into(), "403", 0),
        (
            "a line that goes on with the token's",
            format!("GET /charge/4 HTTP/1.1\r\n more\r\nhost: {HOST}\r\n\r\n").into(),
            "403",
            0,
        ),
        ("a second request", format!("{}{hidden}", request("GET", "/charge/5", "", "")).into(), "200 403", 1),
        ("a header block in three parts", http2(&["/charge/6"], 3), "200", 1),
        ("two header blocks in parts", http2(&["/charge/7", "/refund/7"], 2), "200 another", 1),
        ("a field in another frame of the block", http2_with_own_identity(), "another", 0),
    ]
}

#[test]
fn whatever_a_program_sends_through_the_shim_no_second_request_is_approved() {
    let Some(python) = Interpreter::start() else { return };
    let port = python.pod.envoy.address().port().to_string();
    for (trick, bytes, statuses, reached) in tricks() {
        let file = python.pod.folder().join("bytes");
        fs::write(&file, bytes).unwrap();
        let before = python.pod.upstream.requests();
        let told = python.does(&["send", &port, file.to_str().unwrap()]);
        assert_eq!(
            (told.join("\n").as_str(), python.pod.upstream.requests() - before),
            (statuses, reached),
            "{trick}"
        );
    }
}

/// A GET for each of the paths, with its header block in so many frames.
fn http2(paths: &[&str], parts: usize) -> Vec<u8> {
    let requests = paths.iter().enumerate().map(|(index, path)| {
        let block = frames::block(path);
        let each = block.len().div_ceil(parts);
        frames::request(u8::try_from(2 * index + 1).unwrap(), block.chunks(each))
    });
    [frames::BEGINNING.to_vec(), requests.flatten().collect()].concat()
}

fn http2_with_own_identity() -> Vec<u8> {
    let own = procgate_identity::carrier::header::hpack_field("mine");
    let request = frames::request(1, [&frames::block("/charge/8")[..], &own]);
    [frames::BEGINNING, &request].concat()
}
