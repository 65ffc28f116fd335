//! The drawing as one HTML file that needs nothing else: no network, no other file.

use super::model::Model;
use crate::escape::escape;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use procgate_identity::Digest;
use serde_json::Value;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");
/// The drawing library, as its makers publish it; `scripts/vendor-cytoscape` checks that.
const LIBRARY: &str = include_str!("../../vendor/cytoscape/cytoscape.min.js");

/// The page.
pub(super) fn page(model: &Model) -> String {
    let data = data(model);
    let scripts = [LIBRARY, SCRIPT].map(allowed).join(" ");
    let mut page = String::with_capacity(PAGE.len().saturating_add(LIBRARY.len()).saturating_add(data.len()));
    // In one pass: what is filled in may have such markers in it.
    let mut rest = PAGE;
    while let Some((before, (name, after))) =
        rest.split_once("{{").and_then(|(before, tail)| Some((before, tail.split_once("}}")?)))
    {
        page.push_str(before);
        page.push_str(match name {
            "STYLE" => STYLE,
            "SCRIPTS" => &scripts,
            "LIBRARY" => LIBRARY,
            "PAGE" => SCRIPT,
            _ => &data,
        });
        rest = after;
    }
    page.push_str(rest);
    page
}

/// The source by which a content security policy lets this very script run, and no other that somebody might
/// bring into the page.
fn allowed(script: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Digest::of(script.as_bytes()).as_bytes()))
}

/// The drawing as JSON for a script element: within it, nothing ends the element or begins a comment, and what a
/// peer chose is escaped as on a terminal.
fn data(model: &Model) -> String {
    let mut value = serde_json::to_value(model).unwrap_or_default();
    escape_texts(&mut value);
    let json = value.to_string();
    let mut data = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                data.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            plain => data.push(plain),
        }
    }
    data
}

/// Escapes every text but the two kinds that are so already: commands, and rules with their line breaks.
fn escape_texts(value: &mut Value) {
    match value {
        Value::String(text) => *text = escape(text).to_string(),
        Value::Array(items) => items.iter_mut().for_each(escape_texts),
        Value::Object(fields) => {
            let others = fields.iter_mut().filter(|(name, _)| *name != "explain" && *name != "rule_texts");
            others.for_each(|(_, value)| escape_texts(value));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_the_one_whose_checksum_stands_beside_it() {
        let sums = include_str!("../../vendor/cytoscape/SHA256SUMS");
        let digest = Digest::of(LIBRARY.as_bytes()).to_string();
        let line = format!("{}  cytoscape.min.js", digest.trim_start_matches("sha256:"));
        assert!(sums.lines().any(|known| known == line), "{line}");
    }

    #[test]
    fn no_script_ends_its_own_element() {
        for script in [LIBRARY, SCRIPT] {
            let script = script.to_lowercase();
            assert!(!script.contains("</script") && !script.contains("<!--") && !script.contains("<script"));
        }
    }
}
