//! HTTP paths, as requests have them.
//!
//! A proxy and the server behind it must see the same path, or `/public/..%2fadmin` is public to one
//! and `admin` to the other. So a path that two readers could understand differently is *unclear*:
//! it never satisfies an allow and always satisfies a deny.

use std::borrow::Cow;

/// Bytes of a path that are looked at; a longer one is unclear. Servers' own limits are near 8 KiB.
const MAX_PATH: usize = 8_192;

/// The path of a request, made comparable (RFC 3986 section 6.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RequestPath<'a> {
    /// Everybody reads it the same way.
    Clear(Segments<'a>),
    /// Relative segments, hidden slashes, empty segments, bytes that do not belong: readers differ.
    Unclear,
}

/// The segments of a clear path, of which only the last may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segments<'a> {
    /// All behind the first slash.
    text: Cow<'a, str>,
}

impl Segments<'_> {
    /// The segments, of which there is at least one.
    #[inline]
    pub(crate) fn iter(&self) -> core::str::Split<'_, char> {
        self.text.split('/')
    }
}

impl<'a> RequestPath<'a> {
    /// Cuts the query off, undoes needless percent-encoding and looks for what could deceive.
    pub(crate) fn parse(path: &'a str) -> Self {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let Some(rest) = path.strip_prefix('/').filter(|rest| rest.len() <= MAX_PATH) else {
            return Self::Unclear;
        };
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
        if !rest.bytes().all(plain) {
            return Self::Unclear;
        }
        let text = if rest.contains('%') {
            match decoded(rest) {
                Some(text) => Cow::Owned(text),
                None => return Self::Unclear,
            }
        } else {
            Cow::Borrowed(rest)
        };
        let trailing = text.strip_suffix('/').unwrap_or(&text);
        let clear = text.is_empty() || trailing.split('/').all(is_plain_segment);
        if clear { Self::Clear(Segments { text }) } else { Self::Unclear }
    }
}

/// The one spelling of a request's path that patterns are compared with, without its first slash and its
/// query. Nothing where the path is unclear, so that no rule can allow it.
#[must_use]
pub fn clear_path(path: &str) -> Option<Cow<'_, str>> {
    match RequestPath::parse(path) {
        RequestPath::Clear(Segments { text }) => Some(text),
        RequestPath::Unclear => None,
    }
}

/// Not empty and not relative; some servers drop what follows a `;` before they look for `..`.
fn is_plain_segment(segment: &str) -> bool {
    let name = segment.split(';').next().unwrap_or_default();
    !segment.is_empty() && !matches!(name, "." | "..")
}

/// Unreserved characters decoded, other encodings in upper case; nothing where an encoding is broken
/// or hides a slash, a backslash or a control character.
fn decoded(path: &str) -> Option<String> {
    let mut text = String::with_capacity(path.len());
    let mut parts = path.split('%');
    text.push_str(parts.next()?);
    for part in parts {
        let (hex, rest) = part.split_at_checked(2)?;
        let digit = |index: usize| hex.chars().nth(index).and_then(|digit| digit.to_digit(16));
        let byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            b'/' | b'\\' | 0..=0x1f | 0x7f => return None,
            _ => {
                text.push('%');
                text.extend(hex.chars().map(|digit| digit.to_ascii_uppercase()));
            }
        }
        text.push_str(rest);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_readers_understand_differently_is_unclear() {
        for path in [
            "",
            "*",
            "charge",
            "http://pay.example/",
            "//",
            "//charge",
            "/a//b",
            "/a//",
            "/./a",
            "/a/..",
            "/a/%2e%2E/b",
            "/a/.%2e",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a\tb",
            "/a b",
            "/a%00",
            "/a%0d%0a",
            "/a%7f",
            "/caf\u{e9}",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%+1",
            "/..;x/b",
            "/.;/b",
        ] {
            assert_eq!(RequestPath::parse(path), RequestPath::Unclear, "{path:?}");
        }
        let long = format!("/{}", "a".repeat(MAX_PATH));
        assert_ne!(RequestPath::parse(&long), RequestPath::Unclear);
        assert_eq!(RequestPath::parse(&format!("{long}a")), RequestPath::Unclear);
    }

    #[test]
    fn dots_that_are_not_relative_are_clear() {
        for path in ["/...", "/.well-known/x", "/a..b", "/a/..b", "/x;v=..", "/%25%32%65"] {
            assert_ne!(RequestPath::parse(path), RequestPath::Unclear, "{path:?}");
        }
    }
}
