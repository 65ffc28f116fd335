//! A stream of documents, divided by lines that begin with `---`.

/// One document of a stream, with the marker above it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Document<'a> {
    pub(crate) text: &'a str,
    /// Counted from 1; what has nothing in it does not count.
    pub(crate) number: usize,
    /// The line of the stream that it begins in, counted from 1.
    pub(crate) line: usize,
}

impl Document<'_> {
    /// Whether there is nothing but comments and directives in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.lines().all(|line| {
            let line = line.strip_prefix("---").unwrap_or(line).trim_start_matches('\u{feff}').trim();
            line.is_empty() || line == "..." || line.starts_with(['#', '%'])
        })
    }
}

/// The documents of a stream. Put together, their texts are the stream's. In valid YAML the marker stands nowhere
/// else at the start of a line (YAML 1.2.2, section 9.1.2).
pub(crate) fn documents(stream: &str) -> impl Iterator<Item = Document<'_>> {
    let marks = stream.match_indices("\n---").map(|(at, _)| at.saturating_add(1));
    let is_mark = |at: &usize| {
        let after = stream.get(at.saturating_add(3)..).and_then(|rest| rest.chars().next());
        after.is_none_or(char::is_whitespace)
    };
    let mut ends: Vec<usize> = marks.filter(is_mark).collect();
    ends.push(stream.len());
    let (mut start, mut line, mut number) = (0, 1_usize, 0_usize);
    ends.into_iter().map(move |end| {
        let text = stream.get(start..end).unwrap_or_default();
        let mut document = Document { text, number, line };
        start = end;
        line = line.saturating_add(memchr::memchr_iter(b'\n', text.as_bytes()).count());
        if !document.is_empty() {
            number = number.saturating_add(1);
            document.number = number;
        }
        document
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_divided_at_its_markers_and_nothing_is_lost() {
        let stream = "# head\n---\na: 1\n--- # two\nb: |\n  ---\n  x\n---c: 3\n---\n";
        let found: Vec<_> = documents(stream).collect();
        assert_eq!(found.iter().map(|document| document.text).collect::<String>(), stream);
        let places: Vec<_> = found.iter().map(|document| (document.number, document.line)).collect();
        assert_eq!(places, [(0, 1), (1, 2), (2, 4), (2, 9)]);
        assert!(found[0].is_empty() && found[3].is_empty() && !found[1].is_empty());
    }
}
