//! `procgate policy learn`: what is for a person to look at first.

use crate::learn::{bare, json_of, learn, often};
use crate::logs::{later, record, unmatched};
use crate::place::Place;
use crate::policy::shop;
use procgate_identity::Digest;
use procgate_policy::{Reason, Record};
use serde_json::{Value, json};

const HOUR: u64 = 3_600;

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// An executable with a code list.
fn pair(exe: &str, code: &str) -> Record<'static> {
    Record { exe: Some(digest(exe)), code: Some(digest(code)), ..unmatched() }
}

fn doubts(json: &Value) -> Vec<(&str, &str, u64)> {
    let review = json["review"].as_array().unwrap().iter();
    review
        .map(|doubted| {
            let (doubt, exe) = (doubted["doubt"].as_str().unwrap(), doubted["exe"].as_str().unwrap());
            (doubt, exe, doubted["count"].as_u64().unwrap())
        })
        .collect()
}

/// Another executable at the path of the policy's process.
fn replaced(seconds: u64) -> Record<'static> {
    let released = Record { exe: Some(digest("release 2")), reason: Reason::CodeChanged, ..record() };
    later(released, seconds)
}

#[test]
fn what_only_ever_mapped_files_off_its_list_is_not_proposed_unpinned() {
    let stray = Record { stray: Some(("/tmp/evil.so".into(), None)), ..unmatched() };
    let json = json_of(&bare(), &often(stray), &[]);
    assert_eq!((&json["processes"], &json["rules"]), (&json!([]), &json!([])), "{json}");
    assert_eq!(json["review"][0]["doubt"], "off-list");
    assert_eq!(json["review"][0]["stray"], "/tmp/evil.so");
    let stray = Record { stray: Some(("/tmp/evil.so".into(), None)), ..unmatched() };
    let script = Record { script: Some(digest("script")), ..stray };
    let json = json_of(&bare(), &[often(script), often(unmatched())].concat(), &[]);
    assert_eq!((&json["processes"], json["review"].as_array().unwrap().len()), (&json!([]), 2), "{json}");
}

#[test]
fn what_shows_no_list_where_the_same_digest_shows_one_is_set_apart() {
    let named = Record { name: Some("/other".into()), code: None, ..pair("checkout", "list") };
    let records = [often(pair("checkout", "list")), often(named)].concat();
    let place = bare();
    assert_eq!(json_of(&place, &records, &[])["review"][0]["doubt"], "off-list");
    let text = learn(&place, &records, &[]).out;
    assert!(text.contains(" shows no code list or script where there was one: 3 times"), "{text}");
}

#[test]
fn a_replaced_executable_is_new_however_short_the_logs_are() {
    let place = shop("audit");
    let steady = (0..46).map(|index| later(record(), index * HOUR));
    let records: Vec<_> = steady.chain((0..3).map(|second| replaced(46 * HOUR + second))).collect();
    let json = json_of(&place, &records, &[]);
    assert_eq!((&json["digests"], &json["processes"]), (&json!([]), &json!([])), "{json}");
    assert_eq!(doubts(&json), [("new", digest("release 2").to_string().as_str(), 3)]);
    let elsewhere = Record { name: Some("/tmp/x".into()), ..replaced(46 * HOUR) };
    let json = json_of(&place, &[records.clone(), often(elsewhere.clone()), often(elsewhere)].concat(), &[]);
    assert_eq!(doubts(&json), [("new", digest("release 2").to_string().as_str(), 9)]);
    let json = json_of(&bare(), &records, &[]);
    assert_eq!(
        doubts(&json),
        [("new", digest("release 2").to_string().as_str(), 3)],
        "not in a policy: {json}"
    );
    let json = json_of(&place, &records, &["--new-within", "0"]);
    assert_eq!(json["digests"].as_array().unwrap().len(), 1, "{json}");
}

#[test]
fn a_replacement_is_new_whatever_the_policy_lists_for_another_container() {
    let place = shop("audit");
    let side = Record {
        subject: Some("spiffe://shop.example/ns/shop/sa/checkout/container/side".into()),
        host: Some("ok.example".into()),
        ..replaced(0)
    };
    let records = [often(replaced(0)), often(side)].concat();
    let expected = [("new", digest("release 2").to_string(), 3)];
    let expected = expected.each_ref().map(|(doubt, exe, count)| (*doubt, exe.as_str(), *count));
    let json = json_of(&place, &records, &["--out", "one.yaml"]);
    assert_eq!((doubts(&json).as_slice(), json["rules"].as_array().unwrap().len()), (&expected[..], 1));
    place.write("policy.yaml", place.read("one.yaml").as_bytes());
    let json = json_of(&place, &records, &[]);
    assert_eq!((doubts(&json).as_slice(), &json["rules"]), (&expected[..], &json!([])), "{json}");
}

#[test]
fn a_digest_that_an_approved_process_gets_is_told_with_its_evidence() {
    let place = shop("audit");
    let records = [often(replaced(0)), often(replaced(30 * HOUR))].concat();
    let json = json_of(&place, &records, &[]);
    let added = json!([{
        "process": "checkout", "field": "exe", "digest": digest("release 2").to_string(),
        "count": 6, "first": "2025-11-23T14:00:00Z", "last": "2025-11-24T20:02:00Z", "pods": 1,
        "beyond": ["gets all rules of checkout"],
    }]);
    assert_eq!(json["digests"], added);
    assert_eq!((&json["rules"], &json["processes"]), (&json!([]), &json!([])));
    let (one, two) = (digest("checkout"), digest("release 2"));
    let told = "6 times from 1 pod, 2025-11-23T14:00:00Z to 2025-11-24T20:02:00Z; gets all rules of checkout";
    let text = learn(&place, &records, &[]).out;
    assert!(text.replace('"', "").contains(&format!("exe: [{one}, {two}]")), "{text}");
    assert!(text.contains(&format!("# proposed for checkout: exe {two}, {told}\n")), "{text}");

    let head = "- {name: checkout, container: checkout, exe: [";
    let block = format!("- name: checkout\n    path: /app/checkout\n    exe:\n      - \"{one}\" # Ann's\n");
    let policy = place.read("policy.yaml");
    let (before, rest) = policy.split_once(head).unwrap();
    let (_, after) = rest.split_once('\n').unwrap();
    place.write("policy.yaml", [before, &block, after].concat().as_bytes());
    let text = learn(&place, &records, &[]).out.replace('"', "");
    assert!(text.contains(&format!("      - {one} # Ann's\n      - {two} # {told}\n")), "{text}");
}

/// What learning a second time from the same log adds to what it proposed.
fn learnt_again(place: &Place, records: &[Record<'static>]) -> (String, String) {
    learn(place, records, &["--out", "one.yaml"]);
    let ran = place.run(&["policy", "learn", "--merge", "one.yaml", "--out", "two.yaml", "access.log"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    (place.read("one.yaml"), place.read("two.yaml"))
}

#[test]
fn what_is_set_apart_is_not_allowed_by_what_is_proposed_for_others() {
    let place = bare();
    let records = [often(pair("e1", "c1")), often(pair("e2", "c2")), vec![pair("e1", "c2")]].concat();
    let json = json_of(&place, &records, &[]);
    assert_eq!(doubts(&json), [("rare", digest("e1").to_string().as_str(), 1)]);
    assert_eq!(json["processes"].as_array().unwrap().len(), 2, "{json}");
    assert_eq!(json["settled"]["last_day"]["covered"], 6, "{json}");
    let (one, two) = learnt_again(&place, &records);
    assert_eq!(one, two);
}

#[test]
fn what_is_set_apart_does_not_fall_to_an_approved_process_either() {
    let place = bare();
    learn(&place, &often(pair("e1", "c1")), &["--out", "policy.yaml"]);
    let released = [often(pair("e2", "c2")), often(later(pair("e2", "c2"), 30 * HOUR))].concat();
    let records = [often(pair("e1", "c1")), released.clone()].concat();
    let json = json_of(&place, &records, &[]);
    assert_eq!((json["digests"].as_array().unwrap().len(), &json["processes"]), (2, &json!([])), "{json}");
    let beyond = json!(["gets all rules of checkout", "each of 2 executables with each of 2 code lists"]);
    assert!((0..2).all(|index| json["digests"][index]["beyond"] == beyond), "{json}");
    let json = json_of(&place, &[records, vec![pair("e1", "c2")]].concat(), &[]);
    assert_eq!((&json["digests"], &json["review"][0]["doubt"]), (&json!([]), &"rare".into()), "{json}");
    assert_eq!(json["processes"].as_array().unwrap().len(), 1, "{json}");
    assert_eq!(json["settled"]["last_day"]["covered"], 3, "{json}");
}

#[test]
fn executables_with_lists_that_they_were_not_seen_with_are_told_as_going_beyond() {
    let place = bare();
    let records = [often(pair("e1", "c1")), often(pair("e2", "c2"))].concat();
    let json = json_of(&place, &records, &[]);
    assert_eq!(json["processes"][0]["beyond"], json!(["each of 2 executables with each of 2 code lists"]));
    let (one, two) = learnt_again(&place, &records);
    assert_eq!(one, two);
    let same = [often(pair("e1", "c1")), often(pair("e1", "c2"))].concat();
    let json = json_of(&place, &same, &[]);
    assert_eq!(
        (json["processes"].as_array().unwrap().len(), &json["processes"][0]["beyond"]),
        (1, &json!(null))
    );
}

#[test]
fn more_digests_than_a_process_may_list_become_another_process() {
    const MANY: usize = 257;
    let names: Vec<String> = (0..MANY).map(|index| format!("build {index}")).collect();
    let built = || names.iter().flat_map(|name| often(Record { exe: Some(digest(name)), ..unmatched() }));
    let json = json_of(&bare(), &built().collect::<Vec<_>>(), &[]);
    let lists = |json: &Value| {
        let processes = json["policy"]["processes"].as_array().unwrap().clone();
        let exes = processes.iter().map(|process| process["exe"].as_array().unwrap().len());
        exes.collect::<Vec<_>>()
    };
    assert_eq!((lists(&json), &json["settled"]["last_day"]["covered"]), (vec![256, 1], &771.into()));
    let approved = json_of(&shop("audit"), &built().collect::<Vec<_>>(), &["--new-within", "0"]);
    assert_eq!(lists(&approved), [256, 2]);
}

/// An interpreter without lists, and once a script that somebody gave it.
fn interpreted() -> Vec<Record<'static>> {
    let unlisted = Record { code: None, ..pair("e1", "") };
    let (script, host) = (Some(digest("evil")), Some("evil.example".into()));
    let once = Record { script, host, name: Some("/y".into()), ..unlisted.clone() };
    [often(unlisted), vec![once]].concat()
}

#[test]
fn what_a_process_without_lists_takes_in_is_set_apart_all_the_same() {
    let place = bare();
    let json = json_of(&place, &interpreted(), &[]);
    assert_eq!(doubts(&json), [("rare", digest("e1").to_string().as_str(), 1)]);
    assert_eq!(json["review"][0]["taken_in_by"], json!(["checkout"]));
    assert_eq!(json["rules"].as_array().unwrap().len(), 1, "{json}");
    for told in [&json["rules"][0], &json["processes"][0]] {
        let beyond = json!(["checkout takes in what is set apart"]);
        assert_eq!((&told["count"], &told["beyond"]), (&3.into(), &beyond), "{json}");
    }
    let text = learn(&place, &interpreted(), &[]).out;
    let told = "; checkout takes it in, so its rules are for this, too: pin a script there to keep it out\n";
    assert!(text.contains(told), "{text}");
    let (one, two) = learnt_again(&place, &interpreted());
    assert_eq!(one, two);
}

#[test]
fn what_the_policy_lists_without_its_code_list_is_told_as_taken_in_when_it_strays() {
    let listed = Record { code: Some(digest("list")), host: Some("other.example".into()), ..unmatched() };
    let stray = Record { code: None, stray: Some(("/tmp/evil.so".into(), None)), ..listed.clone() };
    let json = json_of(&shop("audit"), &[often(listed), vec![stray]].concat(), &[]);
    let review = &json["review"][0];
    assert_eq!((&review["doubt"], &review["taken_in_by"]), (&"off-list".into(), &json!(["checkout"])));
    let beyond = &json["rules"][0]["beyond"];
    assert!(beyond.as_array().unwrap().contains(&"checkout takes in what is set apart".into()), "{json}");
}

#[test]
fn a_code_list_that_the_policy_does_not_pin_makes_a_listed_digest_no_other_one() {
    let once = Record { code: Some(digest("list")), host: Some("other.example".into()), ..unmatched() };
    let json = json_of(&shop("audit"), &[once], &[]);
    assert_eq!((&json["review"], json["rules"].as_array().unwrap().len()), (&json!([]), 1), "{json}");
}

#[test]
fn another_label_makes_no_executable_new_or_rare() {
    let labelled = |version: &'static str, hour: u64| {
        let labels = vec![("version".into(), version.into())];
        later(Record { labels, ..unmatched() }, hour * HOUR)
    };
    let released = (0..2).map(|index| labelled("2", 110 + index));
    let records: Vec<_> = (0..110).map(|hour| labelled("1", hour)).chain(released).collect();
    let json = json_of(&bare(), &records, &[]);
    assert_eq!((&json["review"], &json["rules"][0]["count"]), (&json!([]), &112.into()), "{json}");
    let rare = [labelled("1", 0), labelled("2", 0), labelled("3", 0)];
    assert_eq!(json_of(&bare(), &rare, &[])["review"], json!([]));
    let once = [labelled("1", 0), labelled("2", 0)];
    assert_eq!(json_of(&bare(), &once, &[])["review"][0]["count"], 2);
}
