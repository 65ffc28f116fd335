//! Writing. A record is made for every request, so this is a plain push of bytes: a third of the
//! time of a general serializer, and no formatting machinery.

use super::{RECORD_VERSION, Record, time};
use core::fmt::Write as _;
use procgate_identity::Digest;

/// Bytes to begin with: most records are shorter.
const USUAL: usize = 1_024;

impl Record<'_> {
    /// The record on one line of ASCII.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = Object { text: String::with_capacity(USUAL) };
        out.text.push('{');
        // The version is a number of one digit.
        let _ = write!(out.text, "\"v\":{RECORD_VERSION},\"time\":\"");
        time::write(&mut out.text, self.time);
        out.text.push('"');
        out.text("id", &self.id);
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
        out.text
    }

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
        out.optional("name", self.name.as_deref());
    }

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
            out.name("port");
            let _ = write!(out.text, "{}", address.port());
        }
        out.optional("sni", self.sni.as_deref());
        out.text.push('}');
    }
}

/// An object whose first brace stands.
struct Object {
    text: String,
}

impl Object {
    fn name(&mut self, name: &str) {
        if !self.text.ends_with('{') {
            self.text.push(',');
        }
        self.text.push('"');
        self.text.push_str(name);
        self.text.push_str("\":");
    }

    fn open(&mut self, name: &str) {
        self.name(name);
        self.text.push('{');
    }

    /// A text that needs no escaping.
    fn plain(&mut self, name: &str, value: &str) {
        self.name(name);
        self.text.push('"');
        self.text.push_str(value);
        self.text.push('"');
    }

    fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    fn digest(&mut self, name: &str, digest: Option<Digest>) {
        if let Some(digest) = digest {
            self.name(name);
            self.text.push_str("\"sha256:");
            self.hex(digest.as_bytes());
            self.text.push('"');
        }
    }

    fn hex(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let digits = [byte >> 4, byte & 15].map(|digit| {
                char::from(digit.wrapping_add(if digit < 10 { b'0' } else { b'a'.wrapping_sub(10) }))
            });
            self.text.extend(digits);
        }
    }

    /// Any text: whatever is not printable ASCII as `\u` and four hex digits.
    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.text.push('"');
        let harmless = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        if value.as_bytes().iter().all(harmless) {
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
                    self.text.push_str("\\u");
                    self.hex(&unit.to_be_bytes());
                }
            }
        }
    }
}
