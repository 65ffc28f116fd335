//! `procgate policy learn`: what time and number say, and what they do not.

use crate::learn::{bare, often};
use crate::logs::{access_log, unmatched};
use serde_json::json;

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
