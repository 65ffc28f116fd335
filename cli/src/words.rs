//! A command line, for somebody to run.

use crate::escape::is_hidden;
use core::fmt;
use serde::Serialize;

/// Words, the same for a program that starts another and, shown, for a shell.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Words(Vec<String>);

impl Words {
    /// Adds a word.
    pub(crate) fn push(&mut self, word: impl Into<String>) {
        self.0.push(word.into());
    }

    /// Adds an option, where there is a value for it.
    pub(crate) fn option(&mut self, option: &str, value: Option<impl fmt::Display>) {
        match value.map(|value| value.to_string()) {
            // As a word of its own it would be taken for an option.
            Some(value) if value.starts_with('-') => self.0.push(format!("{option}={value}")),
            Some(value) => self.0.extend([option.to_owned(), value]),
            None => {}
        }
    }
}

impl fmt::Display for Words {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted: Vec<_> = self.0.iter().map(|word| quoted(word)).collect();
        out.write_str(&quoted.join(" "))
    }
}

/// One word for a POSIX shell; with characters that a terminal would obey or not show, one for bash.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/.:_-=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into();
    }
    if !text.chars().any(is_hidden) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let byte = |byte: u8| match byte {
        b'\'' | b'\\' => format!("\\{}", char::from(byte)),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    };
    format!("$'{}'", text.bytes().map(byte).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_peer_chose_is_one_word_for_a_shell_and_moves_no_terminal() {
        for text in [
            "",
            "a",
            "a b",
            "b c's",
            "$(reboot)",
            "'; reboot; '",
            "a\nb",
            "\u{1b}[2J",
            "\u{202e}é",
            "été=ü",
            "\\x41",
            "`x`",
            "a'\u{1b}\\",
        ] {
            let line = format!("printf %s {}", quoted(text));
            let output = std::process::Command::new("bash").args(["-c", &line]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text, "{line}");
            assert!(!line.chars().any(is_hidden), "{line}");
        }
    }

    #[test]
    fn a_value_that_begins_like_an_option_is_one_word_with_it() {
        let mut words = Words::default();
        words.option("--host", Some("-x y"));
        words.option("--name", Some("a b"));
        words.option("--path", None::<&str>);
        assert_eq!(words.to_string(), "'--host=-x y' --name 'a b'");
    }
}
