//! The question to `policy explain` that a flow answers to, as a line for a shell.

use super::flows::Flow;
use crate::words::Words;

/// The command; a shell takes each thing that a peer chose for one word.
pub(super) fn about(flow: &Flow, policy: &str) -> String {
    let record = &flow.example;
    let mut words = Words::default();
    ["procgate", "policy", "explain"].into_iter().for_each(|word| words.push(word));
    words.option("--policy", Some(policy));
    match record.subject.as_deref() {
        Some(subject) => {
            words.option("--subject", Some(subject));
            words.option("--exe", record.exe);
            words.option("--code", record.code);
            words.option("--script", record.script);
            words.option("--name", record.name.as_deref());
            for (name, value) in &record.labels {
                words.option("--label", Some(format!("{name}={value}")));
            }
        }
        None => words.push("--unidentified"),
    }
    words.option("--host", record.host.as_deref().or(record.sni.as_deref()));
    words.option("--address", record.address);
    words.option("--method", record.method.as_deref());
    words.option("--path", record.path.as_deref());
    words.to_string()
}
