//! What there is to say about the workloads: each thing once, with all places that it is true of.

/// Places that are named of each.
const MAX_PLACES: usize = 3;

/// Something that there is to say of a pod, or of a container of it.
#[derive(Debug)]
pub(super) struct Remark<'a> {
    /// In the document's text, counted from 1.
    pub(super) line: usize,
    pub(super) container: Option<&'a str>,
    pub(super) text: String,
}

/// Texts with their places, in the order in which they came up.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<(String, Vec<String>)>);

impl Findings {
    /// Says it of one more place.
    pub(super) fn add(&mut self, place: impl Into<String>, text: impl Into<String>) {
        let (place, text) = (place.into(), text.into());
        match self.0.iter_mut().find(|(known, _)| *known == text) {
            Some((_, places)) => places.push(place),
            None => self.0.push((text, vec![place])),
        }
    }

    /// A line for each.
    pub(super) fn lines(self) -> Vec<String> {
        self.0.into_iter().map(|(text, places)| format!("{}: {text}", listed(&places))).collect()
    }
}

fn listed(places: &[String]) -> String {
    let named: Vec<&str> = places.iter().take(MAX_PLACES).map(String::as_str).collect();
    match places.len().saturating_sub(MAX_PLACES) {
        0 => named.join("; "),
        more => format!("{}; and {more} more", named.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_true_of_many_is_one_line() {
        let mut findings = Findings::default();
        for number in 1..=5 {
            findings.add(format!("line {number}"), "too wide");
        }
        findings.add("line 9", "too long");
        assert_eq!(findings.lines(), ["line 1; line 2; line 3; and 2 more: too wide", "line 9: too long"]);
    }
}
