//! Names for what is new.

/// The word, or the first of `word-1`, `word-2` … that is not taken.
pub(crate) fn fresh(word: &str, taken: impl Fn(&str) -> bool) -> String {
    let numbered = (1_u32..).map(|number| format!("{word}-{number}"));
    core::iter::once(word.to_owned()).chain(numbered).find(|word| !taken(word)).unwrap_or_default()
}
