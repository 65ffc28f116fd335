//! Putting the token into the first request head of a connection, whatever the protocol turns out to be.
//!
//! Bytes go in as they arrive and come out with the token at one place. What is neither HTTP/1 nor
//! HTTP/2 comes out as it went in. Nothing after the first head is looked at.

pub(crate) mod http1;
pub(crate) mod http2;

use http2::Frames;

/// What the client's first bytes have been so far.
#[derive(Debug)]
enum Phase {
    /// Not yet known; these bytes are held back.
    Undecided(Vec<u8>),
    /// HTTP/2, on its way through the frames to the end of the first header block.
    Http2(Frames),
    /// Nothing more is to be done: the rest is copied blindly.
    Done,
}

/// Puts one connection's token into its first request.
#[derive(Debug)]
pub struct Injector {
    token: String,
    phase: Phase,
}

impl Injector {
    /// An injector that has seen nothing yet.
    #[must_use]
    pub fn new(token: String) -> Self {
        Self { token, phase: Phase::Undecided(Vec::new()) }
    }

    /// An injector that has nothing to put in.
    #[must_use]
    pub const fn idle() -> Self {
        Self { token: String::new(), phase: Phase::Done }
    }

    /// Takes in the client's next bytes and appends what goes to the server to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match core::mem::replace(&mut self.phase, Phase::Done) {
            Phase::Undecided(mut held) => {
                held.extend_from_slice(bytes);
                self.decide(held, out);
            }
            Phase::Http2(frames) => self.pass_frames(frames, bytes, out),
            Phase::Done => out.extend_from_slice(bytes),
        }
    }

    /// Gives back what is held when no more is to be waited for.
    pub fn release(&mut self, out: &mut Vec<u8>) {
        match core::mem::replace(&mut self.phase, Phase::Done) {
            Phase::Undecided(held) => out.extend_from_slice(&held),
            Phase::Http2(frames) => frames.release(out),
            Phase::Done => {}
        }
    }

    /// Whether the rest of the connection can be copied blindly.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Done)
    }

    /// Whether bytes are held back because they could still become a request.
    #[must_use]
    pub const fn is_holding(&self) -> bool {
        matches!(&self.phase, Phase::Undecided(held) if !held.is_empty())
    }

    fn decide(&mut self, held: Vec<u8>, out: &mut Vec<u8>) {
        if let Some(rest) = held.strip_prefix(http2::PREFACE) {
            out.extend_from_slice(http2::PREFACE);
            return self.pass_frames(Frames::new(), rest, out);
        }
        if http2::PREFACE.starts_with(&held) {
            self.phase = Phase::Undecided(held);
            return;
        }
        match http1::request_line(&held) {
            http1::RequestLine::Incomplete => self.phase = Phase::Undecided(held),
            http1::RequestLine::None => out.extend_from_slice(&held),
            http1::RequestLine::Ends(at) => {
                let (line, rest) = held.split_at_checked(at).unwrap_or((&held, &[]));
                out.extend_from_slice(line);
                out.extend_from_slice(&procgate_identity::carrier::header::http1_line(&self.token));
                out.extend_from_slice(rest);
            }
        }
    }

    fn pass_frames(&mut self, mut frames: Frames, bytes: &[u8], out: &mut Vec<u8>) {
        if !frames.pass(bytes, &self.token, out) {
            self.phase = Phase::Http2(frames);
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test fails loudly")]
mod tests {
    use super::*;
    use procgate_identity::carrier::header;
    use proptest::prelude::*;

    const TOKEN: &str = "head.payload.signature";

    /// What comes out for bytes that arrive in pieces of these lengths, and whether it is done.
    fn inject(bytes: &[u8], pieces: &[usize]) -> (Vec<u8>, bool) {
        let mut injector = Injector::new(TOKEN.into());
        let (mut out, mut rest) = (Vec::new(), bytes);
        for piece in pieces {
            let (piece, later) = rest.split_at((*piece).min(rest.len()));
            injector.push(piece, &mut out);
            rest = later;
        }
        injector.push(rest, &mut out);
        let done = injector.is_done();
        injector.release(&mut out);
        (out, done)
    }

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    fn http2(frames: &[Vec<u8>]) -> Vec<u8> {
        [http2::PREFACE, &frames.concat()].concat()
    }

    fn token_frame(stream: u32) -> Vec<u8> {
        frame(9, 4, stream, &header::hpack_field(TOKEN))
    }

    #[test]
    fn http1_gets_the_field_after_its_request_line_and_only_there() {
        let request = b"GET /a HTTP/1.1\r\nhost: b\r\n\r\nGET /c HTTP/1.1\r\nhost: b\r\n\r\n";
        let (out, done) = inject(request, &[]);
        let wanted = format!(
            "GET /a HTTP/1.1\r\nx-process-identity: {TOKEN}\r\nhost: b\r\n\r\nGET /c HTTP/1.1\r\nhost: b\r\n\r\n"
        );
        assert_eq!((String::from_utf8(out).unwrap(), done), (wanted, true));
    }

    #[test]
    fn http2_gets_a_continuation_at_the_end_of_its_first_header_block() {
        let settings = frame(4, 0, 0, &[0, 3, 0, 0, 0, 100]);
        let data = frame(0, 1, 1, b"END_HEADERS is 4");
        let later = frame(1, 5, 3, b"second");
        // END_STREAM | END_HEADERS | PADDED | PRIORITY: only END_HEADERS moves.
        let padded = [&[3][..], &[0, 0, 0, 0, 9], b"block", &[0, 0, 0]].concat();
        let stream = http2(&[settings.clone(), frame(1, 0x2d, 1, &padded), data.clone(), later.clone()]);
        let wanted = http2(&[settings, frame(1, 0x29, 1, &padded), token_frame(1), data, later]);
        assert_eq!(inject(&stream, &[]), (wanted, true));
    }

    #[test]
    fn a_header_block_that_is_already_split_gets_one_more_part() {
        let parts = [frame(1, 0, 1, b"one"), frame(9, 0, 1, b"two"), frame(9, 4, 1, b"three")];
        let wanted =
            [frame(1, 0, 1, b"one"), frame(9, 0, 1, b"two"), frame(9, 0, 1, b"three"), token_frame(1)];
        assert_eq!(inject(&http2(&parts), &[]), (http2(&wanted), true));
    }

    #[test]
    fn frames_that_have_no_place_in_a_header_block_pass_untouched() {
        for intruder in [frame(0, 0, 1, b"data"), frame(9, 4, 3, b"other stream"), frame(1, 4, 1, b"headers")]
        {
            let stream = http2(&[frame(1, 0, 1, b"one"), intruder, frame(9, 4, 1, b"two")]);
            assert_eq!(inject(&stream, &[]), (stream.clone(), true));
        }
    }

    #[test]
    fn a_frame_that_ends_in_its_header_comes_out_as_far_as_it_came() {
        for length in 0..9 {
            let stream = http2(&[frame(4, 0, 0, &[]), frame(1, 4, 1, b"block")[..length].to_vec()]);
            assert_eq!(inject(&stream, &[]), (stream.clone(), false));
        }
    }

    #[test]
    fn an_empty_header_block_and_an_endless_frame_are_no_trouble() {
        assert_eq!(
            inject(&http2(&[frame(1, 4, 1, b"")]), &[]),
            (http2(&[frame(1, 0, 1, b""), token_frame(1)]), true)
        );
        let endless = http2(&[vec![0xff, 0xff, 0xff, 4, 0, 0, 0, 0, 0, 1, 2, 3]]);
        assert_eq!(inject(&endless, &[]), (endless.clone(), false));
    }

    proptest! {
        #[test]
        fn the_outcome_does_not_depend_on_how_the_bytes_are_split(
            choice in 0usize..6, pieces in proptest::collection::vec(1usize..40, 0..20),
        ) {
            let streams = [
                b"GET /a HTTP/1.1\r\nhost: b\r\n\r\nbody".to_vec(),
                http2(&[frame(4, 0, 0, &[]), frame(1, 0, 1, b"one"), frame(9, 4, 1, b"two"), frame(0, 1, 1, b"x")]),
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rx".to_vec(),
                b"PROPFIND / HTTP/1.1\r\n\r\n".to_vec(),
                b"\x16\x03\x01 client hello".to_vec(),
                b"EHLO there\r\nMAIL FROM:<a@b>\r\n".to_vec(),
            ];
            let stream = &streams[choice];
            prop_assert_eq!(inject(stream, &pieces), inject(stream, &[]));
        }

        #[test]
        fn whatever_arrives_comes_out_whole_with_at_most_the_token_added(bytes: Vec<u8>, pieces: Vec<usize>) {
            let (out, _) = inject(&bytes, &pieces);
            let added = [header::http1_line(TOKEN), token_frame(1)];
            let longer = out.len() - bytes.len();
            prop_assert!(longer == 0 || added.iter().any(|field| field.len() == longer));
        }
    }
}
