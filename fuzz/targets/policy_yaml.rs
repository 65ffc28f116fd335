//! Any bytes as a policy in YAML: refused in bounded lines, or the same policy as its JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use procgate_policy::{MAX_MISTAKES, Policy, RawPolicy};

fuzz_target!(|yaml: &[u8]| {
    if let Err(mistakes) = Policy::from_yaml(yaml) {
        assert!((1..=MAX_MISTAKES).contains(&mistakes.as_slice().len()));
        let lines = mistakes.to_string();
        assert_eq!(lines.lines().count(), mistakes.as_slice().len(), "{lines}");
    }
    let Ok(raw) = RawPolicy::from_yaml(yaml) else { return };
    assert_eq!(RawPolicy::from_json(&serde_json::to_vec(&raw).unwrap()).as_ref(), Ok(&raw));
});
