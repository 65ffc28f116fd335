//! HTTP paths, as a policy describes them.

use super::{PatternError, RequestPath};
use core::fmt;

/// Segments of one pattern: no API nests deeper, and it bounds the walk for one request.
pub const MAX_SEGMENTS: usize = 32;
/// A path pattern: `/charge/*/void`, `/charge/**`. `*` is exactly one segment that is not empty, `**`
/// at the end is any number of segments, also none. `/a` and `/a/` are two paths; `/a/**` is both.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathPattern {
    segments: Vec<Segment>,
    tail: bool,
}

/// One segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// These bytes, in the normal form of percent-encoding.
    Exact(String),
    /// `*`
    One,
}

impl PathPattern {
    /// Reads a pattern, which begins with `/`.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        if text.contains(['?', '#']) {
            return Err(PatternError::new("a query or fragment", "write the path only, up to ? or #"));
        }
        let (body, tail) = match text.strip_suffix("/**") {
            Some(body) => (body, true),
            None => (text, false),
        };
        // The stars are taken out of the way of what the reader of requests would refuse.
        let normal = match RequestPath::parse(if body.is_empty() { "/" } else { body }) {
            RequestPath::Clear(normal) => normal,
            RequestPath::Unclear => {
                return Err(PatternError::new(
                    "a path that a request cannot have in clear form",
                    "write it without empty or dot segments, %2F, %5C, backslashes and control characters; \
                     letters beyond ASCII as %C3%A9",
                ));
            }
        };
        let mut segments = Vec::new();
        for segment in normal.iter() {
            segments.push(match segment {
                "*" => Segment::One,
                text if text.contains('*') => {
                    return Err(PatternError::new(
                        "a star within a segment, or ** before the end",
                        "write * for one whole segment, or ** as the last one",
                    ));
                }
                text => Segment::Exact(text.into()),
            });
        }
        if body.is_empty() {
            segments.clear();
        }
        if tail && segments.last() == Some(&Segment::Exact(String::new())) {
            return Err(PatternError::new("an empty segment before **", "write one / before **"));
        }
        if segments.len() > MAX_SEGMENTS {
            let remedy = format!("write at most {MAX_SEGMENTS}, the last of them **");
            return Err(PatternError::new("too many segments", remedy));
        }
        Ok(Self { segments, tail })
    }

    /// The pattern of these segments, and of whatever follows where it has a tail.
    pub(crate) const fn new(segments: Vec<Segment>, tail: bool) -> Self {
        Self { segments, tail }
    }

    /// What stands between the slashes.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether anything may follow.
    #[must_use]
    pub const fn has_tail(&self) -> bool {
        self.tail
    }

    /// Whether every path that `other` matches is matched too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let long_enough = if self.tail {
            self.segments.len() <= other.segments.len()
        } else {
            !other.tail && self.segments.len() == other.segments.len()
        };
        long_enough
            && self.segments.iter().zip(&other.segments).all(|pair| match pair {
                (Segment::One, Segment::One) => true,
                (Segment::One, Segment::Exact(text)) => !text.is_empty(),
                (Segment::Exact(mine), Segment::Exact(theirs)) => mine == theirs,
                (Segment::Exact(_), Segment::One) => false,
            })
    }

    /// Whether a request's path is one of them; an unclear one never is.
    pub(crate) fn matches(&self, path: &RequestPath<'_>) -> bool {
        let RequestPath::Clear(path) = path else { return false };
        let mut rest = path.iter();
        let fits = self.segments.iter().all(|wanted| match (wanted, rest.next()) {
            (_, None) => false,
            (Segment::One, Some(segment)) => !segment.is_empty(),
            (Segment::Exact(text), Some(segment)) => text == segment,
        });
        fits && (self.tail || rest.next().is_none())
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Exact(text) => write!(out, "/{text}")?,
                Segment::One => out.write_str("/*")?,
            }
        }
        out.write_str(if self.tail { "/**" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        PathPattern::parse(pattern).unwrap().matches(&RequestPath::parse(path))
    }

    #[test]
    fn stars_stand_for_whole_segments() {
        for (pattern, path, expected) in [
            ("/", "/", true),
            ("/", "/a", false),
            ("/**", "/", true),
            ("/**", "/a/b", true),
            ("/charge", "/charge", true),
            ("/charge", "/charge/", false),
            ("/charge", "/charge?x=/../y", true),
            ("/charge", "/charge#x", true),
            ("/charge/", "/charge/", true),
            ("/charge/**", "/charge", true),
            ("/charge/**", "/charge/", true),
            ("/charge/**", "/charge/1/void", true),
            ("/charge/**", "/charged", false),
            ("/charge/*", "/charge/1", true),
            ("/charge/*", "/charge/", false),
            ("/charge/*", "/charge", false),
            ("/charge/*", "/charge/1/2", false),
            ("/charge/*/void", "/charge/1/void", true),
            ("/*/**", "/", false),
            ("/*/**", "/a", true),
            ("/%63harge", "/charge", true),
            ("/charge", "/%63%68arge", true),
            ("/caf%c3%a9", "/caf%C3%A9", true),
            ("/a:b", "/a%3Ab", false),
            ("/a", "/A", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn a_pattern_that_no_request_could_match_is_refused() {
        for pattern in [
            "/a*",
            "/**/a",
            "/a/***",
            "/a//b",
            "/a//**",
            "/../a",
            "/a%2Fb",
            "/a?b",
            "/a#b",
            "/caf\u{e9}",
            "/a b",
            "//**",
        ] {
            assert!(PathPattern::parse(pattern).is_err(), "{pattern}");
        }
        assert!(PathPattern::parse(&"/a".repeat(MAX_SEGMENTS)).is_ok());
        assert!(PathPattern::parse(&"/a".repeat(MAX_SEGMENTS + 1)).is_err());
    }

    #[test]
    fn one_pattern_covers_another() {
        for (wide, narrow, expected) in [
            ("/**", "/a/*", true),
            ("/a/**", "/a", true),
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/", false),
            ("/a/*", "/a/**", false),
            ("/a/b", "/a/*", false),
            ("/a/**", "/a/**", true),
            ("/a/*/**", "/a/**", false),
        ] {
            let (wide, narrow) = (PathPattern::parse(wide).unwrap(), PathPattern::parse(narrow).unwrap());
            assert_eq!(wide.covers(&narrow), expected, "{wide} {narrow}");
        }
    }

    #[test]
    fn a_pattern_is_written_as_it_is_read() {
        for pattern in ["/", "/**", "/charge/*/void", "/charge/**", "/charge/"] {
            assert_eq!(PathPattern::parse(pattern).unwrap().to_string(), pattern);
        }
    }
}
