//! `procgate policy learn`: what time and number say, and what they do not.

use crate::learn::{bare, json_of, often};
use crate::logs::{NOON, access_log, later, unmatched};
use procgate_identity::{Digest, UnixNanos};
use procgate_policy::Record;
use serde_json::json;

const HOUR: u64 = 3_600;

/// A record of this executable to this host, so many seconds after noon.
fn of(exe: &'static str, host: &'static str, seconds: u64) -> Record<'static> {
    let (name, exe) = (Some(exe.into()), Some(Digest::of(exe.as_bytes())));
    later(Record { name, exe, host: Some(host.into()), ..unmatched() }, seconds)
}

fn at(record: Record<'static>, seconds: u64) -> Record<'static> {
    Record { time: UnixNanos(seconds * 1_000_000_000), ..record }
}

#[test]
fn dates_before_there_were_records_teach_nothing_and_are_told() {
    let place = bare();
    let clocks = [10, 946_684_800, 1_577_836_800];
    let unset = |host: &'static str| clocks.map(|seconds| at(of("/e1", host, 0), seconds));
    let minutes: Vec<_> = (0..50).map(|index| of("/e1", "pay.example", index * 60)).collect();
    let expected = json_of(&place, &minutes, &[]);
    let records = [&unset("pay.example")[..], &unset("old.example"), &minutes].concat();
    place.write("boot.log", access_log(&records).as_bytes());
    let learn = |more: &[&str]| place.run(&[&["policy", "learn", "--merge", "policy.yaml"], more].concat());
    let json = learn(&["boot.log", "--output", "json"]).json();
    for part in ["policy", "settled", "rules", "review"] {
        assert_eq!(json[part], expected[part], "{part}");
    }
    assert_eq!(
        (&json["log"]["noted"][0]["kind"], &json["log"]["noted"][0]["count"]),
        (&"ancient".into(), &6.into())
    );
    let ran = learn(&["boot.log", "--strict"]).err;
    assert!(ran.contains("--strict: 6 records dated before there were any"), "{ran}");
    assert_eq!(place.run(&["policy", "learn", "--partial", "s.ndjson", "boot.log"]).code, 0);
    let summary = place.read("s.ndjson");
    assert!(!summary.contains("old.example"), "{summary}");
    let old = summary.lines().find(|line| line.contains("flow")).unwrap();
    let old = old.replace("pay.example", "old.example").replace("\"first\":\"2025", "\"first\":\"1970");
    place.write("s.ndjson", format!("{old}\n{summary}").as_bytes());
    let json = learn(&["--combine", "s.ndjson", "--output", "json"]).json();
    assert_eq!((&json["policy"], &json["settled"]), (&expected["policy"], &expected["settled"]), "{json}");
    assert_eq!(json["log"]["noted"][0]["places"], json!(["s.ndjson:1"]));
}

#[test]
fn one_record_dated_earlier_makes_nothing_known_of_old() {
    let place = bare();
    let steady = (0..100).map(|hour| of("/good", "pay.example", (100 + hour) * HOUR));
    let rogue = (0..5).map(|index| of("/rogue", "evil.example", 199 * HOUR + index));
    let records: Vec<_> = steady.chain(rogue).chain([of("/rogue", "evil.example", 0)]).collect();
    let json = json_of(&place, &records, &[]);
    assert_eq!((&json["review"][0]["doubt"], &json["review"][0]["name"]), (&"new".into(), &"/rogue".into()));
    assert_eq!(json["processes"].as_array().unwrap().len(), 1, "{json}");
}

#[test]
fn a_record_or_two_dated_earlier_make_nothing_else_new() {
    let minutes = (0..60).map(|index| of("/good", "pay.example", index * 60));
    let summer = NOON - 4_000 * HOUR;
    let old = [of("/good", "pay.example", 0), of("/x", "x.example", 0)].map(|record| at(record, summer));
    let json = json_of(&bare(), &minutes.chain(old).collect::<Vec<_>>(), &[]);
    let doubts: Vec<_> = json["review"].as_array().unwrap().iter().map(|doubted| &doubted["name"]).collect();
    assert_eq!(doubts, ["/x"], "{json}");
}

#[test]
fn a_file_that_is_given_twice_is_read_once() {
    let place = bare();
    let two: Vec<_> = often(unmatched()).into_iter().take(2).collect();
    place.write("two.log", access_log(&two).as_bytes());
    std::fs::hard_link(place.path("two.log"), place.path("same.log")).unwrap();
    let run = |more: &[&str]| {
        place.run(&[&["policy", "learn", "--merge", "policy.yaml", "--output", "json"], more].concat())
    };
    for again in ["two.log", "./two.log", "same.log"] {
        let json = run(&["two.log", again]).json();
        assert_eq!((&json["settled"]["connections"], &json["settled"]["pods"]), (&2.into(), &1.into()));
        assert_eq!(json["review"][0]["doubt"], "rare", "{json}");
        assert_eq!(json["log"]["noted"], json!([{"kind": "again", "count": 1, "places": [again]}]));
    }
    assert_eq!(run(&["two.log", "two.log", "--strict"]).code, 2);
    assert_eq!(place.run(&["policy", "learn", "--partial", "s.ndjson", "two.log"]).code, 0);
    let json = run(&["--combine", "s.ndjson", "./s.ndjson"]).json();
    assert_eq!(json["settled"]["connections"], 2, "{json}");
    assert_eq!(json["log"]["noted"][0]["kind"], "again");
    place.write("copy.ndjson", place.read("s.ndjson").as_bytes());
    let copied = ["policy", "learn", "--merge", "policy.yaml", "--combine", "s.ndjson", "copy.ndjson"];
    let refused = place.run(&copied);
    assert!(refused.refused().starts_with("copy.ndjson: holds the same as s.ndjson"), "{refused:?}");
    place.write("none.ndjson", b"");
    place.write("nothing.ndjson", b"");
    assert_eq!(run(&["--combine", "none.ndjson", "nothing.ndjson", "s.ndjson"]).code, 0);
}
