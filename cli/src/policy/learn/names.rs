//! Names for what is proposed.

use std::collections::{BTreeMap, BTreeSet};

/// Characters of a name that is made here: a policy takes 128, and a number may have to follow.
const MAX_NAME: usize = 100;

/// The names of one kind of things that are taken.
#[derive(Debug)]
pub(super) struct Names {
    taken: BTreeSet<String>,
    /// The number that comes next behind a name: to try them all would take a minute, where somebody made up ten
    /// thousand hosts that begin alike.
    next: BTreeMap<String, u64>,
}

impl Names {
    pub(super) fn taken<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        Self { taken: names.map(Into::into).collect(), next: BTreeMap::new() }
    }

    /// Takes the name, or if somebody has it, the name with more and more of what tells it apart, and at
    /// last with a number.
    pub(super) fn take(&mut self, wanted: &str, wider: &[&str]) -> String {
        let mut name = as_name(wanted);
        for more in wider {
            if !self.taken.contains(&name) {
                break;
            }
            name = as_name(&format!("{name}-{more}"));
        }
        let mut unique = name.clone();
        while !self.taken.insert(unique.clone()) {
            let next = self.next.entry(name.clone()).or_insert(2);
            unique = format!("{name}-{next}");
            *next = next.saturating_add(1);
        }
        unique
    }
}

/// The text with all replaced that no name has.
fn as_name(text: &str) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-');
    let name: String =
        text.chars().map(|letter| if fits(letter) { letter } else { '-' }).take(MAX_NAME).collect();
    let name = name.trim_start_matches(['.', '-']);
    if name.is_empty() { "unnamed".into() } else { name.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_given_twice_and_each_is_one() {
        let mut names = Names::taken(["curl"].into_iter());
        assert_eq!(names.take("curl", &["app", "checkout"]), "curl-app");
        assert_eq!(names.take("curl", &["app", "checkout"]), "curl-app-checkout");
        assert_eq!(names.take("curl", &["app", "checkout"]), "curl-app-checkout-2");
        assert_eq!(names.take("\u{1b}[2J\u{202e}x", &[]), "2J-x");
        assert_eq!(names.take("\u{202e}", &[]), "unnamed");
        assert_eq!(names.take(&"x".repeat(999), &[]).len(), MAX_NAME);
    }

    /// Every name tried for each would be more than a thousand million.
    #[test]
    fn as_many_as_there_are_of_one_name_are_told_apart_at_once() {
        let mut names = Names::taken(["x-7"].into_iter());
        let last = (0..50_000).map(|_| names.take("x", &[])).last();
        assert_eq!(last.as_deref(), Some("x-50001"));
    }
}
