//! Any policy, and any host, method and path: the judge says what the oracle says, which goes through the rules
//! one by one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use procgate_fuzz::oracle::{self, Expected, Speaker};
use procgate_fuzz::{claims, cut, key, verify};
use procgate_identity::VerifiedIdentity;
use procgate_policy::{Destination, Http, Policy, Presented, RawPolicy, judge};
use std::sync::LazyLock;

static IDENTITY: LazyLock<VerifiedIdentity> =
    LazyLock::new(|| verify(key().sign_token(&claims()).unwrap().as_bytes()).unwrap());

fuzz_target!(|input: &[u8]| {
    let (address, rest) = cut(input, b'\n');
    let (host, rest) = cut(rest, b'\n');
    let (method, rest) = cut(rest, b'\n');
    let (path, json) = cut(rest, b'\n');
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let (Some(address), Some(method), Some(path)) = (text(address), text(method), text(path)) else { return };
    let Ok(raw) = RawPolicy::from_json(json) else { return };
    let Ok(policy) = Policy::new(&raw) else { return };
    let destination = Destination {
        host: text(host).filter(|host| !host.is_empty()),
        address: address.parse().ok(),
        http: (!path.is_empty()).then_some(Http { method, path }),
    };
    let known = (Presented::Verified(&IDENTITY), Speaker::Known(IDENTITY.claims()));
    for (presented, speaker) in [known, (Presented::Absent, Speaker::Nobody)] {
        let finding = judge(&policy, presented, &destination).finding;
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let found = Expected {
            reason: finding.reason.code(),
            rule: owned(finding.rule),
            nearest: owned(finding.nearest),
            process: owned(finding.process),
        };
        assert_eq!(found, oracle::judge(&raw, speaker, &destination), "{destination:?}");
    }
});
