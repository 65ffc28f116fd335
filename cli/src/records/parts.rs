//! The text of a record in its parts: time, id, path, and what recurs.

use procgate_identity::UnixNanos;
use procgate_policy::Record;

/// Bytes of what recurs: a usual record has some 500. Of longer ones the memory would be too much.
const MAX_RECURRING: usize = 2_048;
/// Bytes of the whole text: time, id and path are kept too, with the record.
const MAX_TEXT: usize = 2 * MAX_RECURRING;

/// A record's text as it was found in a log.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'t> {
    /// An object.
    Object(&'t str),
    /// An object as a JSON text, with its quotes.
    Quoted(&'t str),
}

/// What stands around time, id and path.
#[derive(Debug)]
struct Spelling {
    before_time: &'static str,
    before_id: &'static str,
    after_id: &'static str,
    /// The path is always last.
    before_path: &'static str,
    end: &'static str,
}

const OBJECT: Spelling = Spelling {
    before_time: r#"{"v":1,"time":""#,
    before_id: r#"","id":""#,
    after_id: r#"","#,
    before_path: r#","path":""#,
    end: r#""}"#,
};
const QUOTED: Spelling = Spelling {
    before_time: r#""{\"v\":1,\"time\":\""#,
    before_id: r#"\",\"id\":\""#,
    after_id: r#"\","#,
    before_path: r#",\"path\":\""#,
    end: r#"\"}""#,
};
/// Bytes of a time.
const TIME: usize = 30;

/// The parts of a record's text. Nothing in time, id and path is escaped, so with others in their place the text is
/// a record again: what recurs was parsed once between texts like these, and whoever parses it once more is in the
/// same state at its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'t> {
    pub(super) time: UnixNanos,
    pub(super) id: &'t str,
    /// From the quote behind the id to the quote before the path, with both, or to the end where there is none.
    pub(super) recurring: &'t str,
    pub(super) path: Option<&'t str>,
}

impl<'t> Parts<'t> {
    pub(super) fn of(found: Found<'t>) -> Option<Self> {
        let (text, spelling) = match found {
            Found::Object(text) => (text, &OBJECT),
            Found::Quoted(text) => (text, &QUOTED),
        };
        let (time, rest) = text.strip_prefix(spelling.before_time)?.split_at_checked(TIME)?;
        let rest = rest.strip_prefix(spelling.before_id)?;
        let (id, rest) = rest.split_at_checked(memchr::memchr2(b'"', b'\\', rest.as_bytes())?)?;
        let (recurring, path) = match before_path(rest, spelling) {
            Some((recurring, path)) => (recurring, Some(path)),
            None => (rest, None),
        };
        let plain = recurring.starts_with(spelling.after_id) && is_plain(id) && path.is_none_or(is_plain);
        let short = text.len() <= MAX_TEXT && recurring.len() <= MAX_RECURRING;
        let time = Record::read_time(time).filter(|_| plain && short)?;
        Some(Self { time, id, recurring, path })
    }
}

/// Divides a text that ends with a path of which nothing is escaped.
fn before_path<'t>(text: &'t str, spelling: &Spelling) -> Option<(&'t str, &'t str)> {
    let text = text.strip_suffix(spelling.end)?;
    let quote = memchr::memrchr(b'"', text.as_bytes())?;
    let (recurring, path) = text.split_at_checked(quote.checked_add(1)?)?;
    recurring.ends_with(spelling.before_path).then_some((recurring, path))
}

/// Whether a text stands in JSON as it is.
fn is_plain(text: &str) -> bool {
    !text.bytes().fold(false, |found, byte| found | (byte < b' ') | (byte == b'"') | (byte == b'\\'))
}
