//! Records: what is written is read back, and nothing a peer chose gets out of its quotes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod support;

use procgate_identity::{Carrier, Claims, Digest, Labels, MAX_LABEL_VALUE, Stray, UnixNanos};
use procgate_policy::{
    Destination, Direction, Event, Http, MAX_RECORD_BYTES, Mode, Presented, Reason, Record, RecordError,
    judge,
};
use proptest::prelude::*;
use std::borrow::Cow;
use support::{claims, digest, identity, policy};

fn text() -> impl Strategy<Value = Cow<'static, str>> {
    prop_oneof![
        "[a-z/.:-]{0,40}",
        any::<String>(),
        "[\"\\\\\u{0}-\u{1f}\u{7f}-\u{a0}\u{2028}\u{202e}\u{1f600}]{0,40}"
    ]
    .prop_map(Cow::Owned)
}

fn maybe_text() -> impl Strategy<Value = Option<Cow<'static, str>>> {
    proptest::option::of(text())
}

fn maybe_digest() -> impl Strategy<Value = Option<Digest>> {
    proptest::option::of(any::<[u8; 32]>().prop_map(Digest::from_bytes))
}

fn pick<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    proptest::sample::select(all)
}

prop_compose! {
    fn record()(
        (time, id, mode, reason, detail, direction) in (any::<u64>(), text(), pick(&[Mode::Audit, Mode::Enforce]),
            pick(&Reason::ALL), maybe_text(), pick(&[Direction::Inbound, Direction::Outbound])),
        (carrier, subject, process, exe, code, name) in (proptest::option::of(pick(&Carrier::ALL)), maybe_text(),
            maybe_text(), maybe_digest(), maybe_digest(), maybe_text()),
        stray in proptest::option::of((text(), maybe_digest())),
        (rule, nearest, host, sni, method, path) in (maybe_text(), maybe_text(), maybe_text(), maybe_text(),
            maybe_text(), maybe_text()),
        (script, labels) in (maybe_digest(), proptest::collection::vec((text(), text()), 0..4)),
        address in proptest::option::of((any::<std::net::IpAddr>(), any::<u16>())),
    ) -> Record<'static> {
        Record {
            time: UnixNanos(time), id, mode, reason, detail, direction, carrier, subject, process, exe, code, stray,
            script, name, labels, rule, nearest, host, address: address.map(Into::into), sni, method, path,
        }
    }
}

proptest! {
    #[test]
    fn a_record_is_read_back_as_it_was_written(record in record()) {
        let json = record.to_json();
        prop_assert!(json.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{json}");
        prop_assert_eq!(Record::parse(&json), Ok(record));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>()) {
        let _ = Record::parse(&text);
    }
}

fn event<'a>(destination: Destination<'a>) -> Event<'a> {
    Event {
        time: UnixNanos(1_795_445_157_000_000_001),
        id: "7f",
        direction: Direction::Outbound,
        carrier: None,
        identity: None,
        destination,
        sni: None,
    }
}

#[test]
fn a_record_says_what_was_decided_about_whom_and_why() {
    let exe = digest("checkout");
    let policy = policy(
        "enforce",
        &format!(
            r#""processes":[{{"name":"checkout","exe":["{exe}"]}}],
               "rules":[{{"name":"get","allow":{{"from":{{"process":"checkout"}},"to":{{"methods":["GET"]}}}}}}]"#
        ),
    );
    let identity = identity(policy.trusted_keys(), &claims());
    let destination = Destination {
        host: Some("Pay.example:80"),
        address: Some("10.4.0.1:8080".parse().unwrap()),
        http: Some(Http { method: "POST", path: "/charge?card=4111" }),
    };
    let judgement = judge(&policy, Presented::Verified(&identity), &destination);
    let event = Event {
        carrier: Some(Carrier::Header),
        identity: Some(&identity),
        sni: Some("pay.example"),
        ..event(destination)
    };
    let record = Record::of(&judgement.finding, &event);
    let expected = format!(
        concat!(
            r#"{{"v":1,"time":"2026-11-23T14:45:57.000000001Z","id":"7f","mode":"enforce","decision":"deny","#,
            r#""reason":"no-matching-rule","direction":"outbound","carrier":"header","#,
            r#""sub":"spiffe://shop.example/ns/shop/sa/checkout/container/checkout","process":"checkout","exe":"{}","#,
            r#""name":"/usr/bin/checkout","nearest":"get","destination":{{"host":"Pay.example:80","ip":"10.4.0.1","#,
            r#""port":8080,"sni":"pay.example"}},"method":"POST","path":"/charge"}}"#
        ),
        exe
    );
    assert_eq!(record.to_json(), expected);
    assert_eq!(Record::parse(&expected), Ok(record));
}

#[test]
fn what_a_peer_chose_is_cut_and_escaped() {
    let policy = policy("enforce", r#""rules":[]"#);
    let evil = "\u{1b}[31m\"},\"decision\":\"allow\n\u{202e}é";
    let long = evil.repeat(1_000);
    let stray = Some(Stray { path: evil.into(), digest: None });
    let labels = Labels::from_pairs([("\u{202e}\"", evil)]).unwrap();
    let identity =
        identity(policy.trusted_keys(), &Claims { name: evil.repeat(9), stray, labels, ..claims() });
    let destination =
        Destination { host: Some(&long), address: None, http: Some(Http { method: &long, path: &long }) };
    let judgement = judge(&policy, Presented::Verified(&identity), &destination);
    let event = Event { id: &long, identity: Some(&identity), sni: Some(&long), ..event(destination) };
    let json = Record::of(&judgement.finding, &event).to_json();
    assert!(json.len() < MAX_RECORD_BYTES, "{}", json.len());
    assert!(json.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{json}");
    let read = Record::parse(&json).unwrap();
    assert_eq!(read.reason, Reason::UnknownProcess);
    assert_eq!(read.labels, [("\u{202e}\"".into(), evil.into())]);
    let path = read.path.unwrap();
    assert!(
        path.len() <= 512 && path.ends_with('…') && long.starts_with(path.trim_end_matches('…')),
        "{path}"
    );
}

#[test]
fn the_longest_record_that_is_written_can_be_read() {
    let policy = policy("enforce", r#""rules":[]"#);
    let worst = "\u{7f}".repeat(4_000);
    let label = |index: u32| (format!("{index:064}"), "\u{7f}".repeat(MAX_LABEL_VALUE));
    // As many as a token has room for beside a long name and a stray.
    let labels = Labels::from_pairs((0..4).map(label)).unwrap();
    let long = "\u{7f}".repeat(512);
    let stray = Some(Stray { path: long.clone(), digest: Some(digest("stray")) });
    let identity = identity(policy.trusted_keys(), &Claims { name: long, stray, labels, ..claims() });
    let destination =
        Destination { host: Some(&worst), address: None, http: Some(Http { method: &worst, path: &worst }) };
    let judgement = judge(&policy, Presented::Fault(&worst), &destination);
    let event = Event { id: &worst, identity: Some(&identity), sni: Some(&worst), ..event(destination) };
    let json = Record::of(&judgement.finding, &event).to_json();
    assert!(Record::parse(&json).is_ok(), "{}", json.len());
}

#[test]
fn a_text_without_escapes_is_not_copied() {
    let policy = policy("audit", r#""rules":[]"#);
    let destination = Destination {
        host: Some("pay.example"),
        http: Some(Http { method: "GET", path: "/\u{e9}" }),
        address: None,
    };
    let judgement = judge(&policy, Presented::Absent, &destination);
    let json = Record::of(&judgement.finding, &event(destination)).to_json();
    let read = Record::parse(&json).unwrap();
    assert!(matches!((&read.id, &read.host), (Cow::Borrowed(_), Some(Cow::Borrowed(_)))), "{read:?}");
    assert_eq!(read.path.as_deref(), Some("/\u{e9}"));
}

#[test]
fn an_edited_or_foreign_record_is_refused_by_name() {
    let policy = policy("audit", r#""rules":[]"#);
    let judgement = judge(&policy, Presented::Absent, &Destination::default());
    let json = Record::of(&judgement.finding, &event(Destination::default())).to_json();
    assert!(Record::parse(&json).is_ok());
    let edited = |from: &str, to: &str| Record::parse(&json.replace(from, to)).unwrap_err();
    assert_eq!(edited("deny", "allow"), RecordError::Field("decision"));
    assert_eq!(edited("no-identity", "no-idea"), RecordError::Field("reason"));
    assert_eq!(edited("audit", "maybe"), RecordError::Field("mode"));
    assert_eq!(edited("outbound", "sideways"), RecordError::Field("direction"));
    assert_eq!(edited("2026-", "2026/"), RecordError::Field("time"));
    assert_eq!(edited("\"v\":1", "\"v\":2"), RecordError::Version(2));
    assert_eq!(edited("\"v\":1,\"time\"", "\"v\":2,\"when\""), RecordError::Version(2));
    assert!(matches!(edited("\"id\"", "\"ip\""), RecordError::Form(_)));
    assert!(matches!(Record::parse(""), Err(RecordError::Form(_))));
    assert!(matches!(Record::parse(&format!("{json}{json}")), Err(RecordError::Form(_))));
    assert_eq!(Record::parse(&" ".repeat(MAX_RECORD_BYTES + 1)), Err(RecordError::TooLong));
    let newer = json.replacen('{', r#"{"added":[1,{}],"#, 1);
    assert!(Record::parse(&newer).is_ok(), "a field of a later release does no harm");
}
