//! Findings as SARIF 2.1.0 (OASIS), which code review tools show beside the lines.

use super::{Finding, Level, LintedFile, MISTAKE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use procgate_policy::lint::LintId;
use serde::Serialize;
use serde_json::{Value, json};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// What stays as it is in a file's address (RFC 3986 section 2.3), and the slashes.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The whole log: one run, with every kind that there is and every finding, suppressed ones too.
pub(super) fn log(files: &[LintedFile]) -> Value {
    let kinds = LintId::ALL.iter().map(|id| kind(id.code(), id.severity().into(), id.about()));
    let mistake = kind(MISTAKE, Level::Mistake, "The filter refuses the policy.");
    let results =
        files.iter().flat_map(|file| file.findings.iter().map(|finding| result(&file.file, finding)));
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "procgate",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": kinds.chain([mistake]).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
        }],
    })
}

fn kind(code: &str, level: Level, about: &str) -> Value {
    json!({
        "id": code,
        "shortDescription": {"text": message(about)},
        "defaultConfiguration": {"level": sarif_level(level)},
    })
}

/// What is absent is left out: to the schema, null is something.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult {
    rule_id: &'static str,
    level: &'static str,
    message: Value,
    locations: [Location; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suppressions: Vec<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: Physical,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    artifact_location: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Value>,
}

fn result(file: &str, finding: &Finding) -> SarifResult {
    let region = finding.place.map(|place| json!({"startLine": place.line, "startColumn": place.column}));
    let field = Some(&finding.path).filter(|path| !path.is_empty());
    let reason = finding.suppressed.as_ref();
    SarifResult {
        rule_id: finding.id,
        level: sarif_level(finding.severity),
        message: json!({"text": message(&format!("{}: {}", finding.problem, finding.fix))}),
        locations: [Location {
            physical_location: Physical {
                artifact_location: json!({"uri": utf8_percent_encode(file, ESCAPED).to_string()}),
                region,
            },
            logical_locations: field.map(|path| json!({"fullyQualifiedName": path})).into_iter().collect(),
        }],
        suppressions: reason
            .map(|reason| json!({"kind": "inSource", "justification": reason}))
            .into_iter()
            .collect(),
    }
}

fn sarif_level(level: Level) -> &'static str {
    match level {
        Level::Note => "note",
        Level::Warning => "warning",
        Level::Danger | Level::Mistake => "error",
    }
}

/// A message is plain text except for links and placeholders (SARIF sections 3.11.5 and 3.11.6): what a policy
/// has in it must become neither.
fn message(text: &str) -> String {
    let mut message = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | '[' | ']' => message.extend(['\\', letter]),
            '{' | '}' => message.extend([letter, letter]),
            _ => message.push(letter),
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_neither_links_nor_placeholders() {
        assert_eq!(message(r"[see](http://evil) {0} a\b"), r"\[see\](http://evil) {{0}} a\\b");
    }
}
