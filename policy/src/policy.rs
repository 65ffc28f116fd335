//! A policy ready to judge.

use crate::check::check;
use crate::index::Index;
use crate::mistake::Mistakes;
use crate::model::{Model, Needs};
use crate::raw::{Mode, RawPolicy};
use procgate_identity::{Digest, TrustedKeys};

/// A policy in which every reference resolves, every key can verify and every pattern can match.
#[derive(Debug)]
pub struct Policy {
    model: Model,
    index: Index,
    sha256: Digest,
    needs: Needs,
}

impl Policy {
    /// Reads, checks and compiles JSON of at most [`MAX_POLICY_BYTES`](crate::MAX_POLICY_BYTES).
    ///
    /// # Errors
    /// Every mistake of form; if there is none, every mistake of meaning.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Mistakes> {
        Self::read_from(bytes, &RawPolicy::from_json(bytes)?)
    }

    /// Reads, checks and compiles YAML, of which JSON is a part.
    ///
    /// # Errors
    /// As [`Policy::from_json`].
    #[cfg(feature = "yaml")]
    pub fn from_yaml(bytes: &[u8]) -> Result<Self, Mistakes> {
        Self::read_from(bytes, &RawPolicy::from_yaml(bytes)?)
    }

    /// Checks and compiles what [`RawPolicy::from_json`] or [`RawPolicy::from_yaml`] read from these bytes.
    ///
    /// # Errors
    /// Every mistake of meaning.
    pub fn read_from(bytes: &[u8], raw: &RawPolicy) -> Result<Self, Mistakes> {
        Self::build(raw, Digest::of(bytes))
    }

    /// Checks and compiles a policy that was put together by a program. Its digest is that of the
    /// JSON it is written as.
    ///
    /// # Errors
    /// Every mistake of meaning.
    pub fn new(raw: &RawPolicy) -> Result<Self, Mistakes> {
        let json = serde_json::to_vec(raw)
            .map_err(|error| Mistakes::of_document(error.to_string(), "report this"))?;
        Self::build(raw, Digest::of(&json))
    }

    /// Checks and compiles a part of a policy, for the time of one question. Its digest is of no text.
    ///
    /// # Errors
    /// Every mistake of meaning.
    pub(crate) fn of_part(raw: &RawPolicy) -> Result<Self, Mistakes> {
        Self::build(raw, Digest::of(b"a part"))
    }

    fn build(raw: &RawPolicy, sha256: Digest) -> Result<Self, Mistakes> {
        let model = check(raw)?;
        let index = Index::new(&model);
        let needs = model.needs();
        Ok(Self { model, index, sha256, needs })
    }

    /// Audit or enforce.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.model.mode
    }

    /// Whether requests that proceed take their token along, for the receiver to check.
    #[must_use]
    pub const fn forwards(&self) -> bool {
        self.model.forward
    }

    /// The keys that tokens are verified with.
    #[must_use]
    pub const fn trusted_keys(&self) -> &TrustedKeys {
        &self.model.trusted
    }

    /// The digest of the bytes that the policy was read from: the policy's own identity.
    #[must_use]
    pub const fn sha256(&self) -> Digest {
        self.sha256
    }

    /// What has to be found out about a connection.
    #[must_use]
    pub const fn needs(&self) -> Needs {
        self.needs
    }

    /// The checked policy, for tools that walk it.
    #[must_use]
    pub const fn model(&self) -> &Model {
        &self.model
    }

    pub(crate) const fn index(&self) -> &Index {
        &self.index
    }
}
