//! Scenarios of tokens that did not come the right way: stolen, forged, out of date, out of form.

use super::{ALLOWED, Scenario, Scene, Skipped, denied, refused};
use crate::tokens::{Draft, Key, now, subject};
use crate::wire::{Answer, Connection, Http2, get, token_line};
use procgate_identity::{Claims, Digest, Lifetime, RefusalReason as Refused, UnixNanos};
use procgate_policy::Reason;
use std::net::SocketAddr;

type Played = Result<Vec<Answer>, Skipped>;

/// Well beyond the clock skew that is allowed for.
const AN_HOUR: u64 = 3_600;
const NANOS: u64 = 1_000_000_000;

pub(super) fn list() -> Vec<Scenario> {
    [theft(), forgery(), form(), workload()].concat()
}

fn theft() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "a_token_replayed_from_another_port_is_refused",
            "a captured token, replayed from another port",
            refused(Refused::WrongSource),
            |scene| {
                let (token, source, first) = scene.use_a_token();
                let mut other = Connection::open(scene.envoy.address());
                // The kernel may choose the same again.
                while other.source() == source {
                    other = Connection::open(scene.envoy.address());
                }
                Ok(vec![first, other.ask(scene.get(&token_line(&token)))])
            },
        )
        .shown(),
        Scenario::new(
            "a_token_replayed_from_the_same_port_is_refused",
            "a captured token, replayed from the same port",
            refused(Refused::Replayed),
            |scene| {
                let (token, source, first) = scene.use_a_token();
                let mut again = Connection::open_from(source, scene.envoy.address());
                Ok(vec![first, again.ask(scene.get(&token_line(&token)))])
            },
        )
        .shown(),
        Scenario::new(
            "a_token_for_another_destination_is_refused",
            "a token made for another destination",
            refused(Refused::WrongDestination),
            |scene| scene.present(|claims| Claims { destination: ([127, 0, 0, 1], 9).into(), ..claims }),
        ),
    ]
}

fn forgery() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "a_token_signed_with_another_key_is_refused",
            "a forged token: the right key's name, another key",
            refused(Refused::BadSignature),
            |scene| scene.present_draft(|draft| Key::new("2026-11").sign(&draft)),
        )
        .shown(),
        Scenario::new(
            "a_token_of_an_unknown_key_is_refused",
            "a token of a key that the policy does not have",
            refused(Refused::UnknownKey),
            |scene| scene.present_draft(|draft| Key::new("other").sign(&draft.header("kid", "other"))),
        ),
        Scenario::new(
            "a_token_signed_with_another_key_on_p_256_is_refused",
            "a forged token: the P-256 key's name, another key",
            refused(Refused::BadSignature),
            |scene| scene.present_signed(|claims| Key::es256("2026-11-p256").mint(claims)),
        ),
        Scenario::new(
            "a_token_with_another_algorithm_than_its_key_s_is_refused",
            "the Ed25519 key's name, signed with ES256",
            refused(Refused::UnsupportedAlgorithm),
            |scene| scene.present_signed(|claims| Key::es256("2026-11").mint(claims)),
        ),
        Scenario::new(
            "an_unsigned_token_is_refused",
            "alg: none",
            refused(Refused::UnsupportedAlgorithm),
            |scene| {
                let key = &scene.stage.pod.key;
                scene.present_draft(|draft| key.sign(&draft.header("alg", "none")))
            },
        ),
        Scenario::new(
            "an_expired_token_is_refused",
            "an expired token",
            refused(Refused::Expired),
            |scene| scene.present(|claims| minted_at(now().0 - AN_HOUR * NANOS, claims)),
        )
        .shown(),
        Scenario::new(
            "a_token_from_the_future_is_refused",
            "a token that becomes valid in an hour",
            refused(Refused::NotYetValid),
            |scene| scene.present(|claims| minted_at(now().0 + AN_HOUR * NANOS, claims)),
        ),
        Scenario::new(
            "a_token_for_another_audience_is_refused",
            "a token for another audience",
            refused(Refused::WrongAudience),
            |scene| {
                let key = &scene.stage.pod.key;
                scene.present_draft(|draft| key.sign(&draft.claim("aud", "somebody-else")))
            },
        ),
        Scenario::new(
            "a_key_that_signs_for_another_workload_is_refused",
            "the key signs for another service account",
            refused(Refused::OutsideKeyScope),
            |scene| {
                let other = subject("spiffe://shop.example/ns/shop/sa/admin/container/checkout");
                scene.present(|claims| Claims { subject: other, ..claims })
            },
        ),
    ]
}

fn form() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "a_malformed_token_is_refused",
            "not a token at all",
            refused(Refused::MalformedIdentity),
            |scene| scene.send(&token_line("one.two.three")),
        ),
        Scenario::new(
            "an_oversized_token_is_refused",
            "a token of 8 kB",
            refused(Refused::IdentityTooLarge),
            |scene| scene.send(&token_line(&"a".repeat(8_192))),
        ),
        Scenario::new(
            "two_tokens_are_refused",
            "two tokens on one request",
            refused(Refused::AmbiguousIdentity),
            |scene| {
                let mut connection = Connection::open(scene.envoy.address());
                let line = token_line(&scene.token(&connection));
                Ok(vec![connection.ask(scene.get(&line.repeat(2)))])
            },
        ),
        Scenario::new(
            "two_tokens_over_http2_are_refused",
            "two tokens on one request, HTTP/2",
            refused(Refused::AmbiguousIdentity),
            |scene| {
                let mut connection = Http2::open(scene.envoy.address());
                let token = scene.mint(connection.source());
                let field = (procgate_identity::carrier::header::NAME, token.as_str());
                Ok(vec![connection.get(&scene.path, &[field, field])])
            },
        ),
    ]
}

fn workload() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "the_approved_program_in_another_container_is_refused",
            "the approved program in another container",
            denied(Reason::WrongContainer),
            |scene| {
                let other = subject("spiffe://shop.example/ns/shop/sa/checkout/container/debug");
                scene.present(|claims| Claims { subject: other, ..claims })
            },
        ),
        Scenario::new(
            "a_swapped_code_list_is_refused",
            "the approved program with another code list",
            denied(Reason::CodeChanged),
            |scene| scene.present(|claims| Claims { code: Some(Digest::of(b"another list")), ..claims }),
        ),
        Scenario::new(
            "later_http2_requests_need_no_token",
            "HTTP/2, three requests, one token",
            ALLOWED,
            |scene| {
                let mut connection = Http2::open(scene.envoy.address());
                let token = scene.mint(connection.source());
                let field = (procgate_identity::carrier::header::NAME, token.as_str());
                let first = connection.get(&scene.path, &[field]);
                Ok(vec![first, connection.get(&scene.path, &[]), connection.get(&scene.path, &[])])
            },
        ),
        Scenario::new(
            "a_later_request_to_a_forbidden_path_is_judged_again",
            "an allowed request, then a forbidden one on the same connection",
            denied(Reason::NoMatchingRule),
            |scene| {
                let mut connection = Connection::open(scene.envoy.address());
                let line = token_line(&scene.token(&connection));
                let first = connection.ask(get("/charge/before", &line));
                Ok(vec![first, connection.ask(scene.get(""))])
            },
        ),
    ]
}

fn minted_at(nanos: u64, claims: Claims) -> Claims {
    let life = claims.lifetime.expires_at.0 - claims.lifetime.issued_at.0;
    Claims { lifetime: Lifetime::starting(UnixNanos(nanos), life), ..claims }
}

impl Scene<'_> {
    fn get(&self, lines: &str) -> String {
        get(&self.path, lines)
    }

    fn mint(&self, source: SocketAddr) -> String {
        self.stage.pod.key.mint(&self.stage.claims(source, self.envoy.address()))
    }

    fn token(&self, connection: &Connection) -> String {
        self.mint(connection.source())
    }

    /// A request with these lines.
    fn send(&self, lines: &str) -> Played {
        Ok(vec![Connection::open(self.envoy.address()).ask(self.get(lines))])
    }

    /// A token with other claims than it should have, rightly signed.
    fn present(&self, change: impl FnOnce(Claims) -> Claims) -> Played {
        let mut connection = Connection::open(self.envoy.address());
        let claims = change(self.stage.claims(connection.source(), self.envoy.address()));
        Ok(vec![connection.ask(self.get(&token_line(&self.stage.pod.key.mint(&claims))))])
    }

    /// The right claims, signed as the scenario likes.
    fn present_signed(&self, sign: impl FnOnce(&Claims) -> String) -> Played {
        let mut connection = Connection::open(self.envoy.address());
        let token = sign(&self.stage.claims(connection.source(), self.envoy.address()));
        Ok(vec![connection.ask(self.get(&token_line(&token)))])
    }

    /// A token that starts as the right one and is signed as the scenario likes.
    fn present_draft(&self, sign: impl FnOnce(Draft) -> String) -> Played {
        let mut connection = Connection::open(self.envoy.address());
        let claims = self.stage.claims(connection.source(), self.envoy.address());
        let token = sign(self.stage.pod.key.draft(&claims));
        Ok(vec![connection.ask(self.get(&token_line(&token)))])
    }

    /// A token in its owner's use: the token, the owner's address, what the owner got.
    fn use_a_token(&self) -> (String, SocketAddr, Answer) {
        let mut connection = Connection::open(self.envoy.address());
        let token = self.token(&connection);
        let answer = connection.ask(self.get(&token_line(&token)));
        (token, connection.source(), answer)
    }
}
