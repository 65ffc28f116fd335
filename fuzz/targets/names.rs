//! Any text as one of the names and lists that people write: what is read is written as it is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use procgate_identity::{CodeList, Digest, KeyId, KeyScope, PublicKey, SigningKey, Subject, TrustDomain};
use std::fmt::Display;
use std::str::FromStr;

fn comes_back<T: FromStr<Err: std::fmt::Debug> + Display + PartialEq + std::fmt::Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string().parse::<T>().unwrap(), value);
    }
}

fuzz_target!(|text: &str| {
    comes_back::<Digest>(text);
    comes_back::<TrustDomain>(text);
    comes_back::<Subject>(text);
    comes_back::<KeyScope>(text);
    if let (Ok(scope), Ok(subject)) = (text.parse::<KeyScope>(), text.parse::<Subject>()) {
        assert!(scope.covers(&subject) && scope.is_within(&subject.trust_domain()));
    }
    if let Ok(id) = KeyId::new(text) {
        assert_eq!(id.as_str(), text);
    }
    if let Ok(list) = CodeList::parse(text) {
        let lines: Vec<String> = list.iter().map(Digest::to_string).collect();
        assert_eq!(CodeList::parse(&lines.join("\n")).unwrap().digest(), list.digest());
    }
    if let Ok(public) = PublicKey::from_jwk(text.as_bytes()) {
        assert_eq!(PublicKey::from_jwk(public.to_jwk().as_bytes()).unwrap(), public);
    }
    if let Ok(key) = SigningKey::from_jwk(text.as_bytes()) {
        assert!(PublicKey::from_jwk(text.as_bytes()).is_err(), "a private key passes for a public one");
        let written = key.to_private_jwk().unwrap();
        assert_eq!(SigningKey::from_jwk(written.as_bytes()).unwrap().public(), key.public());
    }
});
