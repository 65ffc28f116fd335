//! `procgate policy learn`.

use crate::logs::{CHECKOUT, access_log, later, record, unidentified, unmatched};
use crate::place::{Place, Ran};
use crate::policy::shop;
use procgate_identity::Digest;
use procgate_policy::{Mode, Reason, Record};
use serde_json::{Value, json};

/// A policy with a key and nothing else, as somebody begins.
pub(crate) fn bare() -> Place {
    let place = shop("audit");
    let text = place.read("policy.yaml");
    let (head, _) = text.split_once("processes:").unwrap();
    place.write("policy.yaml", format!("# The shop's policy. Ask Ann first.\n{head}").as_bytes());
    place
}

pub(crate) fn learn(place: &Place, records: &[Record<'_>], more: &[&str]) -> Ran {
    let mut records = records.to_vec();
    records.sort_by_key(|record| record.time);
    place.write("access.log", access_log(&records).as_bytes());
    let line = ["policy", "learn", "--merge", "policy.yaml", "access.log"];
    let ran = place.run(&[&line[..], more].concat());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    ran
}

pub(crate) fn json_of(place: &Place, records: &[Record<'_>], more: &[&str]) -> Value {
    learn(place, records, &[&["--output", "json"], more].concat()).json()
}

/// So often that nobody calls it rare.
pub(crate) fn often(record: Record<'static>) -> Vec<Record<'static>> {
    (0..3).map(|index| later(record.clone(), index * 60)).collect()
}

fn asking(paths: &[&'static str]) -> Vec<Record<'static>> {
    paths.iter().map(|path| Record { path: Some((*path).into()), ..unmatched() }).collect()
}

fn rules(json: &Value) -> Vec<(&str, Value)> {
    let rules = json["policy"]["rules"].as_array().into_iter().flatten();
    rules.map(|rule| (rule["name"].as_str().unwrap(), rule["allow"]["to"].clone())).collect()
}

#[test]
fn what_is_proposed_allows_all_that_was_seen_and_lints_clean() {
    let place = bare();
    let plain = Record {
        method: None,
        path: None,
        host: None,
        address: Some("10.9.0.1:5432".parse().unwrap()),
        ..unmatched()
    };
    let records = [
        asking(&["/charge/1", "/charge/2", "/charge/3/void", "/health", "/", "/a%2Db/"]),
        often(plain),
        often(Record { method: Some("GET".into()), ..unmatched() }),
        often(Record {
            host: None,
            sni: Some("api.example".into()),
            method: None,
            path: None,
            ..unmatched()
        }),
        often(Record {
            name: Some("/usr/bin/curl".into()),
            exe: Some(Digest::of(b"curl")),
            host: Some("10.0.0.7:81".into()),
            ..unmatched()
        }),
    ]
    .concat();
    let ran = learn(&place, &records, &["--out", "learned.yaml"]);
    assert!(
        ran.out.contains("proposal covers 100.0 %") && ran.out.ends_with("written to learned.yaml\n"),
        "{ran:?}"
    );
    let lint = place.run(&["policy", "lint", "learned.yaml"]);
    let only_the_mode = lint.out.contains("[audit-mode]\nlearned.yaml: 1 finding\n");
    assert!(lint.code == 0 && only_the_mode, "{}{}", lint.out, place.read("learned.yaml"));
    let json = place.run(&["policy", "simulate", "learned.yaml", "access.log", "--output", "json"]).json();
    assert_eq!((&json["newly_allowed"], &json["unchanged"]), (&records.len().into(), &0.into()), "{json}");
}

#[test]
fn what_people_wrote_stays_to_the_letter_and_in_its_order() {
    let place = shop("audit");
    let text = place
        .read("policy.yaml")
        .replace("rules:", "rules:   # Ann's\n  # the till\n")
        .replace("mode: audit", "mode: audit # for now");
    place.write("policy.yaml", text.as_bytes());
    let learnt = learn(
        &place,
        &often(Record { path: Some("/refund".into()), ..unmatched() }),
        &["--out", "policy.yaml"],
    );
    let after = place.read("policy.yaml");
    let mut lines = after.lines();
    for line in text.lines() {
        assert!(lines.any(|other| other == line), "{line}\n{after}");
    }
    let added: Vec<&str> = after.lines().filter(|line| !text.lines().any(|other| other == *line)).collect();
    let expected = [
        "  - name: checkout-to-payments # 3 times from 1 pod, 2025-11-23T14:00:00Z to 2025-11-23T14:02:00Z",
        "    allow:",
        "      from: {process: checkout}",
        "      to: {destination: payments, ports: [8080], methods: [POST], paths: [/refund]}",
    ];
    assert_eq!(added, expected, "{learnt:?}");
}

#[test]
fn what_the_policy_decides_by_a_rule_is_left_alone() {
    let place = shop("audit");
    let admin = Record { address: Some("10.4.0.9:15000".parse().unwrap()), ..unmatched() };
    let json = json_of(&place, &[often(record()), often(admin)].concat(), &[]);
    assert_eq!((&json["rules"], &json["processes"]), (&json!([]), &json!([])));
    assert_eq!((&json["aside"][0]["why"], &json["aside"][0]["count"]), (&"denied-by-rule".into(), &3.into()));
}

#[test]
fn nothing_is_proposed_for_whom_nobody_vouches() {
    let refused = |code: &str| Record { reason: Reason::from_code(code).unwrap(), ..unidentified() };
    let records =
        ["expired", "bad-signature", "replayed", "no-identity", "no-identity", "no-identity"].map(refused);
    let mismatch = Record { reason: Reason::PeerMismatch, ..unmatched() };
    let json = json_of(&bare(), &[&records[..], &often(mismatch)].concat(), &[]);
    assert_eq!((&json["rules"], &json["review"], &json["processes"]), (&json!([]), &json!([]), &json!([])));
    assert_eq!(json["unverified"]["no-identity"]["count"], 3);
    assert_eq!(json["unverified"]["peer-mismatch"]["count"], 3);
    assert_eq!(json["settled"]["last_day"]["covered"], 0);
}

#[test]
fn what_a_policy_in_force_refused_is_no_lesson() {
    let json = json_of(&bare(), &often(Record { mode: Mode::Enforce, ..unmatched() }), &[]);
    assert_eq!((&json["rules"], &json["aside"][0]["why"]), (&json!([]), &"refused".into()));
}

#[test]
fn new_rare_and_strange_executables_are_set_apart() {
    let day = 86_400;
    let listed = Record { code: Some(Digest::of(b"list")), ..unmatched() };
    let rare = Record { exe: Some(Digest::of(b"rare")), name: Some("/bin/sh".into()), ..unmatched() };
    let new =
        Record { exe: Some(Digest::of(b"new")), name: Some("/tmp/x\u{1b}[2J".into()), ..listed.clone() };
    let stray = Record { code: None, stray: Some(("/tmp/evil.so".into(), None)), ..listed.clone() };
    let records = [
        often(listed.clone()),
        often(later(listed, 4 * day)),
        vec![rare],
        often(later(new, 4 * day)),
        often(stray),
    ]
    .concat();
    let place = bare();
    let json = json_of(&place, &records, &[]);
    let doubts: Vec<_> = json["review"]
        .as_array()
        .unwrap()
        .iter()
        .map(|doubted| (&doubted["doubt"], &doubted["name"]))
        .collect();
    assert_eq!(doubts.len(), 3, "{json}");
    for (doubt, name) in [("rare", "/bin/sh"), ("new", "/tmp/x\u{1b}[2J"), ("off-list", "/app/checkout")] {
        assert!(doubts.contains(&(&doubt.into(), &name.into())), "{doubts:?}");
    }
    let process = &json["policy"]["processes"][0];
    assert_eq!(process["exe"], json!([Digest::of(b"checkout").to_string()]));
    assert_eq!(process["code"], json!([Digest::of(b"list").to_string()]));
    assert_eq!(json["policy"]["processes"].as_array().unwrap().len(), 1);
    let ran = learn(&place, &records, &[]);
    assert!(
        ran.out.contains("# for review: /tmp/x\\u{1b}[2J in ") && ran.out.contains("(/tmp/evil.so)"),
        "{ran:?}"
    );
    let all = json_of(&place, &records, &["--rare", "0", "--new-within", "0"]);
    assert_eq!(all["review"].as_array().unwrap().len(), 1, "{all}");
}

#[test]
fn what_the_policy_lists_already_is_neither_new_nor_rare() {
    let place = shop("audit");
    let pinned = format!("exe: [\"{}\", \"{}\"", Digest::of(b"checkout"), Digest::of(b"release 2"));
    let text = place.read("policy.yaml").replace(&format!("exe: [\"{}\"", Digest::of(b"checkout")), &pinned);
    place.write("policy.yaml", text.as_bytes());
    let refund = |index: u64| later(Record { path: Some("/refund".into()), ..unmatched() }, index * 3_600);
    let released = |index: u64| Record { exe: Some(Digest::of(b"release 2")), ..refund(index) };
    let steady = (0..120).map(|index| later(record(), index * 3_600));
    let records: Vec<_> = steady.chain((110..120).map(released)).collect();
    let json = json_of(&place, &records, &[]);
    assert_eq!((&json["review"], &json["digests"]), (&json!([]), &json!([])), "{json}");
    assert_eq!(
        (json["rules"].as_array().unwrap().len(), &json["rules"][0]["count"]),
        (1, &10.into()),
        "{json}"
    );
    assert_eq!(json["settled"]["last_day"]["covered"], json["settled"]["last_day"]["connections"]);
    let json = json_of(&place, &[refund(0), refund(1)], &[]);
    assert_eq!((&json["review"], &json["rules"][0]["count"]), (&json!([]), &2.into()), "rare: {json}");
    let listed = Record { code: Some(Digest::of(b"list")), ..refund(0) };
    let stray = Record { code: None, stray: Some(("/tmp/evil.so".into(), None)), ..refund(1) };
    let json = json_of(&place, &[often(listed), often(stray)].concat(), &[]);
    assert_eq!(json["review"][0]["doubt"], "off-list", "{json}");
}

#[test]
fn a_record_from_the_future_is_noted_and_settles_nothing() {
    let place = bare();
    let log = |records: &[Record<'_>]| place.write("access.log", access_log(records).as_bytes());
    let learn = |more: &[&str]| place.run(&[&["policy", "learn", "--merge", "policy.yaml"], more].concat());
    let steady: Vec<_> = (0..100).map(|index| later(unmatched(), index * 3_600)).collect();
    let in_2100 = Record { path: Some("/late".into()), ..later(unmatched(), 74 * 365 * 86_400) };
    log(&steady);
    let expected = learn(&["access.log", "--output", "json"]).json();
    log(&[&steady[..50], &[in_2100], &steady[50..]].concat());
    let ran = learn(&["access.log", "--output", "json"]).json();
    for part in ["policy", "settled", "rules"] {
        assert_eq!(ran[part], expected[part], "{part}");
    }
    assert_eq!(ran["log"]["noted"].as_array().unwrap().len(), 1, "{ran}");
    assert_eq!(ran["log"]["noted"][0]["kind"], "ahead");
    assert_eq!(ran["log"]["noted"][0]["places"], json!(["access.log:51"]));
    assert!(
        learn(&["access.log", "--strict"]).err.contains("--strict: 1 records dated more than an hour ahead")
    );
    assert_eq!(place.run(&["policy", "learn", "--partial", "s.ndjson", "access.log"]).code, 0);
    let summary = place.read("s.ndjson");
    assert!(!summary.contains("late"), "{summary}");
    let flow = summary.lines().find(|line| line.contains("flow")).unwrap();
    let late = flow.replace("/charge/1", "/late").replace("\"last\":\"2025", "\"last\":\"2100") + "\n";
    place.write("s.ndjson", (late + &summary).as_bytes());
    let ran = learn(&["--combine", "s.ndjson", "--output", "json"]).json();
    assert_eq!((&ran["policy"], &ran["settled"]), (&expected["policy"], &expected["settled"]), "{ran}");
    assert_eq!(ran["log"]["noted"][0]["places"], json!(["s.ndjson:1"]));
    assert!(learn(&["--combine", "s.ndjson"]).err.contains("warning: 1 records dated"));
    assert_eq!(learn(&["--combine", "s.ndjson", "--strict"]).code, 2);
}

#[test]
fn only_evidence_makes_a_rule_general() {
    let place = bare();
    let json = json_of(&place, &asking(&["/charge/1", "/charge/1", "/charge/1"]), &[]);
    assert_eq!(rules(&json)[0].1["paths"], json!(["/charge/1"]));
    let json = json_of(&place, &asking(&["/charge/1", "/charge/2", "/charge/new"]), &[]);
    assert_eq!(rules(&json)[0].1["paths"], json!(["/charge/*", "/charge/new"]));
    assert_eq!(json["rules"][0]["beyond"], json!(["names in paths folded"]));

    let at = |host: &'static str| Record { host: Some(host.into()), ..unmatched() };
    let hosts = ["a.pay.example:8080", "B.pay.example", "c.pay.example.", "d.pay.example"];
    let json = json_of(&place, &hosts.map(at), &[]);
    assert_eq!(json["policy"]["destinations"], json!([{"name": "pay.example", "hosts": ["*.pay.example"]}]));
    assert_eq!(json["rules"][0]["beyond"], json!(["4 hosts or addresses taken as *.pay.example"]));
    let json = json_of(&place, &["a.co.uk", "b.co.uk", "c.co.uk", "d.co.uk"].map(at), &[]);
    assert_eq!(json["policy"]["destinations"].as_array().unwrap().len(), 4);
}

#[test]
fn what_has_no_port_has_a_rule_without_one() {
    let records = [often(unmatched()), often(Record { address: None, ..unmatched() })].concat();
    let json = json_of(&bare(), &records, &[]);
    let ports: Vec<_> = rules(&json).into_iter().map(|(_, to)| to["ports"].clone()).collect();
    assert!(ports.len() == 2 && ports.contains(&Value::Null) && ports.contains(&json!([8080])), "{json}");
    assert_eq!(json["settled"]["last_day"]["covered"], 6);
}

#[test]
fn ports_that_lie_apart_are_listed_and_every_port_is_no_surprise() {
    let at = |port: u16| Record {
        host: None,
        address: Some(([10, 9, 0, 1], port).into()),
        method: None,
        path: None,
        ..unmatched()
    };
    let many: Vec<_> = (0..280).map(|index| at(1 + index * 230)).collect();
    let json = json_of(&bare(), &many, &[]);
    let listed: Vec<u64> = rules(&json)
        .iter()
        .flat_map(|(_, to)| to["ports"].as_array().unwrap().clone())
        .map(|port| port.as_u64().unwrap())
        .collect();
    assert_eq!(listed, (0..280).map(|index| 1 + index * 230).collect::<Vec<_>>());
    assert_eq!(
        (json["rules"][0]["count"].as_u64(), json["rules"][1]["count"].as_u64()),
        (Some(256), Some(24))
    );

    let json = json_of(&bare(), &(0..20).map(|index| at(30_000 + 2 * index)).collect::<Vec<_>>(), &[]);
    assert_eq!(rules(&json)[0].1["ports"], json!(["30000-30038"]));
    assert_eq!(json["rules"][0]["beyond"], json!(["20 ports taken as 39 in ranges"]));

    let json = json_of(&bare(), &often(Record { address: None, ..unmatched() }), &[]);
    assert_eq!(rules(&json)[0].1["ports"], Value::Null);
    assert_eq!(json["rules"][0]["beyond"], json!(["every port, since none is known"]));
}

#[test]
fn what_no_rule_could_say_is_set_apart() {
    let odd = [
        Record { path: Some("/a/../b".into()), ..unmatched() },
        Record { path: Some("/a/*".into()), ..unmatched() },
        Record { method: Some("GET /".into()), ..unmatched() },
        Record { host: None, address: None, ..unmatched() },
        Record { host: None, address: Some("10.4.0.9:0".parse().unwrap()), ..unmatched() },
    ];
    let json = json_of(&bare(), &odd, &[]);
    let aside: Vec<_> = json["aside"]
        .as_array()
        .unwrap()
        .iter()
        .map(|aside| (aside["why"].as_str().unwrap(), aside["count"].as_u64().unwrap()))
        .collect();
    assert_eq!(aside, [("no-destination", 1), ("no-port", 1), ("unclear-path", 2), ("unclear-method", 1)]);
    assert_eq!(json["rules"], json!([]));
}

#[test]
fn each_rule_has_its_evidence() {
    let place = bare();
    place.write("other.log", access_log(&often(later(unmatched(), 600))).as_bytes());
    let json = json_of(&place, &often(unmatched()), &["other.log"]);
    let rule = &json["rules"][0];
    let expected = json!({"name": "checkout-to-payments", "count": 6, "pods": 2,
        "first": "2025-11-23T14:00:00Z", "last": "2025-11-23T14:12:00Z"});
    assert_eq!(*rule, expected);
    let json = json_of(&place, &often(unmatched()), &["other.log", "--pod", "checkout-7f"]);
    assert_eq!(json["rules"][0]["pods"], 1);
}

#[test]
fn how_settled_the_picture_is_comes_with_it() {
    let place = bare();
    let hour = 3_600;
    let steady: Vec<_> = (0..100).map(|index| later(unmatched(), index * hour)).collect();
    let fresh = (0..4).map(|_| later(Record { path: Some("/new".into()), ..unmatched() }, 97 * hour));
    let records: Vec<_> = steady.into_iter().chain(fresh).collect();
    let json = json_of(&place, &records, &[]);
    let settled = &json["settled"];
    assert_eq!(
        (&settled["connections"], &settled["flows"], &settled["hours_without_new_flow"]),
        (&104.into(), &2.into(), &2.into())
    );
    let last_day =
        json!({"connections": 28, "covered": 28, "covered_a_day_earlier": 24, "without_identity": 0});
    assert_eq!(settled["last_day"], last_day);
    let text = learn(&place, &records, &[]).out;
    assert!(text.contains("# a proposal made a day earlier would have covered 85.7 % of them\n"), "{text}");
}

#[test]
fn a_label_that_explains_everything_is_offered_as_one_rule() {
    let place = bare();
    let of = |name: &'static str, segment: &'static str, host: &'static str| {
        let exe = Some(Digest::of(name.as_bytes()));
        often(Record {
            exe,
            name: Some(name.into()),
            host: Some(host.into()),
            labels: vec![("segment".into(), segment.into())],
            ..unmatched()
        })
    };
    let within = [
        of("/a", "pci", "pay.example"),
        of("/b", "pci", "ledger.example"),
        of("/c", "web", "shop.example"),
        of("/d", "web", "cart.example"),
    ]
    .concat();
    let json = json_of(&place, &within, &[]);
    assert_eq!(
        (&json["baselines"][0]["label"], &json["baselines"][0]["rules"]),
        (&"segment".into(), &4.into())
    );
    let json = json_of(&place, &within, &["--baseline", "segment"]);
    let rules = json["policy"]["rules"].as_array().unwrap();
    assert_eq!(
        *rules,
        [json!({"name": "same-segment", "allow": {"from": {"same": "segment"}, "to": {"same": "segment"}}})]
    );
    assert_eq!(json["settled"]["last_day"]["covered"], 12);
    let across = [within, of("/a", "pci", "cart.example")].concat();
    assert_eq!(json_of(&place, &across, &[])["baselines"], json!([]));
    let line = ["policy", "learn", "--merge", "policy.yaml", "access.log", "--baseline", "segment"];
    assert!(place.run(&line).refused().starts_with("--baseline: "));
}

#[test]
fn summaries_of_parts_are_together_the_summary_of_the_whole() {
    let place = bare();
    let records =
        [asking(&["/charge/1", "/charge/2", "/x"]), often(unidentified()), often(record())].concat();
    for (name, part) in records.chunks(2).enumerate() {
        let (log, summary) = (format!("{name}.log"), format!("{name}.ndjson"));
        place.write(&log, access_log(part).as_bytes());
        assert_eq!(place.run(&["policy", "learn", "--pod", "p", "--partial", &summary, &log]).code, 0);
    }
    let combine = ["policy", "learn", "--combine"];
    let parts = ["3.ndjson", "0.ndjson", "4.ndjson", "2.ndjson", "1.ndjson"];
    assert_eq!(place.run(&[&combine[..], &parts, &["--partial", "all.ndjson"]].concat()).code, 0);
    place.write("access.log", access_log(&records).as_bytes());
    assert_eq!(
        place.run(&["policy", "learn", "--pod", "p", "--partial", "whole.ndjson", "access.log"]).code,
        0
    );
    assert_eq!(place.read("all.ndjson"), place.read("whole.ndjson"));
    let learnt = |line: &[&str]| {
        let line = [&["policy", "learn", "--merge", "policy.yaml", "--output", "json"], line].concat();
        place.run(&line).json()["policy"].clone()
    };
    let concatenated = parts.map(|part| place.read(part)).concat();
    place.write("cat.ndjson", concatenated.as_bytes());
    assert_eq!(learnt(&["--combine", "cat.ndjson"]), learnt(&["access.log"]));
}

#[test]
fn a_log_is_never_written_over_and_by_a_summary_only_another_one() {
    let place = bare();
    let log = access_log(&often(unmatched()));
    for name in ["a.log", "b.log"] {
        place.write(name, log.as_bytes());
    }
    std::os::unix::fs::symlink("b.log", place.path("link.ndjson")).unwrap();
    let partial =
        |written: &str| ["policy", "learn", "--partial", written, "b.log"].map(String::from).to_vec();
    let refused = |line: &[String]| {
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        place.run(&line).refused().to_owned()
    };
    assert!(refused(&partial("a.log")).starts_with("a.log: is a log: "));
    assert!(refused(&partial("b.log")).starts_with("b.log: is one of the files to read: "));
    assert!(refused(&partial("link.ndjson")).starts_with("link.ndjson: is one of the files to read: "));
    assert!(refused(&partial("policy.yaml")).starts_with("policy.yaml: is there and no summary: "));
    let merge = ["policy", "learn", "--merge", "policy.yaml", "--out", "a.log", "b.log"].map(String::from);
    assert!(refused(&merge).starts_with("a.log: is a log: "));
    assert_eq!((place.read("a.log"), place.read("b.log")), (log.clone(), log));
    place.write("s.ndjson", b"");
    for _ in 0..2 {
        assert_eq!(place.run(&["policy", "learn", "--partial", "s.ndjson", "b.log"]).code, 0);
    }
    let combine = ["policy", "learn", "--combine", "--partial", "s.ndjson", "s.ndjson"].map(String::from);
    assert!(refused(&combine).starts_with("s.ndjson: is one of the files to read: "));
}

#[test]
fn a_summary_of_another_version_or_form_is_refused_with_its_line() {
    let place = bare();
    place.write("access.log", access_log(&often(unmatched())).as_bytes());
    assert_eq!(place.run(&["policy", "learn", "--partial", "s.ndjson", "access.log"]).code, 0);
    let summary = place.read("s.ndjson");
    let good: String = summary.split_inclusive('\n').filter(|line| line.contains("flow")).collect();
    for (from, to) in [
        ("\"summary\":1", "\"summary\":2"),
        ("\"count\":3", "\"count\":\"3\""),
        ("\"flow\"", "\"flaw\""),
        ("\"count\":3", "\"count\":0"),
        ("2025-", "2025/"),
        ("sha256:", "md5:"),
        ("\"pattern\":\"/", "\"pattern\":\"/**"),
        ("\"pattern\":\"/", r#""pattern":"/\\foo/"#),
        ("\"pattern\":\"/", r#""pattern":"/\\rest/"#),
        ("\"pattern\":\"/", "\"pattern\":\"/../"),
        ("\"pattern\":\"/", "\"pattern\":\"/%2f"),
        ("{", "x"),
    ] {
        place.write("bad.ndjson", format!("{good}{}", good.replacen(from, to, 1)).as_bytes());
        let ran = place.run(&["policy", "learn", "--merge", "policy.yaml", "--combine", "bad.ndjson"]);
        assert!(ran.refused().starts_with("bad.ndjson:2: "), "{from}: {ran:?}");
    }
}

#[test]
fn what_a_peer_chose_is_harmless_in_the_policy_and_on_the_terminal() {
    let place = bare();
    let evil = "\u{1b}[2J\u{202e}\n- x: &y\"#";
    let name = Record { name: Some(format!("/{evil}").into()), ..unmatched() };
    let host = Record { host: Some(evil.into()), ..unmatched() };
    let path = Record { path: Some("/'\"#&{[!|>%25:,".into()), ..unmatched() };
    let records = [often(name), often(host), often(path)].concat();
    let ran = learn(&place, &records, &[]);
    assert!(!ran.out.contains(['\u{1b}', '\u{202e}']), "{}", ran.out);
    place.write("learned.yaml", ran.out.as_bytes());
    assert_eq!(place.run(&["policy", "lint", "learned.yaml"]).code, 0, "{}", ran.out);
    assert!(!json_of(&place, &records, &[]).to_string().is_empty());
    assert_eq!(place.run(&["policy", "learn", "--partial", "s.ndjson", "access.log"]).code, 0);
    let summary = place.read("s.ndjson");
    assert!(summary.contains(r"\u202e") && !summary.contains(['\u{1b}', '\u{202e}']), "{summary}");
}

#[test]
fn an_aim_is_asked_for() {
    let place = bare();
    for more in [
        &["x.log"][..],
        &["--merge", "policy.yaml"],
        &["--merge", "p", "--partial", "s", "x.log"],
        &["--partial", "s", "--out", "o", "x.log"],
        &["--merge", "missing.yaml", "-"],
    ] {
        place.run(&[&["policy", "learn"], more].concat()).refused();
    }
    assert_eq!(CHECKOUT.split('/').next_back(), Some("checkout"));
}
