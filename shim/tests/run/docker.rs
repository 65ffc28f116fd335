//! A container as Docker makes it by default, of which the shim notices the seccomp profile, the capabilities and the
//! user.

use crate::stage::Scratch;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The system calls that its profile allows.
const CALLS: &str = include_str!("docker-calls.txt");
/// What Docker leaves to root.
const CAPABILITIES: &str = "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,\
                            +net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap";

/// Who starts in it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum User {
    /// Root, with what Docker leaves to it.
    Root,
    /// Uid 1000 with all capabilities dropped and no-new-privileges.
    Nobody,
    /// Whoever runs the tests, who cannot become anybody else.
    Oneself,
}

impl User {
    /// Those that whoever runs the tests can be.
    pub(crate) fn possible() -> &'static [Self] {
        if rustix::process::getuid().is_root() { &[Self::Root, Self::Nobody] } else { &[Self::Oneself] }
    }
}

/// What starts programs in it.
#[derive(Debug)]
pub(crate) struct Docker(PathBuf);

impl Docker {
    pub(crate) fn new(scratch: &Scratch) -> Self {
        let allow = |call| format!("#ifdef __NR_{call}\nALLOW(__NR_{call})\n#endif\n");
        let calls = scratch.file("calls.h", CALLS.split_whitespace().map(allow).collect::<String>());
        let calls = format!("-DCALLS={calls:?}");
        Self(scratch.compile("docker", include_str!("docker.c"), &[&calls]))
    }

    /// A program in it, without its arguments.
    pub(crate) fn command(&self, user: User, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        match user {
            User::Root => command.args(["--inh-caps=-all", &format!("--bounding-set={CAPABILITIES}")]),
            User::Nobody => command
                .args(["--reuid=1000", "--regid=1000", "--clear-groups", "--no-new-privs"])
                .args(["--inh-caps=-all", "--bounding-set=-all"]),
            User::Oneself => command.arg("--no-new-privs"),
        };
        command.arg("--").arg(&self.0).arg(program);
        command
    }
}
