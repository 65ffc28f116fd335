//! Any bytes as a policy in JSON: what is read means the same when it is written and read again, in YAML too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use procgate_policy::{MAX_MISTAKES, Policy, RawPolicy};

fuzz_target!(|json: &[u8]| {
    if let Err(mistakes) = Policy::from_json(json) {
        assert!((1..=MAX_MISTAKES).contains(&mistakes.as_slice().len()));
        let lines = mistakes.to_string();
        assert_eq!(lines.lines().count(), mistakes.as_slice().len(), "{lines}");
    }
    let Ok(raw) = RawPolicy::from_json(json) else { return };
    let written = serde_json::to_string(&raw).unwrap();
    assert_eq!(RawPolicy::from_json(written.as_bytes()).as_ref(), Ok(&raw));
    // JSON escapes fewer control characters than YAML demands (YAML 1.2 section 5.1).
    if !written.contains(char::is_control) {
        assert_eq!(RawPolicy::from_yaml(written.as_bytes()).as_ref(), Ok(&raw));
    }
});
