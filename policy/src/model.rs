//! A policy whose every part has been checked: what lint and `explain` walk, and what the index is
//! made from. Rules refer to processes and destinations by their place in the list.

use crate::pattern::{Cidr, HostPattern, PathPattern, PortRange};
use crate::raw::{Effect, Mode};
use procgate_identity::{Digest, KeyScope, Labels, PublicKey, TrustDomain, TrustedKeys};

/// A checked policy.
#[derive(Debug)]
pub struct Model {
    pub(crate) mode: Mode,
    pub(crate) forward: bool,
    pub(crate) trusted: TrustedKeys,
    pub(crate) keys: Vec<Key>,
    pub(crate) processes: Vec<Process>,
    pub(crate) destinations: Vec<NamedDestination>,
    pub(crate) rules: Vec<Rule>,
}

impl Model {
    /// Audit or enforce.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// The trust domain.
    #[must_use]
    pub const fn trust_domain(&self) -> &TrustDomain {
        self.trusted.domain()
    }

    /// The trusted keys, in the order of the document.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The processes, in the order of the document.
    #[must_use]
    pub fn processes(&self) -> &[Process] {
        &self.processes
    }

    /// The destinations, in the order of the document.
    #[must_use]
    pub fn destinations(&self) -> &[NamedDestination] {
        &self.destinations
    }

    /// The rules, in the order of the document.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

/// A trusted key and the subjects it may sign for.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key.
    pub key: PublicKey,
    /// What it may sign for.
    pub scope: KeyScope,
}

/// A process of the policy.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its name.
    pub name: String,
    /// The container it must run in, if that matters.
    pub container: Option<String>,
    /// The namespace it must run in, if that matters.
    pub namespace: Option<String>,
    /// The service account it must run under, if that matters.
    pub service_account: Option<String>,
    /// Digests of its executable, at least one.
    pub exe: Vec<Digest>,
    /// Digests of its code list; none pins nothing.
    pub code: Vec<Digest>,
    /// Digests of its script; none pins nothing.
    pub script: Vec<Digest>,
    /// Where its executable lies; for telling outcomes apart only.
    pub path: Option<String>,
}

/// A destination of the policy.
#[derive(Clone, Debug)]
pub struct NamedDestination {
    /// Its name.
    pub name: String,
    /// Host patterns.
    pub hosts: Vec<HostPattern>,
    /// Address ranges.
    pub cidrs: Vec<Cidr>,
    /// Labels.
    pub labels: Labels,
}

/// A rule of the policy.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// What it does.
    pub effect: Effect,
    /// Who it is about.
    pub from: Source,
    /// What destination it is about.
    pub to: Selector,
    /// Original destination ports; none means any.
    pub ports: Vec<PortRange>,
    /// HTTP methods; none means any, and traffic that is not HTTP too.
    pub methods: Vec<String>,
    /// HTTP paths; none means any, and traffic that is not HTTP too.
    pub paths: Vec<PathPattern>,
}

/// Who a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Everybody, with identity or without: a deny without `from`.
    Anyone,
    /// Connections that carry no identity.
    Unidentified,
    /// Recognised processes that meet these conditions.
    Process(Selector),
}

/// Conditions on a process or destination; all given ones must hold, for a destination all on the
/// same entry of the policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Places in the list of processes or destinations, ascending, none twice; empty means any.
    pub names: Vec<usize>,
    /// Labels it must have.
    pub labels: Labels,
    /// A label that must have the same value on both sides.
    pub same: Option<String>,
}

impl Selector {
    /// Whether it has no condition.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.names.is_empty() && self.labels.is_empty() && self.same.is_none()
    }
}
