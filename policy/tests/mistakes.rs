//! Documents that are no policy at all: each is told what it is, in one line a mistake.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may"
)]

mod support;

use procgate_policy::{MAX_MISTAKES, MAX_POLICY_BYTES, Mistakes, Policy};
use support::TRUST;

fn mistakes(document: impl AsRef<[u8]>) -> Mistakes {
    let mistakes = Policy::from_json(document.as_ref()).unwrap_err();
    assert!(!mistakes.as_slice().is_empty());
    assert_eq!(
        mistakes.to_string().lines().count(),
        mistakes.as_slice().len() + usize::from(mistakes.unlisted() > 0)
    );
    assert!(mistakes.to_string().len() < 64 * 1024);
    mistakes
}

fn base(rest: &str) -> String {
    format!(r#"{{"version":1,"mode":"enforce","trust":{TRUST}{rest}}}"#)
}

#[test]
fn what_is_no_document_gets_one_clear_line() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_object = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    let huge = vec![b' '; MAX_POLICY_BYTES + 1];
    let flat = format!("[{}0]", "0,".repeat(1_500_000));
    let junk: Vec<u8> =
        (0..1_000_000_u32).map(|index| index.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let ascii_junk: Vec<u8> = junk.iter().map(|byte| byte % 95 + 32).collect();
    for (document, told) in [
        (&b""[..], "empty"),
        (b" \n\t ", "empty"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8 at byte 0"),
        (b"\xef\xbb\xbf{}", "line 1 column 1"),
        (b"{", "line 1 column 1"),
        (b"{} {}", "trailing"),
        (b"version: 1", "line 1"),
        (deep.as_bytes(), "nested"),
        (deep_object.as_bytes(), "nested"),
        (&huge, "8388609 bytes"),
        (flat.as_bytes(), "too many values"),
        (&junk, "not UTF-8"),
        (&ascii_junk, "not JSON"),
        (b"[]", "a list where an object belongs"),
        (b"\"policy\"", "text where an object belongs"),
        (b"null", "nothing where an object belongs"),
        (b"1e999", "not JSON"),
    ] {
        let mistakes = mistakes(document);
        assert_eq!(mistakes.as_slice().len(), 1, "{mistakes}");
        let line = mistakes.to_string();
        assert!(line.contains(told) && line.starts_with("policy: "), "{line} lacks {told}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let all = mistakes(
        r#"{"versoin":1,"mode":"on","trust":{"domain":"","keys":[]},
            "processes":[{"name":"a b","exe":["md5:0"],"service_account":"x"}],
            "destinations":[{"name":"d"}],
            "rules":[{"name":"r","allow":{"to":{"ports":["http",0]}},"deny":{}},{"name":"s","allow":{"from":{},"to":{"port":[1]}}}]}"#,
    )
    .to_string();
    for line in [
        "versoin: unknown field: write version, or take it out",
        "version: missing: write version: 1",
        "mode: \"on\" is no mode: write audit or enforce",
        "trust.domain: 0 characters: write 1 to 1024",
        "trust.keys: an empty list: name at least one, or leave the field out",
        "processes[0].name: \"a b\" is no name: ",
        "processes[0].exe[0]: \"md5:0\" is no digest: ",
        "processes[0].service_account: unknown field: write serviceAccount, or take it out",
        "destinations[0]: neither hosts nor cidrs: write hosts, cidrs or both",
        "rules[0]: both allow and deny: ",
        "rules[1].allow.from: no condition: ",
        "rules[1].allow.to.port: unknown field: write ports, or take it out",
    ] {
        assert!(all.lines().any(|told| told.starts_with(line)), "{line}\n\n{all}");
    }
}

#[test]
fn a_key_written_twice_is_refused_wherever_it_stands() {
    for (rest, path) in [
        (r#","mode":"audit""#, "mode"),
        (r#","rules":[{"name":"a","name":"b","allow":{}}]"#, "rules[0].name"),
        (r#","rules":[{"name":"a","allow":{},"allow":{}}]"#, "rules[0].allow"),
        (
            r#","rules":[{"name":"a","allow":{"from":{"labels":{"t":"1","t":"2"}}}}]"#,
            "rules[0].allow.from.labels.t",
        ),
    ] {
        let mistakes = mistakes(base(rest));
        let [mistake] = mistakes.as_slice() else { panic!("{mistakes}") };
        assert_eq!((mistake.path.as_str(), mistake.problem.as_str()), (path, "written twice"));
    }
}

#[test]
fn a_private_key_is_refused_loudly() {
    let document = base("").replace(r#""kid""#, r#""d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","kid""#);
    let mistakes = mistakes(document);
    let [mistake] = mistakes.as_slice() else { panic!("{mistakes}") };
    assert_eq!(mistake.path, "trust.keys[0].jwk.d");
    assert!(mistake.problem.contains("PRIVATE KEY") && mistake.remedy.contains("keygen"), "{mistake}");
    assert!(!mistakes.to_string().contains("nWGx"), "the key must not spread further");
}

#[test]
fn a_flood_of_mistakes_is_counted_and_not_listed() {
    let fields: String = (0..100_000).map(|index| format!(r#","x{index}":1"#)).collect();
    let flood = mistakes(base(&fields));
    assert_eq!((flood.as_slice().len(), flood.unlisted()), (MAX_MISTAKES, 100_000 - MAX_MISTAKES));
    let rules = vec![r#"{"name":"r","allow":{}}"#; 100_001].join(",");
    let many = mistakes(base(&format!(r#","rules":[{rules}]"#)));
    let [mistake] = many.as_slice() else { panic!("{many}") };
    assert_eq!((mistake.path.as_str(), mistake.problem.as_str()), ("rules", "100001 items"));
}

#[test]
fn mistakes_of_the_head_stand_before_any_number_of_others() {
    let rules = vec![r#"{"name":1}"#; 200].join(",");
    let document = base(&format!(r#","rules":[{rules}],"forward":1"#));
    let document = document.replace(r#""kid""#, r#""d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","kid""#);
    let mistakes = mistakes(document);
    let places: Vec<&str> = mistakes.as_slice().iter().map(|mistake| mistake.path.as_str()).take(4).collect();
    assert_eq!(places, ["forward", "trust.keys[0].jwk.d", "rules[0].name", "rules[0]"]);
    assert_eq!((mistakes.as_slice().len(), mistakes.unlisted()), (MAX_MISTAKES, 402 - MAX_MISTAKES));
}

#[test]
fn of_a_list_that_is_written_twice_the_first_one_is_read() {
    let one = |name: &str| format!(r#""destinations":[{{"name":"{name}","cidrs":[1]}}]"#);
    let mistakes = mistakes(base(&format!(",{},{}", one("a"), one("b"))));
    let places: Vec<&str> = mistakes.as_slice().iter().map(|mistake| mistake.path.as_str()).collect();
    assert_eq!(places, ["destinations", "destinations[0].cidrs[0]"]);
}

#[test]
fn what_a_mistake_repeats_is_escaped_and_cut() {
    let name = format!("\u{1b}[31m\n{}", "é".repeat(900));
    let document = base(&format!(
        r#",{0}:1,"rules":[{{"name":{0},"allow":{{}}}}]"#,
        serde_json::to_string(&name).unwrap()
    ));
    let text = mistakes(document).to_string();
    assert!(!text.contains('\u{1b}') && text.lines().count() == 2 && text.len() < 1_000, "{text}");
}
