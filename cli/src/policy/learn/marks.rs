//! Digests put into the policy's text by way of marks, so that each can have its evidence behind it.

use super::programs::Addition;
use super::proposal::Proposed;
use super::told::Told;

const MARK: &str = "procgate-puts-digest-";

/// Whether the text has something in it that would be taken for a mark.
pub(super) fn are_in(text: &str) -> bool {
    text.contains(MARK)
}

/// What stands for the addition of this number until [`filled`].
pub(super) fn mark(number: usize) -> String {
    format!("{MARK}{number}")
}

/// The text with digests in the places of their marks, and their evidence at the line's end; where they share the line
/// with others, with their name.
pub(super) fn filled(text: &str, additions: &[Proposed<Addition>]) -> String {
    let mut filled = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (mut rest, mut notes) = (line.trim_end_matches(['\r', '\n']), String::new());
        let end = line.strip_prefix(rest).unwrap_or_default();
        while let Some((before, after)) = rest.split_once(MARK) {
            rest = after.trim_start_matches(|letter: char| letter.is_ascii_digit());
            let number = after.strip_suffix(rest).and_then(|number| number.parse().ok());
            let Some(proposed) = number.and_then(|number: usize| additions.get(number)) else { continue };
            let digest = proposed.item.digest.to_string();
            let quotes = ['"', '\''];
            let alone = before.trim_end_matches(quotes).trim() == "-" && rest.trim_matches(quotes).is_empty();
            filled.push_str(before);
            filled.push_str(&digest);
            if proposed.evidence.count > 0 {
                let name = if alone { String::new() } else { format!("{digest}: ") };
                notes.push_str(&format!(" # {name}{}", Told::of(proposed)));
            }
        }
        [rest, &notes, end].iter().for_each(|text| filled.push_str(text));
    }
    filled
}
