//! Which known name an unknown one was meant to be.

/// Bytes of a name for which a meaning is sought. No field of a policy has half as many.
const MAX_LENGTH: usize = 32;
/// Changed, added or missing letters that still make the same name.
const MAX_DISTANCE: usize = 2;

/// The known name that is fewest changes away, if it is near at all. Case and `_`, `-` count nothing:
/// `service_account` means `serviceAccount`.
pub(crate) fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    if name.len() > MAX_LENGTH {
        return None;
    }
    let plain = plain(name);
    let (distance, meant) =
        known.iter().map(|known| (distance(&plain, &self::plain(known)), *known)).min()?;
    // Of a short name two changes leave nothing.
    (distance <= MAX_DISTANCE && distance <= plain.len() / 2).then_some(meant)
}

fn plain(name: &str) -> Vec<u8> {
    name.bytes()
        .filter(|byte| !matches!(byte, b'_' | b'-' | b' '))
        .map(|byte| byte.to_ascii_lowercase())
        .collect()
}

/// Levenshtein's distance, row by row.
fn distance(left: &[u8], right: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, byte) in left.iter().enumerate() {
        let mut diagonal = index;
        let mut before = index.saturating_add(1);
        if let Some(first) = row.first_mut() {
            *first = before;
        }
        for (cell, other) in row.iter_mut().skip(1).zip(right) {
            let changed = diagonal.saturating_add(usize::from(byte != other));
            diagonal = *cell;
            before = changed.min(diagonal.saturating_add(1)).min(before.saturating_add(1));
            *cell = before;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_another_word_does_not() {
        let known = ["name", "namespace", "container", "serviceAccount", "exe", "code", "ports"];
        for (slip, meant) in [
            ("service_account", Some("serviceAccount")),
            ("port", Some("ports")),
            ("nmae", Some("name")),
            ("containr", Some("container")),
            ("exec", Some("exe")),
            ("x", None),
            ("labels", None),
            ("", None),
        ] {
            assert_eq!(nearest(slip, &known), meant, "{slip}");
        }
        assert_eq!(nearest(&"n".repeat(1_000_000), &known), None);
    }

    #[test]
    fn the_distance_counts_changes() {
        assert_eq!(distance(b"kitten", b"sitting"), 3);
        assert_eq!(distance(b"", b"abc"), 3);
        assert_eq!(distance(b"abc", b"abc"), 0);
    }
}
