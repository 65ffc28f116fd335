//! What path patterns have in common, and paths that they match.

use crate::pattern::{PathPattern, Segment};

/// The paths that match both, which one pattern describes; nothing where there are none.
pub(super) fn meet(one: &PathPattern, other: &PathPattern) -> Option<PathPattern> {
    let (short, long) =
        if one.segments().len() <= other.segments().len() { (one, other) } else { (other, one) };
    let same_length = short.segments().len() == long.segments().len();
    if !same_length && !short.has_tail() {
        return None;
    }
    let mut segments = Vec::new();
    for (at, segment) in long.segments().iter().enumerate() {
        segments.push(match short.segments().get(at) {
            Some(other) => meet_of_segments(segment, other)?,
            None => segment.clone(),
        });
    }
    let tail = long.has_tail() && (short.has_tail() || !same_length);
    Some(PathPattern::new(segments, tail))
}

fn meet_of_segments(one: &Segment, other: &Segment) -> Option<Segment> {
    match (one, other) {
        (Segment::One, Segment::One) => Some(Segment::One),
        (Segment::One, Segment::Exact(text)) | (Segment::Exact(text), Segment::One) => {
            (!text.is_empty()).then(|| Segment::Exact(text.clone()))
        }
        (Segment::Exact(text), Segment::Exact(other)) => {
            (text == other).then(|| Segment::Exact(text.clone()))
        }
    }
}

/// Paths that match, such that of all paths with as many segments and as empty a last one none
/// matches fewer other patterns: where anything may stand, `fresh` stands. No other pattern has more
/// than `longest` segments.
pub(super) fn samples(pattern: &PathPattern, fresh: &str, longest: usize) -> Vec<String> {
    let mut path = String::new();
    for segment in pattern.segments() {
        path.push('/');
        path.push_str(match segment {
            Segment::Exact(text) => text,
            Segment::One => fresh,
        });
    }
    let mut samples = Vec::new();
    if !path.is_empty() {
        samples.push(path.clone());
    }
    if pattern.has_tail() {
        for _ in pattern.segments().len()..=longest {
            samples.push(format!("{path}/"));
            path.push('/');
            path.push_str(fresh);
            samples.push(path.clone());
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> PathPattern {
        PathPattern::parse(text).unwrap()
    }

    #[test]
    fn two_patterns_have_one_in_common_or_none() {
        for (one, other, both) in [
            ("/**", "/a/*", Some("/a/*")),
            ("/a/*", "/*/b", Some("/a/b")),
            ("/a/**", "/a", Some("/a")),
            ("/a/**", "/a/**", Some("/a/**")),
            ("/a/**", "/*/b/**", Some("/a/b/**")),
            ("/a/**", "/a/", Some("/a/")),
            ("/a/*", "/a/", None),
            ("/a", "/a/b", None),
            ("/a/**", "/b/**", None),
            ("/", "/**", Some("/")),
        ] {
            let both = both.map(pattern);
            assert_eq!(meet(&pattern(one), &pattern(other)), both, "{one} {other}");
            assert_eq!(meet(&pattern(other), &pattern(one)), both, "{other} {one}");
        }
    }

    #[test]
    fn samples_match_and_reach_beyond_every_other_pattern() {
        assert_eq!(samples(&pattern("/a/*"), "x", 3), ["/a/x"]);
        assert_eq!(samples(&pattern("/a/**"), "x", 2), ["/a", "/a/", "/a/x", "/a/x/", "/a/x/x"]);
        assert_eq!(samples(&pattern("/**"), "x", 0), ["/", "/x"]);
    }
}
