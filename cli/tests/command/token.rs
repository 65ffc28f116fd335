//! `procgate token`.

use crate::place::{Place, set_mode};
use procgate_identity::{CodeList, Digest};

const SUBJECT: &str = "spiffe://shop.example/ns/shop/sa/checkout/container/app";
const SCOPE: &str = "spiffe://shop.example/ns/shop/sa/checkout/container/";
const SRC: &str = "10.1.2.3:40000";
const DST: &str = "10.4.0.9:8080";
/// A moment that tokens here are made at.
const AT: &str = "2026-11-23T14:00:00Z";

/// A folder with the keys `one` and `two` in it.
fn with_keys() -> Place {
    let place = Place::new();
    for kid in ["one", "two"] {
        assert_eq!(place.run(&["keygen", "--kid", kid]).code, 0);
    }
    place
}

fn minting<'a>(key: &'a str, exe: &'a str) -> Vec<&'a str> {
    let line = ["token", "mint", "--key", key, "--subject", SUBJECT, "--exe", exe];
    [&line[..], &["--src", SRC, "--dst", DST, "--at", AT]].concat()
}

fn mint(place: &Place, more: &[&str]) -> String {
    let exe = Digest::of(b"app").to_string();
    let ran = place.run(&[&minting("one.private.jwk", &exe)[..], more].concat());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    ran.out.trim_end().into()
}

fn inspect(place: &Place, token: &str, more: &[&str]) -> (i32, serde_json::Value) {
    let line = [&["--output", "json", "token", "inspect", token][..], more].concat();
    let ran = place.run(&line);
    (ran.code, ran.json())
}

fn verify(place: &Place, token: &str, more: &[&str]) -> (i32, serde_json::Value) {
    let trust = ["--key", "one.public.jwk", "--scope", SCOPE];
    let at = if more.contains(&"--at") { &[][..] } else { &["--at", AT] };
    inspect(place, token, &[&trust[..], at, more].concat())
}

#[test]
fn a_token_made_here_is_verified_here() {
    let place = with_keys();
    let token = mint(&place, &["--label", "segment=pci"]);
    let (code, found) = verify(&place, &token, &[]);
    assert_eq!((code, found["verdict"].as_str()), (0, Some("verified")));
    assert_eq!((found["key"].as_str(), found["connection"].as_str()), (Some("one"), Some("not-checked")));
    let payload = &found["claims"]["payload"];
    assert_eq!(
        (payload["sub"].as_str(), payload["labels"]["segment"].as_str()),
        (Some(SUBJECT), Some("pci"))
    );
    let (code, found) = verify(&place, &token, &["--src", SRC, "--dst", DST]);
    assert_eq!((code, found["connection"].as_str()), (0, Some("checked")));
}

#[test]
fn each_reason_for_a_refusal_is_named() {
    let place = with_keys();
    let token = mint(&place, &[]);
    let refused = |token: &str, more: &[&str], reason: &str| {
        let (code, found) = verify(&place, token, more);
        assert_eq!((code, found["reason"].as_str()), (1, Some(reason)), "{found}");
    };
    refused(&token, &["--at", "2026-11-23T14:10:00Z"], "expired");
    refused(&token, &["--at", "2026-11-23T13:59:00Z"], "not-yet-valid");
    refused(&token, &["--src", "10.1.2.3:40001", "--dst", DST], "wrong-source");
    refused(&token, &["--src", SRC, "--dst", "10.4.0.9:80"], "wrong-destination");
    refused("a.b.c", &[], "malformed-identity");
    refused(&token.replacen('e', "f", 1), &[], "malformed-identity");
    let (start, _) = token.rsplit_once('.').unwrap();
    refused(&format!("{start}.{}", "A".repeat(86)), &[], "bad-signature");
    let other = ["--key", "two.public.jwk", "--scope", SCOPE];
    assert_eq!(inspect(&place, &token, &other).1["reason"], "unknown-key");
    let elsewhere = ["--key", "one.public.jwk", "--scope", "spiffe://shop.example/ns/other/", "--at", AT];
    assert_eq!(inspect(&place, &token, &elsewhere).1["reason"], "outside-key-scope");
}

#[test]
fn without_keys_nothing_is_called_verified() {
    let place = with_keys();
    let ran = place.run(&["token", "inspect", &mint(&place, &[])]);
    assert_eq!(ran.code, 0);
    assert!(ran.out.starts_with("not verified: "), "{}", ran.out);
    assert!(ran.out.contains(SUBJECT) && ran.out.contains("2026-11-23T14:00:00Z until 2026-11-23T14:02:30Z"));
}

#[test]
fn a_token_comes_from_standard_input_as_it_was_captured() {
    let place = with_keys();
    let token = mint(&place, &[]);
    for input in [format!("{token}\n"), format!("X-Process-Identity: {token}\r\n")] {
        let ran = place.run_with_input(&["token", "inspect"], input.as_bytes());
        assert!(ran.code == 0 && ran.out.contains(SUBJECT), "{ran:?}");
    }
}

#[test]
fn claims_cannot_write_to_the_terminal() {
    let place = with_keys();
    let token = mint(&place, &["--name", "/bin/\u{1b}[2J\u{202e}x\nverified: yes", "--label", "a=\u{7}"]);
    let ran = place.run(&["token", "inspect", &token]);
    assert!(ran.out.contains(r"/bin/\u{1b}[2J\u{202e}x\u{a}verified: yes"), "{}", ran.out);
    assert!(!ran.out.contains(['\u{1b}', '\u{202e}', '\u{7}']));
}

#[test]
fn what_is_no_token_is_refused_and_never_crashes() {
    let place = Place::new();
    for (input, reason) in
        [(vec![b'a'; 1_000_000], "identity-too-large"), (b"no token".into(), "malformed-identity")]
    {
        let ran = place.run_with_input(&["token", "inspect"], &input);
        assert!(ran.code == 1 && ran.out.starts_with(&format!("refused: {reason}: ")), "{ran:?}");
    }
    for input in [&b""[..], b" \n", b"\xff\xfe", b"x-process-identity:"] {
        place.run_with_input(&["token", "inspect"], input).refused();
    }
}

#[test]
fn digests_may_be_taken_of_files() {
    let place = with_keys();
    place.write("app", b"app");
    place.write("run.py", b"print()");
    let list = CodeList::from_digests([Digest::of(b"app")]);
    place.write("code.list", format!("# list\n{}  /app\n", Digest::of(b"app")).as_bytes());
    let more = ["--code", "code.list", "--script", "run.py", "--output", "json"];
    let ran = place.run(&[&minting("one.private.jwk", "app")[..], &more].concat());
    let claims = &ran.json()["claims"]["payload"];
    assert_eq!(claims["exe"], Digest::of(b"app").to_string());
    assert_eq!(claims["code"], list.digest().to_string());
    assert_eq!(claims["script"], Digest::of(b"print()").to_string());
    assert_eq!(claims["name"], "app");
}

#[test]
fn the_container_may_be_named_by_its_parts() {
    let place = with_keys();
    let exe = Digest::of(b"app").to_string();
    let common = ["token", "mint", "--key", "one.private.jwk", "--exe", &exe, "--src", SRC, "--dst", DST];
    let pod = ["--trust-domain", "shop.example", "--container", "app", "--namespace", "shop"];
    let ran =
        place.run(&[&common[..], &pod, &["--service-account", "checkout", "--output", "json"]].concat());
    assert_eq!(ran.json()["claims"]["payload"]["sub"], SUBJECT);
    place.run(&[&common[..], &pod].concat()).refused();
    place.run(&common).refused();
    let host = ["--trust-domain", "shop.example", "--container", "app", "--host-name", "node-1"];
    let ran = place.run(&[&common[..], &host, &["--output", "json"]].concat());
    assert_eq!(ran.json()["claims"]["payload"]["sub"], "spiffe://shop.example/host/node-1/container/app");
}

#[test]
fn a_key_that_is_none_is_named_with_the_remedy() {
    let place = with_keys();
    let exe = Digest::of(b"app").to_string();
    let good = place.read("one.private.jwk");
    let junk = vec![b'x'; 1_000_000];
    let deep = format!("{{\"kty\":{}", "[".repeat(4_000));
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("text", b"not a key"),
        ("latin", b"{\"kty\":\"\xe9\"}"),
        ("junk", &junk),
        ("deep", deep.as_bytes()),
        ("public", place.read("one.public.jwk").as_bytes()),
        ("twice", good.replacen('{', "{\"kid\":\"other\",", 1).as_bytes()),
        ("more", good.replacen('{', "{\"x5c\":[],", 1).as_bytes()),
    ] {
        place.write(name, bytes);
        let ran = place.run(&minting(name, &exe));
        assert!(ran.refused().starts_with(&format!("{name}: ")), "{ran:?}");
    }
    for (name, what) in [("missing", "no such file"), (".", "is a directory")] {
        assert!(place.run(&minting(name, &exe)).refused().contains(what));
    }
    let ran = place.run_as_a_stranger(&minting("one.private.jwk", &exe));
    assert!(ran.refused().starts_with("one.private.jwk: cannot be read (permission denied)"));
}

#[test]
fn a_private_key_is_not_accepted_where_a_public_one_belongs() {
    let place = with_keys();
    let ran = place.run(&["token", "inspect", "x.y.z", "--key", "one.private.jwk", "--scope", SCOPE]);
    assert!(ran.refused().starts_with("one.private.jwk: a private key"));
}

#[test]
fn a_key_that_others_may_read_is_pointed_out() {
    let place = with_keys();
    let exe = Digest::of(b"app").to_string();
    set_mode(&place.path("one.private.jwk"), 0o640);
    let ran = place.run(&minting("one.private.jwk", &exe));
    assert!(ran.code == 0 && ran.err.starts_with("procgate: warning: others may read one.private.jwk"));
}

#[test]
fn a_bound_that_a_token_exceeds_is_named() {
    let place = with_keys();
    let exe = Digest::of(b"app").to_string();
    let refused = |more: &[&str]| place.run(&[&minting("one.private.jwk", &exe)[..], more].concat());
    let labels: Vec<String> = (0..16).map(|index| format!("--label={index}={}", "v".repeat(256))).collect();
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    assert!(refused(&labels).refused().contains("the token would have"));
    for more in [
        ["--label", "a=1", "--label=a=2"],
        ["--life", "0", "--label=a=b"],
        ["--label", "novalue", "--life=9"],
    ] {
        refused(&more).refused();
    }
}
