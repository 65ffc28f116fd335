//! What a token says, whoever wrote it: nothing here has been checked.

use crate::clock;
use crate::escape::escape;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::fmt;
use procgate_identity::{Serial, UnixNanos, UnixSeconds};
use serde::Serialize;
use serde_json::{Map, Value};

/// Header and payload as JSON, read as far as they can be. A verifier is strict where this is not:
/// somebody who looks at a token that was refused wants to see what stands in it.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Claimed {
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Map<String, Value>>,
}

impl Claimed {
    /// The parts of the token that can be read.
    pub(crate) fn read(token: &[u8]) -> Self {
        let mut parts = token.split(|byte| *byte == b'.').map(part);
        Self { header: parts.next().flatten(), payload: parts.next().flatten() }
    }
}

fn part(text: &[u8]) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    serde_json::from_slice(&bytes).ok()
}

impl fmt::Display for Claimed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, words: &str| writeln!(out, "  {name:<12} {}", escape(words));
        if let Some(header) = &self.header {
            line("signed with", &format!("key {}, {}", text(header.get("kid")), text(header.get("alg"))))?;
        }
        let Some(payload) = &self.payload else { return line("claims", "cannot be read") };
        let claim = |name: &str| payload.get(name);
        line("container", &text(claim("sub")))?;
        line("executable", &format!("{}  {}", text(claim("exe")), text(claim("name"))))?;
        line("code list", &code(claim("code"), claim("stray")))?;
        if let Some(script) = claim("script") {
            line("script", &text(Some(script)))?;
        }
        if let Some(labels) = claim("labels") {
            line("labels", &pairs(labels))?;
        }
        line("connection", &format!("{} -> {}", text(claim("src")), text(claim("dst"))))?;
        line("lifetime", &lifetime(claim("iat"), claim("exp")))?;
        line("serial", &serial(claim("jti")))?;
        line("audience", &text(claim("aud")))?;
        line("issuer", &text(claim("iss")))?;
        let others = payload.iter().filter(|(name, _)| !KNOWN.contains(&name.as_str()));
        others.into_iter().try_for_each(|(name, value)| {
            line("unknown", &format!("{name}: {} (ignored)", text(Some(value))))
        })
    }
}

const KNOWN: [&str; 14] = [
    "iss", "sub", "aud", "iat", "exp", "jti", "exe", "code", "stray", "script", "name", "labels", "src",
    "dst",
];

/// A string as it is, anything else as JSON.
fn text(value: Option<&Value>) -> String {
    match value {
        None => "(missing)".into(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

fn code(code: Option<&Value>, stray: Option<&Value>) -> String {
    match (code, stray) {
        (Some(code), _) => text(Some(code)),
        (None, None) => "none: the shim had no code list".into(),
        (None, Some(stray)) => {
            let part = |name: &str| stray.get(name).map(|value| text(Some(value)));
            let path = part("path").unwrap_or_else(|| text(Some(stray)));
            let digest = part("digest").unwrap_or_else(|| "unreadable".into());
            format!("none: {path} ({digest}) is mapped and not on the list")
        }
    }
}

fn pairs(labels: &Value) -> String {
    let pair = |(name, value): (&String, &Value)| format!("{name}={}", text(Some(value)));
    labels
        .as_object()
        .map_or_else(|| text(Some(labels)), |labels| labels.iter().map(pair).collect::<Vec<_>>().join(", "))
}

fn lifetime(issued: Option<&Value>, expires: Option<&Value>) -> String {
    let seconds = |value: Option<&Value>| value.and_then(Value::as_u64);
    let time = |value: Option<&Value>| {
        seconds(value).map_or_else(|| text(value), |seconds| clock::format(UnixSeconds(seconds)))
    };
    let span = seconds(issued).and_then(|from| seconds(expires)?.checked_sub(from));
    let span = span.map_or_else(String::new, |span| format!(" ({span} s)"));
    format!("{} until {}{span}", time(issued), time(expires))
}

fn serial(value: Option<&Value>) -> String {
    let written = text(value);
    match written.parse::<Serial>() {
        Ok(serial) => format!("{written}, made {}", clock::format(UnixNanos(serial.0).seconds())),
        Err(()) => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(payload: &str) -> Claimed {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let header = r#"{"alg":"EdDSA","kid":"k","typ":"JWT"}"#;
        Claimed::read(format!("{}.{}.", part(header), part(payload)).as_bytes())
    }

    #[test]
    fn a_claim_cannot_write_to_the_terminal() {
        let text = token(r#"{"name":"\u001b[2J\nverified: \u202e","x\ny":1}"#).to_string();
        let shown = |c: char| c == '\n' || !c.is_control() && c != '\u{202e}';
        assert!(text.chars().all(shown), "{text}");
        assert!(!text.contains("\nverified"), "{text}");
    }

    #[test]
    fn a_stray_file_is_named() {
        let text = token(r#"{"stray":{"path":"/tmp/x.so"}}"#).to_string();
        assert!(text.contains("/tmp/x.so (unreadable) is mapped and not on the list"), "{text}");
    }

    #[test]
    fn claims_of_the_wrong_kind_are_shown_as_they_are() {
        let text = token(r#"{"iat":-1,"exp":"soon","labels":[],"jti":7,"sub":{"a":1}}"#).to_string();
        assert!(text.contains("-1 until soon") && text.contains(r#"{"a":1}"#), "{text}");
    }

    #[test]
    fn what_is_no_token_claims_nothing() {
        for text in ["", ".", "..", "a.b.c", "!!.!!", "é"] {
            assert_eq!(Claimed::read(text.as_bytes()), Claimed::default(), "{text}");
        }
        let deep = format!("{{\"a\":{}", "[".repeat(3000));
        assert_eq!(token(&deep).payload, None);
    }
}
