//! Any text as a record of the access log: what is read is written on one line of ASCII and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use procgate_policy::Record;

fuzz_target!(|text: &str| {
    let Ok(record) = Record::parse(text) else { return };
    let line = record.to_json();
    assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
    assert_eq!(Record::parse(&line).as_ref(), Ok(&record));
});
