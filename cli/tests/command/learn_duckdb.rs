//! The example of docs/learning.md, in the engine that it is for: `scripts/install-interop` says in
//! `PROCGATE_DUCKDB` which Python has it.

use crate::logs::{access_log, later, record, unidentified, unmatched};
use crate::place::Place;
use crate::policy::shop;
use crate::skip::skip;
use procgate_identity::UnixNanos;
use procgate_policy::Record;
use std::process::Command;

const GUIDE: &str = include_str!("../../../docs/learning.md");
/// Seconds.
const A_CENTURY: u64 = 100 * 365 * 24 * 3_600;

#[test]
fn duckdb_makes_a_summary_of_which_the_same_is_learnt() {
    let Ok(python) = std::env::var("PROCGATE_DUCKDB") else {
        return skip("PROCGATE_DUCKDB is not set: see scripts/install-interop");
    };
    let place = shop("audit");
    std::fs::create_dir(place.path("logs")).unwrap();
    let paths = ["/charge/1", "/refund/17", "/refund/18", "/users/me"];
    let mut records: Vec<Record<'_>> =
        paths.iter().map(|path| Record { path: Some((*path).into()), ..unmatched() }).collect();
    let plain =
        Record { host: None, sni: Some("db.example".into()), method: None, path: None, ..unmatched() };
    let labels = vec![("segment".into(), "pci".into())];
    records.extend([record(), later(unidentified(), 7_200), plain, Record { labels, ..unmatched() }]);
    // With the others of its flow it would be one line, which lies ahead for its sake and teaches nothing.
    records.push(later(record(), A_CENTURY));
    records.push(Record { time: UnixNanos(10), ..record() });
    records.push(Record { time: UnixNanos(record().time.0 + 3_599_900_000_000), ..record() });
    place.write("logs/a.log", access_log(&records).as_bytes());
    place.write("logs/b.log", (access_log(&records[1..]) + "{\"procgate\":null}\n").as_bytes());

    let (_, sql) = GUIDE.split_once("```sql\n").unwrap();
    place.write("map.sql", sql.split_once("```").unwrap().0.as_bytes());
    let run = "import duckdb; duckdb.execute(open('map.sql').read())";
    let ran = Command::new(python).args(["-c", run]).current_dir(place.path("")).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");

    let learnt = |more: &[&str]| {
        let line = ["policy", "learn", "--merge", "policy.yaml", "--rare", "0", "--output", "json"];
        let mut json = learn(&place, &[&line[..], more].concat());
        json["log"].take();
        json
    };
    let by_logs = learnt(&["logs/a.log", "logs/b.log"]);
    assert_eq!(learnt(&["--combine", "summary.ndjson"]), by_logs);
    assert!(by_logs["rules"].as_array().unwrap().len() > 1, "{by_logs}");
}

fn learn(place: &Place, line: &[&str]) -> serde_json::Value {
    let ran = place.run(line);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()
}
