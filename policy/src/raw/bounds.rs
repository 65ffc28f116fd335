//! How much of everything a policy may have. The schema repeats these numbers; a test compares them.

use procgate_identity::{MAX_KEYS, MAX_LABEL_NAME, MAX_LABEL_VALUE, MAX_LABELS};

/// Rules. Ten times of what the largest measured policy needs; more would not fit
/// [`MAX_POLICY_BYTES`](crate::MAX_POLICY_BYTES) with readable names.
pub const MAX_RULES: usize = 100_000;
/// Processes: a few for each of some ten thousand workloads.
pub const MAX_PROCESSES: usize = 100_000;
/// Destinations, as processes.
pub const MAX_DESTINATIONS: usize = 100_000;
/// Suppressed findings: whoever needs as many should turn the kind off.
pub const MAX_SUPPRESSIONS: usize = 1_024;
/// Digests in one list: each of a rollout's versions has one, and a fleet may lag by a few.
pub const MAX_DIGESTS: usize = 256;
/// Host patterns of one destination.
pub const MAX_HOSTS: usize = 4_096;
/// Address ranges of one destination: a cloud provider publishes some thousand for one service.
pub const MAX_CIDRS: usize = 16_384;
/// Processes or destinations that one rule names: beyond, labels say it in one word.
pub const MAX_NAMES: usize = 1_024;
/// Ports and ranges of one rule.
pub const MAX_PORTS: usize = 256;
/// Methods of one rule: HTTP has nine, WebDAV some twenty more.
pub const MAX_METHODS: usize = 64;
/// Path patterns of one rule: every operation of a large API has one.
pub const MAX_PATHS: usize = 1_024;
/// Characters of a name, a host, a path or another text. DNS names have 253, paths in containers and
/// URLs seldom reach 1,000.
pub const MAX_TEXT: usize = 1_024;

/// Characters of an HTTP method: the longest registered one is UPDATEREDIRECTREF.
pub(crate) const MAX_METHOD: usize = 32;
/// Characters of the name of a rule, a process or a destination: it stands in every record.
pub(crate) const MAX_NAME: usize = 128;
/// Keys, as `identity` can hold them.
pub(crate) const MAX_TRUSTED: usize = MAX_KEYS;
/// Labels on one thing, and the sizes of their parts, as tokens can hold them.
pub(crate) const LABELS: (usize, usize, usize) = (MAX_LABELS, MAX_LABEL_NAME, MAX_LABEL_VALUE);
