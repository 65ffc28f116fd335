//! Writing. A record is made for every request, so this is a plain push of bytes: a third of the
//! time of a general serializer, and no formatting machinery.

use super::{MAX_SHORT, RECORD_VERSION, Record, cut, time};
use core::fmt::Write as _;
use procgate_identity::{Digest, UnixNanos};

/// Bytes to begin with: most records are shorter.
const USUAL: usize = 1_024;

/// A record but for its time and its id, which are all that differs when the same question gets the
/// same answer again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordTemplate(String);

impl RecordTemplate {
    /// The record of this time and id on one line of ASCII.
    #[inline]
    #[must_use]
    pub fn to_json(&self, time: UnixNanos, id: &str) -> String {
        let mut out = Object { text: String::with_capacity(USUAL) };
        out.text.push('{');
        out.number("v", RECORD_VERSION);
        out.name("time");
        out.text.push('"');
        time::write(&mut out.text, time);
        out.text.push('"');
        out.text("id", &cut(id, MAX_SHORT));
        out.text.push(',');
        out.text.push_str(&self.0);
        out.text
    }
}

impl Record<'_> {
    /// The record on one line of ASCII.
    #[inline]
    #[must_use]
    pub fn to_json(&self) -> String {
        self.template().to_json(self.time, &self.id)
    }

    /// What it says beside its time and its id.
    #[inline]
    #[must_use]
    pub fn template(&self) -> RecordTemplate {
        let mut out = Object { text: String::with_capacity(USUAL) };
        out.plain("mode", self.mode.code());
        out.plain("decision", self.decision());
        out.plain("reason", self.reason.code());
        out.optional("detail", self.detail.as_deref());
        out.plain("direction", self.direction.code());
        if let Some(carrier) = self.carrier {
            out.plain("carrier", carrier.code());
        }
        self.write_source(&mut out);
        out.optional("rule", self.rule.as_deref());
        out.optional("nearest", self.nearest.as_deref());
        self.write_destination(&mut out);
        out.optional("method", self.method.as_deref());
        out.optional("path", self.path.as_deref());
        out.text.push('}');
        RecordTemplate(out.text)
    }

    #[inline]
    fn write_source(&self, out: &mut Object) {
        out.optional("sub", self.subject.as_deref());
        out.optional("process", self.process.as_deref());
        out.digest("exe", self.exe);
        out.digest("code", self.code);
        if let Some((path, digest)) = &self.stray {
            out.open("stray");
            out.text("path", path);
            out.digest("digest", *digest);
            out.text.push('}');
        }
        out.digest("script", self.script);
        out.optional("name", self.name.as_deref());
        if !self.labels.is_empty() {
            out.open("labels");
            self.labels.iter().for_each(|(name, value)| out.member(name, value));
            out.text.push('}');
        }
    }

    #[inline]
    fn write_destination(&self, out: &mut Object) {
        if self.host.is_none() && self.address.is_none() && self.sni.is_none() {
            return;
        }
        out.open("destination");
        out.optional("host", self.host.as_deref());
        if let Some(address) = self.address {
            out.name("ip");
            // Writing to a String does not fail.
            let _ = write!(out.text, "\"{}\"", address.ip());
            out.number("port", address.port().into());
        }
        out.optional("sni", self.sni.as_deref());
        out.text.push('}');
    }
}

/// An object of which some fields stand, or its first brace, or nothing yet.
struct Object {
    text: String,
}

impl Object {
    #[inline]
    fn separate(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('{') {
            self.text.push(',');
        }
    }

    #[inline]
    fn name(&mut self, name: &str) {
        self.separate();
        self.text.push('"');
        self.text.push_str(name);
        self.text.push_str("\":");
    }

    #[inline]
    fn open(&mut self, name: &str) {
        self.name(name);
        self.text.push('{');
    }

    /// A text that needs no escaping.
    #[inline]
    fn plain(&mut self, name: &str, value: &str) {
        self.name(name);
        self.text.push('"');
        self.text.push_str(value);
        self.text.push('"');
    }

    #[inline]
    fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    #[inline]
    fn digest(&mut self, name: &str, digest: Option<Digest>) {
        if let Some(digest) = digest {
            self.name(name);
            self.text.push_str("\"sha256:");
            self.text.push_str(core::str::from_utf8(&digest.hex()).unwrap_or_default());
            self.text.push('"');
        }
    }

    #[inline]
    fn number(&mut self, name: &str, mut value: u32) {
        self.name(name);
        let (mut digits, mut start) = ([b'0'; 10], 10usize);
        for (place, digit) in digits.iter_mut().enumerate().rev() {
            start = place;
            *digit = b'0'.wrapping_add(u8::try_from(value % 10).unwrap_or_default());
            value /= 10;
            if value == 0 {
                break;
            }
        }
        let written = digits.get(start..).unwrap_or_default();
        self.text.push_str(core::str::from_utf8(written).unwrap_or_default());
    }

    #[inline]
    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.quoted(value);
    }

    /// A text under a name that is as little our own.
    fn member(&mut self, name: &str, value: &str) {
        self.separate();
        self.quoted(name);
        self.text.push(':');
        self.quoted(value);
    }

    /// Any text: whatever is not printable ASCII as `\u` and four hex digits.
    #[inline]
    fn quoted(&mut self, value: &str) {
        self.text.push('"');
        // Without a way out in between, the compiler looks at sixteen bytes at once.
        let needs_escaping = value.bytes().fold(false, |needs, byte| {
            needs | !(b' '..=b'~').contains(&byte) | (byte == b'"') | (byte == b'\\')
        });
        if !needs_escaping {
            self.text.push_str(value);
        } else {
            value.chars().for_each(|letter| self.letter(letter));
        }
        self.text.push('"');
    }

    fn letter(&mut self, letter: char) {
        match letter {
            '"' => self.text.push_str("\\\""),
            '\\' => self.text.push_str("\\\\"),
            ' '..='~' => self.text.push(letter),
            _ => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    // Writing to a String does not fail.
                    let _ = write!(self.text, "\\u{unit:04x}");
                }
            }
        }
    }
}
