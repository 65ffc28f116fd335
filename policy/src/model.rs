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

    /// The keys that tokens are verified with.
    #[must_use]
    pub const fn trusted_keys(&self) -> &TrustedKeys {
        &self.trusted
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

    /// What has to be found out about a connection.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let any_rule = |asks: fn(&Rule) -> bool| self.rules.iter().any(asks);
        let any_destination = |has: fn(&NamedDestination) -> bool| self.destinations.iter().any(has);
        Needs {
            host: any_destination(|destination| !destination.hosts.is_empty()),
            address: any_destination(|destination| !destination.cidrs.is_empty())
                || any_rule(|rule| !rule.ports.is_empty()),
            method: any_rule(|rule| !rule.methods.is_empty()),
            path: any_rule(|rule| !rule.paths.is_empty()),
        }
    }
}

/// What a caller has to find out about a connection for this policy. Whatever is not needed may be
/// left out of the [`Destination`](crate::Destination) without changing any verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Some destination has host patterns.
    pub host: bool,
    /// Some destination has address ranges, or some rule has ports.
    pub address: bool,
    /// Some rule has methods. Method and path come together in [`Http`](crate::Http): where one is
    /// needed and the other is not, the other may be empty.
    pub method: bool,
    /// Some rule has paths.
    pub path: bool,
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
