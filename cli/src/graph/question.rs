//! The question to `policy explain` that a flow answers to, as a line for a shell.

use super::flows::Flow;
use procgate_identity::Digest;

/// The command; what a peer chose is quoted so that a shell takes each for one word.
pub(super) fn about(flow: &Flow, policy: &str) -> String {
    let record = &flow.example;
    let digest = |digest: Option<Digest>| digest.map(|digest| digest.to_string());
    let mut line = "procgate policy explain".to_owned();
    let mut add = |option: &str, value: Option<&str>| {
        if let Some(value) = value {
            line.push_str(&format!(" {option} {}", quoted(value)));
        }
    };
    add("--policy", Some(policy));
    match record.subject.as_deref() {
        Some(subject) => {
            add("--subject", Some(subject));
            add("--exe", digest(record.exe).as_deref());
            add("--code", digest(record.code).as_deref());
            add("--script", digest(record.script).as_deref());
            add("--name", record.name.as_deref());
            for (name, value) in &record.labels {
                add("--label", Some(&format!("{name}={value}")));
            }
        }
        None => line.push_str(" --unidentified"),
    }
    let mut add = |option: &str, value: Option<&str>| {
        if let Some(value) = value {
            line.push_str(&format!(" {option} {}", quoted(value)));
        }
    };
    add("--host", record.host.as_deref().or(record.sni.as_deref()));
    add("--address", record.address.map(|address| address.to_string()).as_deref());
    add("--method", record.method.as_deref());
    add("--path", record.path.as_deref());
    line
}

/// One word for a POSIX shell; with characters that a terminal would obey, one for bash.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/.:_-=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into();
    }
    if text.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
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
    fn whatever_a_peer_chose_is_one_word_for_a_shell() {
        for text in
            ["", "a", "a b", "$(reboot)", "'; reboot; '", "a\nb", "\u{1b}[2J", "\u{202e}é", "\\x41", "`x`"]
        {
            let line = format!("printf %s {}", quoted(text));
            let output = std::process::Command::new("bash").args(["-c", &line]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text, "{line}");
            assert!(line.chars().all(|c| c == ' ' || c.is_ascii_graphic()), "{line}");
        }
    }
}
