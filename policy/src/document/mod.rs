//! Stage one of reading: bytes become a tree in which every key that was written is still there.
//!
//! `serde_json::Value` would do but for two things: it drops the first of two equal keys silently,
//! and a policy in which a reader and the machine see different values is a way to be deceived.

mod node;
#[cfg(feature = "yaml")]
mod yaml;

pub(crate) use node::{Items, Node};

use crate::mistake::Mistakes;
use node::{MAX_DEPTH, MAX_NODES};

/// Bytes of a policy. 10,000 rules have about 2 MB; the control plane would not ship much more.
pub const MAX_POLICY_BYTES: usize = 8 * 1024 * 1024;

/// The text of a policy: not empty, not too long, UTF-8.
fn text(bytes: &[u8]) -> Result<&str, Mistakes> {
    if bytes.len() > MAX_POLICY_BYTES {
        return Err(Mistakes::of_document(
            format!("{} bytes", bytes.len()),
            format!("write at most {MAX_POLICY_BYTES}; labels say in one rule what names say in many"),
        ));
    }
    let text = core::str::from_utf8(bytes).map_err(|error| {
        Mistakes::of_document(format!("not UTF-8 at byte {}", error.valid_up_to()), "save the file as UTF-8")
    })?;
    if text.trim_ascii().is_empty() {
        return Err(Mistakes::of_document(
            "empty",
            "write at least version, mode and trust; `procgate keygen` prints the entry of a key for trust",
        ));
    }
    Ok(text)
}

/// Reads JSON (RFC 8259).
pub(crate) fn from_json<'d>(bytes: &'d [u8], items: &mut dyn Items) -> Result<Node<'d>, Mistakes> {
    // From bytes, as tokens are read too: one reader in the module instead of two.
    let mut json = serde_json::Deserializer::from_slice(text(bytes)?.as_bytes());
    node::read(&mut json, items)
        .and_then(|node| json.end().map(|()| node))
        .map_err(|error| Mistakes::of_document(format!("not JSON that can be a policy: {error}"), remedy()))
}

fn remedy() -> String {
    format!("correct it there; at most {MAX_NODES} values are read, nested {MAX_DEPTH} deep")
}

/// Reads YAML 1.2, of which JSON is a part.
#[cfg(feature = "yaml")]
pub(crate) fn from_yaml<'d>(bytes: &'d [u8], items: &mut dyn Items) -> Result<Node<'d>, Mistakes> {
    yaml::parse(text(bytes)?, items)
}
