//! `procgate policy learn`: what time and number say, and what they do not.

use crate::learn::{bare, json_of, learn, often};
use crate::logs::{NOON, access_log, later, unmatched};
use crate::place::Place;
use procgate_identity::{Digest, UnixNanos};
use procgate_policy::Record;
use serde_json::{Value, json};

const HOUR: u64 = 3_600;

/// A record of this executable to this host, so many seconds after noon.
fn of(exe: &'static str, host: &'static str, seconds: u64) -> Record<'static> {
    let (name, exe) = (Some(exe.into()), Some(Digest::of(exe.as_bytes())));
    later(Record { name, exe, host: Some(host.into()), ..unmatched() }, seconds)
}

fn at(record: Record<'static>, seconds: u64) -> Record<'static> {
    Record { time: UnixNanos(seconds * 1_000_000_000), ..record }
}

/// Of how many connections of the last day, how many would have been covered a day earlier: said of the logs and of a
/// summary of them, and found out by learning and replaying.
fn a_day_earlier(place: &Place, records: &[Record<'static>], last_day: u64) -> [(u64, u64); 3] {
    let told = |json: &Value| {
        let day = &json["settled"]["last_day"];
        (day["connections"].as_u64().unwrap(), day["covered_a_day_earlier"].as_u64().unwrap())
    };
    let by_logs = told(&json_of(place, records, &[]));
    assert_eq!(place.run(&["policy", "learn", "--partial", "s.ndjson", "access.log"]).code, 0);
    let combine = ["policy", "learn", "--merge", "policy.yaml", "--combine", "s.ndjson", "--output", "json"];
    let by_summary = told(&place.run(&combine).json());
    let (before, day): (Vec<_>, Vec<_>) =
        records.iter().cloned().partition(|record| record.time.0 < last_day * 1_000_000_000);
    learn(place, &before, &["--out", "earlier.yaml"]);
    place.write("day.log", access_log(&day).as_bytes());
    let replayed = place.run(&["policy", "simulate", "earlier.yaml", "day.log", "--output", "json"]).json();
    let found = (replayed["log"]["records"].as_u64().unwrap(), replayed["newly_allowed"].as_u64().unwrap());
    [by_logs, by_summary, found]
}

#[test]
fn what_a_day_earlier_would_have_covered_is_what_those_days_propose() {
    let place = bare();
    let steady = || (0..96).map(|hour| of("/e1", "pay.example", hour * HOUR));
    let last_day = NOON + 72 * HOUR;
    let flood = (0..100).map(|index| of("/e9", "other.example", 72 * HOUR + index));
    let rare: Vec<_> = steady().chain([of("/e9", "other.example", 10 * HOUR)]).chain(flood).collect();
    assert_eq!(a_day_earlier(&place, &rare, last_day), [(124, 24); 3]);
    let new = (0..5).map(|index| of("/e9", "other.example", 70 * HOUR + index));
    let flood = (0..100).map(|index| of("/e9", "other.example", 72 * HOUR + index));
    let new: Vec<_> = steady().chain(new).chain(flood).collect();
    assert_eq!(a_day_earlier(&place, &new, last_day), [(124, 24); 3]);
    let label = |record| Record { labels: vec![("version".into(), "2".into())], ..record };
    let released = (80..96).map(|hour| label(of("/e1", "pay.example", hour * HOUR)));
    let elsewhere = (80..96).map(|hour| label(of("/e1", "new.example", hour * HOUR)));
    let released: Vec<_> = steady().chain(released).chain(elsewhere).collect();
    assert_eq!(a_day_earlier(&place, &released, last_day), [(56, 40); 3]);
    let hosts = ["a.pay.example", "b.pay.example", "c.pay.example", "d.pay.example"];
    let hosts = hosts.iter().zip(0..).map(|(host, hour)| of("/e1", host, hour * HOUR));
    let domain: Vec<_> = steady().chain(hosts).chain([of("/e1", "e.pay.example", 90 * HOUR)]).collect();
    assert_eq!(a_day_earlier(&place, &domain, last_day), [(25, 25); 3]);
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
    let settled = &json["settled"];
    assert_eq!(settled["hours_without_new_flow"], 0, "{settled}");
    assert_eq!((&settled["hours"], &settled["hours_in_all"]), (&101.into(), &200.into()));
    let text = learn(&place, &records, &[]).out;
    assert!(text.contains("# 101 of these 200 hours have records, and only those count\n"), "{text}");
}

#[test]
fn a_record_or_two_dated_earlier_make_nothing_else_new() {
    let minutes = (0..60).map(|index| of("/good", "pay.example", index * 60));
    let summer = NOON - 4_000 * HOUR;
    let old = [of("/good", "pay.example", 0), of("/x", "x.example", 0)].map(|record| at(record, summer));
    let json = json_of(&bare(), &minutes.chain(old).collect::<Vec<_>>(), &[]);
    let doubts: Vec<_> = json["review"].as_array().unwrap().iter().map(|doubted| &doubted["name"]).collect();
    assert_eq!(doubts, ["/x"], "{json}");
    assert_eq!(json["settled"]["hours_without_new_flow"], 0, "{json}");
    assert_eq!(json["settled"]["last_day"]["covered_a_day_earlier"], 0, "{json}");
}

#[test]
fn the_hours_without_a_new_flow_are_those_of_which_there_are_records() {
    let few: Vec<_> = [0, 0, 0, 50, 51, 52].map(|hour| of("/e1", "pay.example", hour * HOUR)).into();
    let json = json_of(&bare(), &few, &[]);
    assert_eq!(json["settled"]["hours_without_new_flow"], 3, "{json}");
}

#[test]
fn no_more_hours_can_be_asked_for_than_are_counted() {
    let place = bare();
    json_of(&place, &often(unmatched()), &["--new-within", "48"]);
    let ran = place.run(&["policy", "learn", "--merge", "policy.yaml", "--new-within", "49", "access.log"]);
    assert!(ran.code == 2 && ran.err.contains("49 is not in 0..=48"), "{ran:?}");
}

#[test]
fn hours_without_records_make_nothing_known() {
    let place = bare();
    let steady = || (0..96).map(|hour| of("/good", "pay.example", hour * HOUR));
    let replaced = (0..3).map(|index| of("/rogue", "evil.example", 95 * HOUR + index));
    let after_a_gap = [of("/good", "pay.example", (96 + 30) * HOUR)];
    let records: Vec<_> = steady().chain(replaced).chain(after_a_gap).collect();
    let json = json_of(&place, &records, &[]);
    assert_eq!((&json["review"][0]["doubt"], &json["review"][0]["name"]), (&"new".into(), &"/rogue".into()));
    assert_eq!(json["processes"].as_array().unwrap().len(), 1, "{json}");
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

#[test]
fn a_file_beyond_the_list_that_came_on_the_last_day_sets_nothing_apart_a_day_earlier() {
    let place = bare();
    let steady = (0..96).map(|hour| of("/e1", "pay.example", hour * HOUR));
    let stray = Record { stray: Some(("/tmp/evil.so".into(), None)), ..of("/e1", "pay.example", 90 * HOUR) };
    let records: Vec<_> = steady.chain([stray]).collect();
    let [by_logs, by_summary, _] = a_day_earlier(&place, &records, NOON + 72 * HOUR);
    assert_eq!([by_logs, by_summary], [(25, 25); 2]);
}
