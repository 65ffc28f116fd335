//! Who asks in a pod: the approved program, and those that are not it.

use crate::netns::Namespace;
use procgate_identity::RefusalReason;
use procgate_policy::Reason;
use std::net::SocketAddr;
use std::process::Command;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visitor {
    /// The approved program under the shim, which goes about it in this way: a mode, or a carrier.
    Approved(&'static str),
    /// A shell under the same shim.
    Shell(&'static str),
    /// The approved program in another container of the pod, which has no shim.
    Neighbour,
}

impl Visitor {
    /// Everybody who may ask, those under the shim in this way.
    #[must_use]
    pub const fn all(way: &'static str) -> [Self; 3] {
        [Self::Approved(way), Self::Shell(way), Self::Neighbour]
    }

    /// What is to become of it.
    #[must_use]
    pub const fn promised(self) -> Reason {
        match self {
            Self::Approved(_) => Reason::Allowed,
            Self::Shell(_) => Reason::UnknownProcess,
            Self::Neighbour => Reason::Identity(RefusalReason::NoIdentity),
        }
    }
}

/// Another container of the pod, to be followed by its program: it shares the pod's network and nothing else.
#[must_use]
pub fn neighbour(pod: &Namespace) -> Command {
    let mut unshare = pod.command("unshare");
    unshare.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--ipc", "--"]);
    unshare
}

/// A program that no policy approves, and its arguments: it connects, asks this host, and waits for an answer.
#[must_use]
pub fn shell(to: SocketAddr, host: &str) -> [String; 7] {
    const ASK: &str = r#"
exec 3<>"/dev/tcp/$1/$2"
printf 'GET /charge/1 HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n\r\n' "$3" >&3
timeout 5 cat <&3"#;
    let (address, port) = (to.ip().to_string(), to.port().to_string());
    ["bash".into(), "-c".into(), ASK.into(), "bash".into(), address, port, host.into()]
}
