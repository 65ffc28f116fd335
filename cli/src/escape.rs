//! Text of strangers, made safe to show: names of files, claims of tokens, fields of policies.

use core::fmt::{self, Write as _};
use std::path::Path;

/// Shows `text` so that it can neither move the cursor, nor start a line, nor reorder or hide what
/// stands around it. What it changes is written `\u{…}`, and a backslash doubled, so that no other
/// text looks the same.
pub(crate) fn escape(text: &str) -> Escaped<'_> {
    Escaped { bytes: text.as_bytes(), backslash: "\\\\" }
}

/// As [`escape`], for a message in which names have been escaped before: backslashes stay single.
pub(crate) fn escape_message(text: &str) -> Escaped<'_> {
    Escaped { bytes: text.as_bytes(), backslash: "\\" }
}

/// As [`escape`], for a path, whose bytes need not be UTF-8; those that are not become `\x…`.
pub(crate) fn escape_path(path: &Path) -> Escaped<'_> {
    Escaped { bytes: path.as_os_str().as_encoded_bytes(), backslash: "\\\\" }
}

/// The path as text for JSON: as it is where it is UTF-8, else escaped.
pub(crate) fn path_text(path: &Path) -> String {
    path.to_str().map_or_else(|| escape_path(path).to_string(), Into::into)
}

/// JSON that means the same and is as safe on a terminal. Its own line breaks stay: within a string
/// JSON has none.
pub(crate) fn escape_json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '\n' || !is_hidden(character) {
            escaped.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    escaped
}

/// Text that is escaped while it is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Escaped<'a> {
    bytes: &'a [u8],
    backslash: &'static str,
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.bytes.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\\' => out.write_str(self.backslash)?,
                    hidden if is_hidden(hidden) => write!(out, "{}", hidden.escape_unicode())?,
                    plain => out.write_char(plain)?,
                }
            }
            for byte in chunk.invalid() {
                write!(out, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Characters that a terminal obeys or does not show: controls, line and paragraph separators, and
/// the format characters (Unicode's Cf), bidirectional marks among them. With the two at the end, all
/// that YAML 1.2 has not for printable (section 5.1).
pub(crate) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
            | '\u{110bd}' | '\u{110cd}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    #[test]
    fn a_terminal_sequence_is_shown_and_not_obeyed() {
        assert_eq!(escape("\u{1b}[2Jgone\r\n").to_string(), r"\u{1b}[2Jgone\u{d}\u{a}");
        assert_eq!(escape("\u{9b}31m").to_string(), r"\u{9b}31m");
    }

    #[test]
    fn a_name_cannot_be_reordered_or_hidden() {
        assert_eq!(escape("gpj.\u{202e}exe").to_string(), r"gpj.\u{202e}exe");
        assert_eq!(escape("pay\u{200b}ments\u{e0041}").to_string(), r"pay\u{200b}ments\u{e0041}");
    }

    #[test]
    fn no_other_text_looks_like_an_escaped_one() {
        assert_eq!(escape(r"\u{a}").to_string(), r"\\u{a}");
    }

    #[test]
    fn a_name_in_a_message_is_not_escaped_twice() {
        assert_eq!(escape_message("\"\\u{1b}\" \u{1b}").to_string(), r#""\u{1b}" \u{1b}"#);
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_shown_one_by_one() {
        let path = Path::new(OsStr::from_bytes(b"caf\xe9/\xffx"));
        assert_eq!(escape_path(path).to_string(), r"caf\xe9/\xffx");
    }

    #[test]
    fn json_means_the_same_and_shows_what_it_hides() {
        let text = "{\n\"\u{9b}31m\u{202e}\u{e0041}\u{e9}\": 1}";
        let escaped = escape_json(text);
        assert_eq!(escaped, "{\n\"\\u009b31m\\u202e\\udb40\\udc41\u{e9}\": 1}");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&escaped), value(text));
    }

    #[test]
    fn ordinary_letters_of_any_script_stay() {
        assert_eq!(escape("Zahlung-支払い/été").to_string(), "Zahlung-支払い/été");
    }
}
