//! Conditions of rules that do not hold, and how people are told.

use core::fmt;

/// A condition of a rule that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed<'p> {
    /// It is about processes, and no identity was presented.
    NoIdentity,
    /// It is about connections without identity, and one was presented.
    HasIdentity,
    /// It names these processes, and not this one.
    Process(Vec<&'p str>),
    /// The process must have this label.
    ProcessLabel(&'p str, &'p str),
    /// The process must have some value for this label.
    ProcessLabelMissing(&'p str),
    /// It names these destinations; with none, it wants one that the policy has an entry for.
    Destination(Vec<&'p str>),
    /// The destination must have this label.
    DestinationLabel(&'p str, &'p str),
    /// Process and destination must have the same value for this label.
    Same(&'p str),
    /// The port is none of these.
    Port(String),
    /// It is about HTTP, and this is something else.
    NotHttp,
    /// The method is none of these.
    Method(&'p [String]),
    /// The path is none of these.
    Path(String),
    /// The path could be understood in two ways, so no allow is satisfied by it.
    UnclearPath,
}

impl Failed<'_> {
    /// Where the condition stands in the rule, for example `to.ports`.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::NoIdentity | Self::HasIdentity => "from",
            Self::Process(_) => "from.process",
            Self::ProcessLabel(..) => "from.labels",
            Self::ProcessLabelMissing(_) => "from.same",
            Self::Destination(_) => "to.destination",
            Self::DestinationLabel(..) => "to.labels",
            Self::Same(_) => "to.same",
            Self::NotHttp => "to",
            Self::Port(_) => "to.ports",
            Self::Method(_) => "to.methods",
            Self::Path(_) | Self::UnclearPath => "to.paths",
        }
    }
}

impl fmt::Display for Failed<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoIdentity => out.write_str("it is about processes, and this connection shows no identity"),
            Self::HasIdentity => out.write_str("it is about connections without identity"),
            Self::Process(names) => write!(out, "the process is not {}", names.join(" or ")),
            Self::ProcessLabel(name, value) => write!(out, "the process lacks the label {name}={value}"),
            Self::ProcessLabelMissing(name) => write!(out, "the process has no label {name}"),
            Self::Destination(names) if names.is_empty() => {
                out.write_str("the destination is none of the policy's")
            }
            Self::Destination(names) => write!(out, "the destination is not {}", names.join(" or ")),
            Self::DestinationLabel(name, value) => {
                write!(out, "the destination lacks the label {name}={value}")
            }
            Self::Same(name) => write!(out, "process and destination differ in the label {name}"),
            Self::Port(ports) => write!(out, "the port is not in {ports}"),
            Self::NotHttp => out.write_str("it is about HTTP requests only"),
            Self::Method(methods) => write!(out, "the method is not {}", methods.join(" or ")),
            Self::Path(paths) => write!(out, "the path is not {paths}"),
            Self::UnclearPath => out.write_str(
                "the path has dot segments, hidden slashes or stray bytes, which no allow accepts",
            ),
        }
    }
}
