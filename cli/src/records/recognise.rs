//! The record in one line of a log.

use super::tally::Kind;
use memchr::memmem;
use procgate_policy::{Record, RecordError};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// What a bare record begins with, as it is written.
const BARE: &str = "{\"v\":";
/// The field of an access log that holds the record, as its name stands in a line.
const FIELD: &[u8] = b"\"procgate\"";
/// A field that every record has, should somebody have put it in another order.
const DECISION: &[u8] = b"\"decision\"";

/// What of an access log's line matters here. The field counts only where it stands at the top: what
/// lies deeper, or in another field's text, may be a peer's.
#[derive(Deserialize)]
struct Outer<'a> {
    #[serde(borrow)]
    procgate: Option<&'a RawValue>,
    decision: Option<IgnoredAny>,
}

/// The record of a line; none where the line is JSON and has none.
pub(super) fn record<'a>(
    line: &'a [u8],
    buffer: &'a mut String,
) -> Result<Option<Record<'a>>, (Kind, Option<String>)> {
    match find(line, buffer) {
        Ok(Some(text)) => {
            Record::parse(text).map(Some).map_err(|error| (kind(&error), Some(error.to_string())))
        }
        Ok(None) => Ok(None),
        Err(kind) => Err((kind, None)),
    }
}

fn kind(error: &RecordError) -> Kind {
    match error {
        RecordError::Version(_) => Kind::Version,
        RecordError::TooLong => Kind::TooLong,
        RecordError::Form(_) | RecordError::Field(_) => Kind::Damaged,
    }
}

fn find<'a>(line: &'a [u8], buffer: &'a mut String) -> Result<Option<&'a str>, Kind> {
    let line = line.trim_ascii();
    let text = match core::str::from_utf8(line) {
        Ok(text) if memchr::memchr(0, line).is_none() => text,
        Ok(_) | Err(_) => return Err(Kind::Binary),
    };
    if text.is_empty() {
        return Ok(None);
    }
    if !text.starts_with('{') {
        return Err(Kind::Foreign);
    }
    if text.starts_with(BARE) {
        return Ok(Some(text));
    }
    if memmem::find(line, FIELD).is_none() && memmem::find(line, DECISION).is_none() {
        let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
        return if is_json { Ok(None) } else { Err(Kind::Broken) };
    }
    let outer: Outer<'a> = serde_json::from_str(text).map_err(|_| Kind::Broken)?;
    match outer.procgate.map(RawValue::get) {
        Some(object) if object.starts_with('{') => Ok(Some(object)),
        Some(quoted) => {
            *buffer = serde_json::from_str(quoted).map_err(|_| Kind::Damaged)?;
            // So Envoy writes a value that is not there.
            Ok(Some(buffer.as_str()).filter(|text| !matches!(*text, "" | "-")))
        }
        None => Ok(outer.decision.map(|_| text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const RECORD: &str = r#"{"v":1,"time":"2026-11-23T14:45:57.000000001Z","id":"7f","mode":"audit","decision":"deny","reason":"no-identity","direction":"outbound","path":"/\u00e9"}"#;

    fn found(line: &str) -> Result<Option<String>, Kind> {
        let mut buffer = String::new();
        let record = record(line.as_bytes(), &mut buffer).map_err(|(kind, _)| kind)?;
        Ok(record.map(|record| record.to_json()))
    }

    #[test]
    fn a_record_is_found_bare_as_text_and_as_an_object() {
        let object: serde_json::Value = serde_json::from_str(RECORD).unwrap();
        for line in [
            RECORD.to_owned(),
            format!("  {RECORD}\r"),
            object.to_string(),
            json!({"start": "x", "procgate": RECORD, "z": [1, {}]}).to_string(),
            json!({"a": "\"procgate\":1", "procgate": object}).to_string(),
        ] {
            assert_eq!(found(&line), Ok(Some(RECORD.into())), "{line}");
        }
    }

    #[test]
    fn a_line_without_one_is_no_mistake() {
        for line in ["", "{}", r#"{"procgate":null}"#, r#"{"procgate":"-"}"#, r#"{"path":"\"procgate\""}"#] {
            assert_eq!(found(line), Ok(None), "{line}");
        }
    }

    #[test]
    fn a_record_in_a_field_that_a_peer_fills_is_none() {
        for line in [
            json!({"headers": {"procgate": RECORD}}),
            json!({"user_agent": RECORD}),
            json!({"user_agent": format!("\",\"procgate\":{RECORD}")}),
        ] {
            assert_eq!(found(&line.to_string()), Ok(None), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_line_has_a_name() {
        let half = json!({"procgate": RECORD}).to_string();
        for (line, kind) in [
            ("GET / 200", Kind::Foreign),
            ("[1]", Kind::Foreign),
            ("{\"a\":\0}", Kind::Binary),
            (half.split_at(90).0, Kind::Broken),
            ("{\"a\":", Kind::Broken),
            (&RECORD.replace("\"v\":1", "\"v\":2"), Kind::Version),
            (RECORD.split_at(80).0, Kind::Damaged),
            (r#"{"procgate":7}"#, Kind::Damaged),
            (r#"{"procgate":"x"}"#, Kind::Damaged),
            (r#"{"procgate":"x","procgate":"y"}"#, Kind::Broken),
        ] {
            assert_eq!(found(line), Err(kind), "{line}");
        }
    }
}
