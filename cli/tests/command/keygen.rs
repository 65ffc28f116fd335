//! `procgate keygen`.

use crate::place::{Place, mode, set_mode};
use procgate_identity::{PublicKey, SigningKey};
use std::fs;

const SCOPE: &str = "spiffe://shop.example/ns/shop/sa/checkout/container/";

#[test]
fn the_two_files_are_the_halves_of_one_key_and_only_the_owner_reads_the_private_one() {
    let place = Place::new();
    assert_eq!(place.run(&["keygen", "--kid", "one"]).code, 0);
    assert_eq!(place.names(), ["one.private.jwk", "one.public.jwk"]);
    assert_eq!(mode(&place.path("one.private.jwk")), 0o600);
    assert_eq!(mode(&place.path("one.public.jwk")) & 0o133, 0);
    let private = SigningKey::from_jwk(place.read("one.private.jwk").as_bytes()).unwrap();
    let public = PublicKey::from_jwk(place.read("one.public.jwk").as_bytes()).unwrap();
    assert_eq!(private.public(), Ok(public));
}

#[test]
fn the_entry_to_paste_is_the_public_key_with_its_scope() {
    let place = Place::new();
    let ran = place.run(&["keygen", "--kid", "2026-11", "--scope", SCOPE]);
    let public = PublicKey::from_jwk(place.read("2026-11.public.jwk").as_bytes()).unwrap();
    let entry = format!(
        "- jwk: {{kty: OKP, crv: Ed25519, kid: \"2026-11\", x: \"{}\"}}\n  scope: {SCOPE}\n",
        public.jwk().x
    );
    assert!(ran.out.ends_with(&entry), "{}", ran.out);
    assert!(!ran.out.contains("\"d\""));
}

#[test]
fn a_key_on_p_256_is_made_on_request() {
    let place = Place::new();
    let ran = place.run(&["keygen", "--kid", "p", "--algorithm", "es256", "--scope", SCOPE]);
    let private = SigningKey::from_jwk(place.read("p.private.jwk").as_bytes()).unwrap();
    let public = PublicKey::from_jwk(place.read("p.public.jwk").as_bytes()).unwrap();
    let jwk = public.jwk();
    let (x, y) = (jwk.x, jwk.y.unwrap());
    let entry =
        format!("- jwk: {{kty: EC, crv: P-256, kid: \"p\", x: \"{x}\", y: \"{y}\"}}\n  scope: {SCOPE}\n");
    assert!(ran.out.ends_with(&entry), "{}", ran.out);
    assert_eq!(private.public(), Ok(public));
}

#[test]
fn two_runs_make_two_keys() {
    let place = Place::new();
    let made = |kid: &str| place.run(&["keygen", "--kid", kid, "--output", "json"]).json();
    assert_ne!(made("a")["entry"]["jwk"]["x"], made("b")["entry"]["jwk"]["x"]);
}

#[test]
fn the_start_of_the_names_may_be_given_instead_of_a_folder() {
    let place = Place::new();
    fs::create_dir(place.path("keys")).unwrap();
    assert_eq!(place.run(&["keygen", "--kid", "a/b", "--out", "keys/app"]).code, 0);
    assert!(place.path("keys/app.private.jwk").exists() && place.path("keys/app.public.jwk").exists());
}

#[test]
fn a_key_that_is_there_stays_as_it_is() {
    let place = Place::new();
    place.run(&["keygen", "--kid", "one"]);
    let before = place.read("one.private.jwk");
    let ran = place.run(&["keygen", "--kid", "one"]);
    assert!(ran.refused().starts_with("./one.private.jwk: "));
    assert_eq!(place.read("one.private.jwk"), before);
}

#[test]
fn no_half_of_a_key_is_left_where_the_other_cannot_be_written() {
    let place = Place::new();
    place.write("one.public.jwk", b"mine");
    assert!(place.run(&["keygen", "--kid", "one"]).refused().starts_with("./one.public.jwk: "));
    assert_eq!(place.names(), ["one.public.jwk"]);
    assert_eq!(place.read("one.public.jwk"), "mine");
}

#[test]
fn a_symbolic_link_in_a_key_s_place_is_not_followed() {
    let place = Place::new();
    std::os::unix::fs::symlink("elsewhere", place.path("one.private.jwk")).unwrap();
    place.run(&["keygen", "--kid", "one"]).refused();
    assert_eq!(place.names(), ["one.private.jwk"]);
}

#[test]
fn a_folder_that_others_may_write_to_is_pointed_out() {
    let place = Place::new();
    for (name, mode, warned) in [("open", 0o777, true), ("group", 0o770, true), ("sticky", 0o1777, false)] {
        fs::create_dir(place.path(name)).unwrap();
        set_mode(&place.path(name), mode);
        let ran = place.run(&["keygen", "--kid", "one", "--out", name]);
        assert_eq!(
            (ran.code, ran.err.contains("procgate: warning: others may write")),
            (0, warned),
            "{name}"
        );
    }
}

#[test]
fn a_name_cannot_lead_out_of_the_folder() {
    let place = Place::new();
    fs::create_dir(place.path("keys")).unwrap();
    for kid in ["../one", "a/b", ".hidden"] {
        place.run(&["keygen", "--kid", kid, "--out", "keys"]).refused();
    }
    assert_eq!(place.names(), ["keys"]);
}

#[test]
fn a_folder_that_is_missing_or_closed_is_named() {
    let place = Place::new();
    for out in ["missing/", "missing/one", "missing/deep/"] {
        assert!(place.run(&["keygen", "--kid", "one", "--out", out]).refused().starts_with("missing"));
    }
    let ran = place.run_as_a_stranger(&["keygen", "--kid", "one", "--out", "/proc/1"]);
    assert!(ran.refused().starts_with("/proc/1/one.private.jwk: cannot be written"));
}
