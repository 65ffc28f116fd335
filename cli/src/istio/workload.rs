//! Which proxies the manifests are for.

use crate::failure::Problem;
use procgate_identity::Digest;
use serde_json::{Map, Value, json};

/// Kubernetes' bound on a namespace, and on a label's value.
const MAX_NAME: usize = 63;

/// Digits of the digest in an object's name: one in four milliards is another's.
const DIGITS: usize = 8;

/// A namespace, and the labels of its pods that are meant; none are all.
#[derive(Clone, Debug)]
pub(super) struct Workload {
    namespace: String,
    labels: Map<String, Value>,
}

impl Workload {
    /// Of the words on the command line.
    pub(super) fn new(namespace: &str, labels: &[String]) -> Result<Self, Problem> {
        let is_name = !namespace.is_empty()
            && namespace.len() <= MAX_NAME
            && namespace
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !namespace.starts_with('-')
            && !namespace.ends_with('-');
        if !is_name {
            let next = "write lower-case letters, digits and -, at most 63";
            return Err(Problem::new("is no namespace").at(format!("--namespace {namespace}")).next(next));
        }
        let mut known = Map::new();
        for label in labels {
            let place = || format!("--workload {label}");
            let Some((name, value)) = label.split_once('=').filter(|(name, _)| !name.is_empty()) else {
                return Err(Problem::new("is no label")
                    .at(place())
                    .next("write NAME=VALUE, such as app=checkout"));
            };
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            if value.len() > MAX_NAME || !value.bytes().all(allowed) {
                let next = "write letters, digits, -, _ and ., at most 63";
                return Err(Problem::new("no label has such a value").at(place()).next(next));
            }
            if known.insert(name.to_owned(), value.into()).is_some() {
                return Err(Problem::new("is given twice").at(place()).next("leave one"));
            }
        }
        Ok(Self { namespace: namespace.to_owned(), labels: known })
    }

    /// The namespace.
    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// What tells objects for these labels apart from those for others in the namespace: their values for the eye,
    /// and a digest of all of them, since app=pay and tier=pay are not the same pods, nor app=a_b and app=a-b.
    pub(super) fn suffix(&self) -> String {
        if self.labels.is_empty() {
            return String::new();
        }
        let values: Vec<&str> = self.labels.values().filter_map(Value::as_str).collect();
        let letter =
            |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
        let shown: String = values.join("-").chars().map(letter).take(MAX_NAME).collect();
        let digest = Digest::of(self.selector().to_string().as_bytes()).hex();
        let digest: String = digest.iter().take(DIGITS).copied().map(char::from).collect();
        format!("-{}-{digest}", shown.trim_matches('-'))
    }

    /// As a WasmPlugin selects.
    pub(super) fn selector(&self) -> Value {
        self.selecting("matchLabels")
    }

    /// As an EnvoyFilter selects.
    pub(super) fn workload_selector(&self) -> Value {
        self.selecting("labels")
    }

    /// Nothing for all pods: Istio takes a selector without labels for a slip.
    fn selecting(&self, field: &str) -> Value {
        if self.labels.is_empty() { Value::Null } else { json!({field: self.labels}) }
    }
}
