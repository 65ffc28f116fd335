//! A connection as options of `policy explain`.

use crate::escape::escape;
use core::fmt;
use procgate_identity::Claims;
use procgate_policy::diff::Connection;
use serde::Serialize;

/// Words of a command line.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Flags(Vec<String>);

impl From<&Connection> for Flags {
    fn from(Connection { claims, host, address, http }: &Connection) -> Self {
        let mut flags = Self(Vec::new());
        match claims {
            None => flags.0.push("--unidentified".into()),
            Some(claims) => flags.add_claims(claims),
        }
        flags.add("--host", host.as_ref());
        flags.add("--address", address.as_ref());
        flags.add("--method", http.as_ref().map(|(method, _)| method));
        flags.add("--path", http.as_ref().map(|(_, path)| path));
        flags
    }
}

impl Flags {
    fn add_claims(&mut self, claims: &Claims) {
        self.add("--exe", Some(claims.exe));
        self.add("--subject", Some(&claims.subject));
        self.add("--code", claims.code);
        self.add("--script", claims.script);
        self.add("--name", Some(&claims.name).filter(|name| !name.is_empty()));
        for (name, value) in claims.labels.iter() {
            self.add("--label", Some(format!("{name}={value}")));
        }
    }

    fn add(&mut self, option: &str, value: Option<impl fmt::Display>) {
        let words = value.map(|value| [option.to_owned(), value.to_string()]);
        self.0.extend(words.into_iter().flatten());
    }
}

impl fmt::Display for Flags {
    /// As a shell reads it, unless a value holds something that must not be shown.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, word) in self.0.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,@%+".contains(letter);
            if !word.is_empty() && word.chars().all(plain) {
                write!(out, "{space}{word}")?;
            } else {
                write!(out, "{space}'{}'", escape(word).to_string().replace('\'', "'\\''"))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_one_word_of_a_shell() {
        let flags = Flags(["--label", "a=b c's", "--name", "\u{1b}[2J"].map(String::from).into());
        assert_eq!(flags.to_string(), r"--label 'a=b c'\''s' --name '\u{1b}[2J'");
    }
}
