//! The record in one line of a log.

use super::memo::Alike;
use super::parts::Found;
use super::recurring::Recurring;
use super::tally::Kind;
use memchr::memmem;
use procgate_policy::{Record, RecordError};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What a bare record begins with, as it is written.
const BARE: &str = "{\"v\":";
/// The field of an access log that holds the record, as its name stands in a line.
const FIELD: &[u8] = b"\"procgate\"";
/// How it stands there before a record as text, and how such a text ends.
const BEFORE_TEXT: &[u8] = b"\"procgate\":\"{";
const END_OF_TEXT: &[u8] = b"}\"";
/// How a line of Docker's own log files begins, and how the field's name stands in one: as text within text.
const DOCKERS: &str = "{\"log\":\"";
const QUOTED_FIELD: &[u8] = b"\\\"procgate\\\"";
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

/// What a line was recognised as.
#[derive(Debug)]
pub(super) struct Recognised<'a> {
    pub(super) record: Cow<'a, Record<'a>>,
    pub(super) alike: Option<Alike>,
}

/// Finds the records in lines.
#[derive(Debug)]
pub(super) struct Recogniser {
    recurring: Recurring,
    /// A record that stood as text, unescaped; or a line without its record.
    buffer: String,
    before_text: memmem::Finder<'static>,
    end_of_text: memmem::Finder<'static>,
}

impl Default for Recogniser {
    fn default() -> Self {
        let [before_text, end_of_text] = [BEFORE_TEXT, END_OF_TEXT].map(memmem::Finder::new);
        Self { recurring: Recurring::default(), buffer: String::new(), before_text, end_of_text }
    }
}

impl Recogniser {
    /// The record of a line; none where the line is JSON and has none.
    pub(super) fn record<'a>(
        &'a mut self,
        line: &'a [u8],
    ) -> Result<Option<Recognised<'a>>, (Kind, Option<String>)> {
        let line = text_of(line)?;
        let line = if line.starts_with('{') { line } else { unwrapped(line) };
        if let Some(alike) = self.find_again(line) {
            let record = self.recurring.last(alike).map(Cow::Borrowed);
            return Ok(record.map(|record| Recognised { record, alike: Some(alike) }));
        }
        let Some(found) = find(line)? else { return Ok(None) };
        let text = match found {
            Found::Object(text) => text,
            Found::Quoted(text) => {
                self.buffer = serde_json::from_str(text).map_err(|_| (Kind::Damaged, None))?;
                // So Envoy writes a value that is not there.
                if matches!(self.buffer.as_str(), "" | "-") {
                    return Ok(None);
                }
                &self.buffer
            }
        };
        let record = Record::parse(text).map_err(|error| (kind(&error), Some(error.to_string())))?;
        let alike = self.recurring.keep(found, &record);
        Ok(Some(Recognised { record: Cow::Owned(record), alike }))
    }

    /// The record of a line, if one like it was seen.
    ///
    /// Of an access log's line, only what is around the record is parsed: the line with an empty text in the record's
    /// place is JSON, and has its record there, just if the line itself is and has.
    fn find_again(&mut self, line: &str) -> Option<Alike> {
        if line.starts_with(BARE) {
            return self.recurring.find(Found::Object(line));
        }
        let start = self.before_text.find(line.as_bytes())?.checked_add(FIELD.len())?.checked_add(1)?;
        let (before, rest) = line.split_at_checked(start)?;
        let end = self.end_of_text.find(rest.as_bytes())?.checked_add(END_OF_TEXT.len())?;
        let (quoted, after) = rest.split_at_checked(end)?;
        let alike = self.recurring.find(Found::Quoted(quoted))?;
        self.buffer.clear();
        [before, "\"\"", after].iter().for_each(|part| self.buffer.push_str(part));
        let field = serde_json::from_str::<Outer<'_>>(&self.buffer).ok()?.procgate?;
        let at = field.get().as_ptr().addr().checked_sub(self.buffer.as_ptr().addr());
        (at == Some(start)).then_some(alike)
    }
}

fn kind(error: &RecordError) -> Kind {
    match error {
        RecordError::Version(_) => Kind::Version,
        RecordError::TooLong => Kind::TooLong,
        RecordError::Form(_) | RecordError::Field(_) => Kind::Damaged,
    }
}

fn text_of(line: &[u8]) -> Result<&str, (Kind, Option<String>)> {
    let line = line.trim_ascii();
    match core::str::from_utf8(line) {
        Ok(text) if memchr::memchr(0, line).is_none() => Ok(text),
        Ok(_) | Err(_) => Err((Kind::Binary, None)),
    }
}

/// What a program wrote, of a line that a container runtime made of it: a time, the stream, whether the line is whole
/// or a part, and the line (the CRI's log format). Without the mark that some editors put before a text.
fn unwrapped(line: &str) -> &str {
    let line = line.trim_start_matches('\u{feff}');
    let mut parts = line.splitn(4, ' ').skip(1);
    match (parts.next(), parts.next(), parts.next()) {
        (Some("stdout" | "stderr"), Some("F" | "P"), Some(written)) => written.trim_start(),
        _ => line,
    }
}

fn find(text: &str) -> Result<Option<Found<'_>>, (Kind, Option<String>)> {
    if text.is_empty() {
        return Ok(None);
    }
    if !text.starts_with('{') {
        return Err((Kind::Foreign, None));
    }
    if text.starts_with(BARE) {
        return Ok(Some(Found::Object(text)));
    }
    let line = text.as_bytes();
    if memmem::find(line, FIELD).is_none() && memmem::find(line, DECISION).is_none() {
        if text.starts_with(DOCKERS) && memmem::find(line, QUOTED_FIELD).is_some() {
            return Err((Kind::Wrapped, None));
        }
        let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
        return if is_json { Ok(None) } else { Err((Kind::Broken, None)) };
    }
    let outer: Outer<'_> = serde_json::from_str(text).map_err(|_| (Kind::Broken, None))?;
    Ok(match outer.procgate.map(RawValue::get) {
        Some(object) if object.starts_with('{') => Some(Found::Object(object)),
        Some(quoted) => Some(Found::Quoted(quoted)),
        None => outer.decision.map(|_| Found::Object(text)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const RECORD: &str = r#"{"v":1,"time":"2026-11-23T14:45:57.000000001Z","id":"7f","mode":"audit","decision":"deny","reason":"no-identity","direction":"outbound","path":"/\u00e9"}"#;

    fn found(line: &str) -> Result<Option<String>, Kind> {
        let mut recogniser = Recogniser::default();
        let record = recogniser.record(line.as_bytes()).map_err(|(kind, _)| kind)?;
        Ok(record.map(|found| found.record.to_json()))
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
    fn what_a_container_runtime_puts_before_a_line_is_taken_off() {
        let access = json!({"start": "x", "procgate": RECORD}).to_string();
        let mut recogniser = Recogniser::default();
        for line in [RECORD, &access] {
            for before in [
                "2026-11-23T14:45:57.000000001Z stdout F ",
                "2026-11-23T15:45:57+01:00 stderr F ",
                "\u{feff}",
            ] {
                let found =
                    recogniser.record([before, line].concat().as_bytes()).unwrap().unwrap().record.to_json();
                assert_eq!(found, RECORD, "{before}{line}");
            }
        }
        let half = "2026-11-23T14:45:57.000000001Z stdout P {\"a\":";
        assert_eq!(found(half), Err(Kind::Broken));
        assert_eq!(found(&format!("x stdin F {RECORD}")), Err(Kind::Foreign));
        let docker = json!({"log": access + "\n", "stream": "stdout", "time": "x"}).to_string();
        assert_eq!(found(&docker), Err(Kind::Wrapped));
        assert_eq!(found(r#"{"log":"GET /\n","stream":"stdout"}"#), Ok(None));
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

    #[test]
    fn a_record_like_one_before_is_found_without_parsing_it() {
        let mut recogniser = Recogniser::default();
        let plain = RECORD.replace("\\u00e9", "a");
        for line in [plain.clone(), json!({"procgate": plain, "z": 1}).to_string()] {
            assert_eq!(recogniser.find_again(&line), None);
            recogniser.record(line.as_bytes()).unwrap();
            let other = line.replace("7f", "80").replace("57.0", "58.0");
            assert!(recogniser.find_again(&other).is_some(), "{other}");
            assert_eq!(recogniser.find_again(&other.replace("outbound", "inbound")), None);
        }
    }

    #[test]
    fn records_that_are_not_looked_for_are_kept_once_all_the_same() {
        let plain = RECORD.replace("\\u00e9", "a");
        let spaced = json!({"procgate": plain}).to_string().replacen(':', ": ", 1);
        for line in [format!(r#"{{"procgate":{plain}}}"#), spaced] {
            let mut recogniser = Recogniser::default();
            let alike = ["7f", "80"].map(|id| {
                let other = line.replace("7f", id);
                let found = recogniser.record(other.as_bytes()).unwrap().unwrap();
                assert_eq!(found.record.id, id);
                found.alike
            });
            assert!(alike[0].is_some() && alike[0] == alike[1], "{line}: {alike:?}");
        }
    }

    #[test]
    fn long_records_are_read_each_time() {
        let mut recogniser = Recogniser::default();
        let plain = RECORD.replace("\\u00e9", "a");
        for id in ["7f".to_owned(), "x".repeat(60_000), "80".to_owned()] {
            let text = plain.replace("7f", &id);
            for line in [text.clone(), json!({"procgate": text}).to_string()] {
                let found = recogniser.record(line.as_bytes()).unwrap().unwrap();
                assert_eq!(found.record.id, id);
                assert_eq!(found.alike.is_some(), id.len() == 2);
            }
        }
    }

    /// A record in one of the ways in which it stands in lines, at times damaged in one place.
    fn line() -> impl Strategy<Value = String> {
        let name = prop_oneof![Just("/app/x"), Just("/app/\u{e9}\u{1f600}"), Just(r#"","path":"/x"}"#)];
        let labels = proptest::sample::select(vec![vec![], vec![("a", "b"), ("procgate", "{\"v\":1,")]]);
        let path =
            proptest::option::of(prop_oneof!["/[ab]{0,2}", Just("/\u{e9}".to_owned()), Just("\"}".into())]);
        let id = prop_oneof!["[0-9a-f]{2}", Just("\\\"".to_owned()), Just(String::new())];
        let record = (name, labels, path, id, 0..3_u64).prop_map(|(name, labels, path, id, time)| {
            let mut record = Record::parse(RECORD).unwrap().into_owned();
            (record.name, record.path, record.id) = (Some(name.into()), path.map(Into::into), id.into());
            record.labels = labels.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
            record.time.0 = record.time.0.saturating_add(time);
            record.to_json()
        });
        let written = (record, 0..7_u8).prop_map(|(record, how)| match how {
            0 => record,
            1 => format!(r#"{{"procgate":{record}}}"#),
            2 => json!({"headers": {"procgate": record}, "procgate": "-"}).to_string(),
            3 => json!({"procgate": record, "decision": "\"procgate\":\"{"}).to_string(),
            _ => json!({"a": "\"", "procgate": record, "z": [1, {}]}).to_string(),
        });
        let damage = prop_oneof![
            Just("\""),
            Just("\\"),
            Just("{"),
            Just("}"),
            Just(","),
            Just("\u{0}"),
            Just("\u{1}"),
            Just("0")
        ];
        (written, proptest::option::weighted(0.4, (any::<usize>(), any::<bool>(), damage))).prop_map(
            |(mut line, damaged)| {
                if let Some((place, instead, damage)) = damaged {
                    let place = line.floor_char_boundary(place.checked_rem(line.len()).unwrap_or_default());
                    let end = line.ceil_char_boundary(place.saturating_add(usize::from(instead)));
                    line.replace_range(place..end, damage);
                }
                line
            },
        )
    }

    proptest! {
        #[test]
        fn what_was_seen_before_changes_nothing_of_what_is_found(lines in proptest::collection::vec(line(), 0..60)) {
            let mut recogniser = Recogniser::default();
            for line in &lines {
                let mut fresh = Recogniser::default();
                let [found, expected] = [&mut recogniser, &mut fresh].map(|recogniser| {
                    let found = recogniser.record(line.as_bytes());
                    found.map(|found| found.map(|found| found.record.into_owned().into_owned()))
                });
                prop_assert_eq!(found, expected, "{}", line);
            }
        }
    }
}
