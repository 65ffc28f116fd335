//! What a policy matches connections with: hosts, address ranges, ports and paths.

mod cidr;
mod host;
mod path;
mod port;
mod request_path;

pub use cidr::Cidr;
pub use host::{HostPattern, host_name};
pub use path::{MAX_SEGMENTS, PathPattern, Segment};
pub(crate) use port::PortPrefix;
pub use port::PortRange;
pub use request_path::clear_path;

pub(crate) use cidr::masked;
pub(crate) use host::Host;
pub(crate) use request_path::RequestPath;

/// Why a text is no pattern, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PatternError {
    /// What is wrong.
    pub(crate) problem: &'static str,
    /// What to write.
    pub(crate) remedy: String,
}

impl PatternError {
    fn new(problem: &'static str, remedy: impl Into<String>) -> Self {
        Self { problem, remedy: remedy.into() }
    }
}
