//! `procgate graph`.

use crate::place::{Place, Ran};
use crate::policy::shop;
use procgate_identity::Digest;
use serde_json::{Value, json};
use std::process::Command;

fn record(number: u32, change: impl FnOnce(&mut Value)) -> String {
    let mut record = json!({
        "v": 1, "time": format!("2026-11-23T14:00:{:02}.000000000Z", number % 60), "id": format!("0123456789ab-{number}"),
        "mode": "enforce", "decision": "allow", "reason": "allowed", "direction": "outbound", "carrier": "header",
        "sub": "spiffe://shop.example/ns/shop/sa/checkout/container/checkout", "process": "checkout",
        "exe": Digest::of(b"checkout").to_string(), "name": "/app/checkout", "rule": "checkout-pays",
        "destination": {"host": "payments.shop.svc.cluster.local", "ip": "10.4.0.9", "port": 8080},
        "method": "POST", "path": "/charge/1",
    });
    change(&mut record);
    record.to_string() + "\n"
}

fn unidentified(record: &mut Value) {
    let fields = record.as_object_mut().unwrap();
    for name in ["sub", "process", "exe", "name", "carrier", "rule"] {
        fields.remove(name);
    }
    fields.insert("decision".into(), "deny".into());
    fields.insert("reason".into(), "no-identity".into());
}

fn denied(record: &mut Value) {
    record["decision"] = json!("deny");
    record["reason"] = json!("no-matching-rule");
    record["nearest"] = json!("checkout-pays");
    record["path"] = json!("/refund/it's");
    record.as_object_mut().unwrap().remove("rule");
}

/// A folder with a policy and a log that has two allowed, one denied, one audited and one unidentified.
fn logged() -> Place {
    let place = shop("enforce");
    let audited = |record: &mut Value| {
        denied(record);
        record["mode"] = json!("audit");
    };
    let lines = [
        record(1, |_| {}),
        record(9, |_| {}),
        record(2, denied),
        record(3, audited),
        record(4, unidentified),
    ];
    place.write("pod-a.log", lines.concat().as_bytes());
    place
}

#[test]
fn more_edges_than_mermaid_draws_are_pointed_out() {
    let place = shop("enforce");
    let to = |number: u32| {
        record(number, |record| {
            record["destination"] = json!({"host": format!("h{number}.example"), "ip": "10.4.0.9", "port": 1})
        })
    };
    let warned = |flows: u32| {
        place.write("pod-a.log", (0..flows).map(to).collect::<String>().as_bytes());
        let ran = draw(&place, "mermaid");
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.err
    };
    // Beside the flows there are two edges: pod, container, process.
    assert_eq!(warned(498), "");
    assert!(warned(499).contains("warning: 501 edges: Mermaid draws 500 at most"));
}

fn draw(place: &Place, format: &str) -> Ran {
    place.run(&["graph", "--policy", "policy.yaml", "--format", format, "pod-a.log"])
}

#[test]
fn flows_are_put_together_by_who_where_and_outcome() {
    let place = logged();
    let ran = draw(&place, "json");
    let model = ran.json();
    let flow = |outcome: &str| {
        let flows = model["flows"].as_array().unwrap();
        flows.iter().find(|flow| flow["outcome"] == outcome).unwrap_or_else(|| panic!("{model}")).clone()
    };
    assert_eq!(model["flows"].as_array().unwrap().len(), 4);
    let allowed = flow("allowed");
    assert_eq!((allowed["count"].as_u64(), &allowed["rules"]), (Some(2), &json!(["checkout-pays"])));
    assert_eq!(allowed["last"].as_u64().unwrap() - allowed["first"].as_u64().unwrap(), 8_000);
    assert_eq!(allowed["exe"], json!([Digest::of(b"checkout").to_string()]));
    assert_eq!(flow("denied")["reasons"], json!([["no-matching-rule", 1]]));
    assert_eq!(
        (flow("audit")["proceeded"].as_bool(), flow("denied")["proceeded"].as_bool()),
        (Some(true), Some(false))
    );
    assert_eq!(flow("unidentified")["container"], Value::Null);
    let node = |place: &Value| {
        model["nodes"].as_array().unwrap().get(usize::try_from(place.as_u64().unwrap()).unwrap()).unwrap()["name"].clone()
    };
    assert_eq!(node(&allowed["pod"]), "pod-a.log");
    assert_eq!(node(&allowed["destination"]), "payments.shop.svc.cluster.local:8080");
    assert!(model["rule_texts"]["checkout-pays"].as_str().unwrap().contains("\"paths\""), "{model}");
}

#[test]
fn the_command_of_a_flow_explains_it_as_it_was_decided() {
    let place = logged();
    for flow in draw(&place, "json").json()["flows"].as_array().unwrap() {
        let line = flow["explain"].as_str().unwrap();
        let line = line.replacen("procgate", env!("CARGO_BIN_EXE_procgate"), 1) + " --output json";
        let output = Command::new("bash").args(["-c", &line]).current_dir(place.path("")).output().unwrap();
        let explained: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{line}: {output:?}"));
        assert_eq!(explained["reason"], flow["reasons"][0][0], "{line}");
    }
}

#[test]
fn every_form_tells_the_four_outcomes_apart() {
    let place = logged();
    let (dot, mermaid) = (draw(&place, "dot").out, draw(&place, "mermaid").out);
    for (style, arrow) in [("solid", "normal"), ("dashed", "tee"), ("dotted", "vee"), ("dashed", "diamond")] {
        assert!(dot.contains(&format!("style={style}, arrowhead={arrow}")), "{dot}");
    }
    for arrow in
        ["-->|\"allowed 2\"|", "--x|\"denied 1\"|", "-.->|\"audit only 1\"|", "--o|\"unidentified 1\"|"]
    {
        assert!(mermaid.contains(arrow), "{mermaid}");
    }
}

#[test]
fn what_a_peer_chose_stays_text_in_every_form() {
    let place = shop("enforce");
    let hostile = [
        "</script><script>alert(1)</script>",
        "a\" -> b [label=\"x",
        "\u{202e}\u{1b}[2J",
        "\"] --> x",
        "{{PAGE}}",
    ];
    let lines: String = hostile
        .iter()
        .map(|name| {
            record(1, |record| {
                record["name"] = json!(name);
                record["process"] = Value::Null;
                record["destination"]["host"] = json!(name);
                record["path"] = json!(name);
            })
        })
        .collect();
    place.write("pod-a.log", lines.as_bytes());
    for format in ["html", "dot", "mermaid", "json"] {
        let out = draw(&place, format).out;
        assert!(!out.contains(['\u{202e}', '\u{1b}']), "{format}");
        assert!(format != "html" || !out.contains("<script>alert"), "{format}");
        assert!(format != "dot" || !out.contains("\"a\" -> b"), "{out}");
        assert!(format != "mermaid" || !out.contains("\"] --> x"), "{out}");
    }
    let page = draw(&place, "html").out;
    assert_eq!(page.matches("<script").count(), 3);
    assert!(page.contains("default-src 'none'"));
    assert_eq!(
        page.matches("gets into the page as text content").count(),
        1,
        "what is filled in stays as it is"
    );
}

#[test]
fn a_long_log_is_drawn_in_few_spans_of_time() {
    let place = shop("enforce");
    let day = |day: u32| {
        record(0, |record| record["time"] = json!(format!("2026-11-{day:02}T00:00:00.000000000Z")))
    };
    place.write("pod-a.log", (1..=30).map(day).collect::<String>().as_bytes());
    let model = draw(&place, "json").json();
    let spans = model["spans"].as_u64().unwrap();
    assert!((30..=96).contains(&spans), "{spans}");
    let when: Vec<u64> =
        model["flows"][0]["when"].as_array().unwrap().iter().map(|it| it.as_u64().unwrap()).collect();
    assert_eq!(when.iter().skip(1).step_by(2).sum::<u64>(), 30);
    assert!(when.iter().step_by(2).all(|span| *span < spans));
}

#[test]
fn a_drawing_is_written_whole_beside_a_word_about_it() {
    let place = logged();
    let ran = place.run(&["graph", "--out", "graph.html", "pod-a.log"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "graph.html: 4 flows between 5 nodes\n"), "{ran:?}");
    assert!(place.read("graph.html").ends_with("</html>\n"));
    place.write("empty.log", b"");
    assert_eq!(place.run(&["graph", "--format", "mermaid", "empty.log"]).out, "flowchart LR\n");
    place.run(&["graph", "missing.log"]).refused();
}

#[test]
fn a_drawing_takes_no_log_s_place() {
    let place = logged();
    let log = place.read("pod-a.log");
    place.write("pod-b.log", log.as_bytes());
    for read in ["pod-a.log", "pod-b.log"] {
        let ran = place.run(&["graph", "--out", "pod-a.log", read]);
        assert!(ran.refused().starts_with("pod-a.log: is "), "{ran:?}");
    }
    assert_eq!(place.read("pod-a.log"), log);
}
