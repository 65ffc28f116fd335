//! How tokens travel, and how the shim gets at the program's sockets.

use std::fmt;

/// One combination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In the first request's head, by the mode that the shim chooses itself.
    Header,
    /// In a PROXY v2 preface on the program's own socket, of which the shim takes a duplicate.
    PrefaceByPidfd,
    /// The same on a socket that the shim has made.
    PrefaceByOwnSocket,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Header, Self::PrefaceByPidfd, Self::PrefaceByOwnSocket];
    /// Those with a preface.
    pub const PREFACES: [Self; 2] = [Self::PrefaceByPidfd, Self::PrefaceByOwnSocket];

    /// The shim's options.
    #[must_use]
    pub const fn options(self) -> &'static [&'static str] {
        match self {
            Self::Header => &["--carrier", "header"],
            Self::PrefaceByPidfd => &["--carrier", "proxy-v2", "--require", "pidfd"],
            Self::PrefaceByOwnSocket => &["--carrier", "proxy-v2", "--require", "own-socket"],
        }
    }

    /// Whether the token is ahead of the program's bytes, on the program's own connection.
    #[must_use]
    pub fn is_preface(self) -> bool {
        self != Self::Header
    }
}

/// As in the name of a test.
impl fmt::Display for Way {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Header => "header",
            Self::PrefaceByPidfd => "proxy_v2_by_pidfd",
            Self::PrefaceByOwnSocket => "proxy_v2_by_own_socket",
        })
    }
}
