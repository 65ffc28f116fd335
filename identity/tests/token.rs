//! A token from the outside: what is accepted, and each refusal by name.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails loudly"
)]

use procgate_identity::*;
use std::net::SocketAddr;
use zeroize::Zeroizing;

const NOW: UnixNanos = UnixNanos(1_800_000_000_000_000_000);
const SUBJECT: &str = "spiffe://shop.example/ns/shop/sa/checkout/container/app";

fn signer(kid: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyId::new(kid).unwrap(), &Zeroizing::new([seed; 32]))
}

fn trusted() -> TrustedKeys {
    let mut keys = TrustedKeys::new("shop.example".parse().unwrap());
    let scope = "spiffe://shop.example/ns/shop/sa/checkout/container/".parse().unwrap();
    keys.add(signer("one", 1).public().unwrap(), scope).unwrap();
    keys
}

fn claims() -> Claims {
    Claims {
        subject: SUBJECT.parse().unwrap(),
        lifetime: Lifetime::starting(NOW, TOKEN_LIFE_SECONDS),
        serial: Serial(NOW.0),
        exe: Digest::of(b"app"),
        code: Some(Digest::of(b"code")),
        stray: Some(Stray { path: "/tmp/\"x\"\u{7}.so".into(), digest: Some(Digest::of(b"x")) }),
        script: Some(Digest::of(b"script")),
        name: "/app/ser\u{e4}ver".into(),
        labels: Labels::from_pairs([("segment", "pci"), ("tier", "\"web\"\n")]).unwrap(),
        source: "10.0.0.9:40000".parse().unwrap(),
        destination: "[fd00::1]:443".parse().unwrap(),
    }
}

fn bound(claims: &Claims) -> Binding {
    Binding::Connection { source: claims.source, destination: claims.destination }
}

fn check(token: &str, now: UnixNanos, binding: Binding) -> Result<VerifiedIdentity, Refusal> {
    UnverifiedToken::parse(token.as_bytes())?.verify(&trusted(), now, binding)
}

fn reason(claims: &Claims) -> Option<RefusalReason> {
    let token = signer("one", 1).sign_token(claims).unwrap();
    check(&token, NOW, bound(&self::claims())).err().map(|refusal| refusal.reason)
}

fn seconds(offset: i64) -> UnixNanos {
    UnixSeconds(NOW.seconds().0.checked_add_signed(offset).unwrap()).nanos()
}

#[test]
fn every_claim_comes_back_as_it_was_signed() {
    let token = signer("one", 1).sign_token(&claims()).unwrap();
    let identity = check(&token, NOW, bound(&claims())).unwrap();
    assert_eq!((identity.claims(), identity.key_id()), (&claims(), "one"));
}

#[test]
fn the_algorithm_is_the_key_s_and_not_the_token_s_to_say() {
    let scope = || "spiffe://shop.example/ns/shop/".parse::<KeyScope>().unwrap();
    let p256 = |kid| SigningKey::es256(KeyId::new(kid).unwrap(), &Zeroizing::new([1; 32])).unwrap();
    let mut keys = TrustedKeys::new("shop.example".parse().unwrap());
    keys.add(signer("ed", 1).public().unwrap(), scope()).unwrap();
    keys.add(p256("p256").public().unwrap(), scope()).unwrap();
    let outcome = |key: &SigningKey| {
        let token = key.sign_token(&claims()).unwrap();
        let verified = UnverifiedToken::parse(token.as_bytes()).unwrap().verify(&keys, NOW, Binding::Unbound);
        verified.map(|identity| identity.claims().clone()).map_err(|refusal| refusal.reason)
    };
    assert_eq!(outcome(&p256("p256")), Ok(claims()));
    assert_eq!(outcome(&signer("ed", 1)), Ok(claims()));
    assert_eq!(outcome(&p256("ed")), Err(RefusalReason::UnsupportedAlgorithm));
    assert_eq!(outcome(&signer("p256", 1)), Err(RefusalReason::UnsupportedAlgorithm));
    let other = SigningKey::es256(KeyId::new("p256").unwrap(), &Zeroizing::new([2; 32])).unwrap();
    assert_eq!(outcome(&other), Err(RefusalReason::BadSignature));
}

#[test]
fn a_check_that_says_no_or_cannot_say_refuses() {
    let key = SigningKey::es256(KeyId::new("p256").unwrap(), &Zeroizing::new([1; 32])).unwrap();
    let mut keys = TrustedKeys::new("shop.example".parse().unwrap());
    keys.add(key.public().unwrap(), "spiffe://shop.example/ns/shop/".parse().unwrap()).unwrap();
    let token = key.sign_token(&claims()).unwrap();
    let token = UnverifiedToken::parse(token.as_bytes()).unwrap();
    let refused = token.verify_with(|_| false, &keys, NOW, Binding::Unbound).unwrap_err();
    assert_eq!(refused.reason, RefusalReason::BadSignature);
}

#[test]
fn optional_claims_may_be_absent() {
    let sparse = Claims { code: None, stray: None, script: None, labels: Labels::default(), ..claims() };
    let token = signer("one", 1).sign_token(&sparse).unwrap();
    assert_eq!(check(&token, NOW, Binding::Unbound).unwrap().claims(), &sparse);
}

#[test]
fn a_token_counts_from_its_start_to_its_end_give_or_take_the_stated_skew() {
    let token = signer("one", 1).sign_token(&claims()).unwrap();
    let at = |offset| check(&token, seconds(offset), Binding::Unbound).err().map(|refusal| refusal.reason);
    let (skew, life) = (CLOCK_SKEW_SECONDS.cast_signed(), TOKEN_LIFE_SECONDS.cast_signed());
    assert_eq!(at(-skew), None);
    assert_eq!(at(-skew - 1), Some(RefusalReason::NotYetValid));
    assert_eq!(at(life + skew - 1), None);
    assert_eq!(at(life + skew), Some(RefusalReason::Expired));
}

#[test]
fn a_refusal_for_time_says_by_how_much() {
    let token = signer("one", 1).sign_token(&claims()).unwrap();
    let early = check(&token, seconds(-60), Binding::Unbound).unwrap_err();
    assert!(early.detail.contains("60 s in the future"), "{early}");
    let late = check(&token, seconds(200), Binding::Unbound).unwrap_err();
    assert!(late.detail.contains("50 s ago"), "{late}");
}

#[test]
fn a_life_that_is_empty_or_longer_than_the_bound_is_malformed() {
    let with_life = |life| Claims { lifetime: Lifetime::starting(NOW, life), ..claims() };
    assert_eq!(reason(&with_life(MAX_LIFE_SECONDS)), None);
    assert_eq!(reason(&with_life(MAX_LIFE_SECONDS + 1)), Some(RefusalReason::MalformedIdentity));
    assert_eq!(reason(&with_life(0)), Some(RefusalReason::MalformedIdentity));
}

#[test]
fn a_token_counts_for_its_own_connection_only() {
    let other = |text: &str| text.parse::<SocketAddr>().unwrap();
    let source = Claims { source: other("10.0.0.9:40001"), ..claims() };
    assert_eq!(reason(&source), Some(RefusalReason::WrongSource));
    let destination = Claims { destination: other("[fd00::1]:444"), ..claims() };
    assert_eq!(reason(&destination), Some(RefusalReason::WrongDestination));
    let token = signer("one", 1).sign_token(&claims()).unwrap();
    let mapped =
        Binding::Connection { source: other("[::ffff:10.0.0.9]:40000"), destination: claims().destination };
    assert!(check(&token, NOW, mapped).is_ok());
}

#[test]
fn a_key_signs_within_its_scope_only() {
    for subject in [
        "spiffe://shop.example/ns/shop/sa/other/container/app",
        "spiffe://other.example/ns/shop/sa/checkout/container/app",
    ] {
        let foreign = Claims { subject: subject.parse().unwrap(), ..claims() };
        assert_eq!(reason(&foreign), Some(RefusalReason::OutsideKeyScope), "{subject}");
    }
}

#[test]
fn a_key_that_is_not_listed_is_unknown_and_one_that_lies_about_its_name_signs_badly() {
    let unlisted = signer("two", 1).sign_token(&claims()).unwrap();
    assert_eq!(check(&unlisted, NOW, Binding::Unbound).unwrap_err().reason, RefusalReason::UnknownKey);
    let liar = signer("one", 2).sign_token(&claims()).unwrap();
    assert_eq!(check(&liar, NOW, Binding::Unbound).unwrap_err().reason, RefusalReason::BadSignature);
}

#[test]
fn every_changed_character_of_a_token_is_noticed() {
    let token = signer("one", 1).sign_token(&claims()).unwrap();
    for index in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(check(&changed, NOW, Binding::Unbound).is_err(), "character {index}");
    }
}

#[test]
fn no_truncation_and_no_byte_soup_is_accepted_or_panics() {
    let token = signer("one", 1).sign_token(&claims()).unwrap();
    for length in 0..token.len() {
        assert!(check(token.split_at(length).0, NOW, Binding::Unbound).is_err(), "{length}");
    }
    for soup in [&b"\xff\xfe.\xff.\xff"[..], b"...", b".", b"e30.e30.", b"\0\0\0"] {
        assert!(UnverifiedToken::parse(soup).is_err(), "{soup:?}");
    }
}

#[test]
fn a_token_over_the_bound_is_neither_minted_nor_read() {
    let labels = (0..MAX_LABELS).map(|index| (index.to_string(), "v".repeat(MAX_LABEL_VALUE)));
    let large = Claims { labels: Labels::from_pairs(labels).unwrap(), ..claims() };
    let refused = signer("one", 1).sign_token(&large);
    assert!(matches!(refused, Err(MintError::TooLarge(bytes)) if bytes > MAX_TOKEN_BYTES));
    let long = "a".repeat(MAX_TOKEN_BYTES + 1);
    let refusal = UnverifiedToken::parse(long.as_bytes()).unwrap_err();
    assert_eq!(refusal.reason, RefusalReason::IdentityTooLarge);
}

#[test]
fn a_path_is_cut_when_it_is_signed_so_that_a_verifier_accepts_it() {
    let long = Claims { name: "\u{e4}".repeat(MAX_NAME), ..claims() };
    let token = signer("one", 1).sign_token(&long).unwrap();
    let identity = check(&token, NOW, Binding::Unbound).unwrap();
    assert_eq!(identity.claims().name, "\u{e4}".repeat(MAX_NAME / 2));
}
