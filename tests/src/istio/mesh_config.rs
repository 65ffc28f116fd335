//! The mesh's own configuration (MeshConfig), and parts that are merged into it as people merge them into theirs.

use serde_json::Value;

/// What a YAML text says.
///
/// # Panics
/// Where it is none.
#[must_use]
pub fn parsed(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"))
}

/// With what a part says: objects field by field, everything else in place of what was there.
#[must_use]
pub fn merged(whole: Value, part: &Value) -> Value {
    match (whole, part) {
        (Value::Object(mut whole), Value::Object(part)) => {
            for (name, value) in part {
                let before = whole.remove(name).unwrap_or_default();
                whole.insert(name.clone(), merged(before, value));
            }
            whole.into()
        }
        (_, part) => part.clone(),
    }
}
