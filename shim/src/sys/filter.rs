//! The seccomp filter (seccomp(2), Linux 5.5 and later): which system calls of the workload reach the
//! shim, and which ways around are closed.
//!
//! seccompiler would be the library for this, but it has no action for user notification.

use super::checked;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// x32 calls carry this bit in their number (x86-64 only, no real number is that large elsewhere).
const X32_BIT: u32 = 0x4000_0000;
/// `MSG_FASTOPEN`: connects and sends in one call.
const FAST_OPEN: u32 = 0x2000_0000;

/// A socket's type without its flags (`SOCK_TYPE_MASK` of include/linux/net.h).
const SOCKET_TYPE: u32 = 0xf;

/// Offsets in `struct seccomp_data`: the number, the architecture, the low half of an argument.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const fn argument(index: u32) -> u32 {
    16u32.saturating_add(index.saturating_mul(8))
}

const LOAD: u16 = 0x20;
const RETURN: u16 = 0x06;
const AND: u16 = 0x54;
const IF_EQUAL: u16 = 0x15;
const IF_AT_LEAST: u16 = 0x35;
const IF_ANY_BIT: u16 = 0x45;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const NOTIFY: u32 = libc::SECCOMP_RET_USER_NOTIF;
const NO_SUCH_CALL: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
const NOT_PERMITTED: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
const UNSUPPORTED: u32 = libc::SECCOMP_RET_ERRNO | libc::EOPNOTSUPP.unsigned_abs();

const fn step(code: u16, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt: 0, jf: 0, k }
}

/// Goes on with the next step if the test holds, else skips so many.
const fn unless_skip(code: u16, k: u32, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt: 0, jf, k }
}

/// What to do about one system call.
enum Rule {
    /// The kernel asks the shim.
    Notify(i64),
    /// The kernel asks the shim where the call makes a stream socket over IP.
    NotifyOfStreams(i64),
    /// It does not exist.
    Hide(i64),
    /// It fails if this argument asks for TCP Fast Open.
    NoFastOpen(i64, u32),
    /// It fails if its first argument is this.
    Forbid(i64, u32),
}

/// io_uring would connect without the shim being asked; a ring can also arrive ready-made over a Unix
/// socket. `execve` is asked about only so that the shim knows when a process becomes another program.
/// `PR_SET_MM` would let a process choose what the kernel names as its executable: root of a user namespace may,
/// which anybody can make.
const RULES: [Rule; 10] = [
    Rule::Notify(libc::SYS_connect),
    Rule::Notify(libc::SYS_execve),
    Rule::Notify(libc::SYS_execveat),
    Rule::Hide(libc::SYS_io_uring_setup),
    Rule::Hide(libc::SYS_io_uring_enter),
    Rule::Hide(libc::SYS_io_uring_register),
    Rule::NoFastOpen(libc::SYS_sendto, 3),
    Rule::NoFastOpen(libc::SYS_sendmsg, 2),
    Rule::NoFastOpen(libc::SYS_sendmmsg, 3),
    Rule::Forbid(libc::SYS_prctl, libc::PR_SET_MM.unsigned_abs()),
];

/// Where the shim makes the workload's sockets, it has to know which of them it may keep.
const OWN_SOCKETS: [Rule; 3] =
    [Rule::NotifyOfStreams(libc::SYS_socket), Rule::Notify(libc::SYS_bind), Rule::Notify(libc::SYS_listen)];

/// The filter as classic BPF.
fn program(own_sockets: bool) -> Vec<libc::sock_filter> {
    let mut steps = vec![
        step(LOAD, ARCH),
        libc::sock_filter { code: IF_EQUAL, jt: 1, jf: 0, k: ARCHITECTURE },
        step(RETURN, NO_SUCH_CALL),
        step(LOAD, NUMBER),
        unless_skip(IF_AT_LEAST, X32_BIT, 1),
        step(RETURN, NO_SUCH_CALL),
    ];
    let own_sockets = OWN_SOCKETS.iter().filter(|_| own_sockets);
    for rule in RULES.iter().chain(own_sockets) {
        let number = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        match *rule {
            Rule::Notify(call) => {
                steps.extend([unless_skip(IF_EQUAL, number(call), 1), step(RETURN, NOTIFY)]);
            }
            Rule::NotifyOfStreams(call) => steps.extend([
                unless_skip(IF_EQUAL, number(call), 8),
                step(LOAD, argument(0)),
                libc::sock_filter { code: IF_EQUAL, jt: 1, jf: 0, k: libc::AF_INET.unsigned_abs() },
                unless_skip(IF_EQUAL, libc::AF_INET6.unsigned_abs(), 4),
                step(LOAD, argument(1)),
                step(AND, SOCKET_TYPE),
                unless_skip(IF_EQUAL, libc::SOCK_STREAM.unsigned_abs(), 1),
                step(RETURN, NOTIFY),
                step(RETURN, ALLOW),
            ]),
            Rule::Hide(call) => {
                steps.extend([unless_skip(IF_EQUAL, number(call), 1), step(RETURN, NO_SUCH_CALL)]);
            }
            Rule::NoFastOpen(call, flags) => steps.extend([
                unless_skip(IF_EQUAL, number(call), 4),
                step(LOAD, argument(flags)),
                unless_skip(IF_ANY_BIT, FAST_OPEN, 1),
                step(RETURN, UNSUPPORTED),
                step(RETURN, ALLOW),
            ]),
            Rule::Forbid(call, first) => steps.extend([
                unless_skip(IF_EQUAL, number(call), 4),
                step(LOAD, argument(0)),
                unless_skip(IF_EQUAL, first, 1),
                step(RETURN, NOT_PERMITTED),
                step(RETURN, ALLOW),
            ]),
        }
    }
    steps.push(step(RETURN, ALLOW));
    steps
}

/// The filter, built where memory may be allocated, to be installed where it may not.
#[derive(Debug)]
pub(crate) struct Filter(Vec<libc::sock_filter>);

impl Filter {
    /// `own_sockets`: the shim makes the workload's sockets.
    pub(crate) fn new(own_sockets: bool) -> Self {
        Self(program(own_sockets))
    }

    /// Installs the filter on the calling thread for ever, and returns the descriptor on which its
    /// notifications arrive. Allocates nothing.
    ///
    /// # Errors
    /// EINVAL and ENOSYS from kernels without user notification, EPERM where the runtime forbids it,
    /// EBUSY where another listener is installed.
    pub(crate) fn install(&self) -> io::Result<OwnedFd> {
        // SAFETY: prctl with these arguments reads and writes no memory of ours.
        checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
        let killable = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
        self.set(killable).or_else(|error| {
            // Linux before 5.19 does not know the second flag.
            let old = error.raw_os_error() == Some(libc::EINVAL);
            if old { self.set(libc::SECCOMP_FILTER_FLAG_NEW_LISTENER) } else { Err(error) }
        })
    }

    fn set(&self, flags: libc::c_ulong) -> io::Result<OwnedFd> {
        let length = libc::c_ushort::try_from(self.0.len()).map_err(io::Error::other)?;
        let program = libc::sock_fprog { len: length, filter: self.0.as_ptr().cast_mut() };
        // SAFETY: the kernel reads `length` steps from the vector, which outlives the call, and
        // writes nothing.
        let result = unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
        };
        let listener = checked(i32::try_from(result).map_err(io::Error::other)?)?;
        // SAFETY: on success the kernel has just returned this descriptor to us alone.
        Ok(unsafe { OwnedFd::from_raw_fd(listener) })
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test fails loudly")]
mod tests {
    use super::*;

    /// Runs the filter as the kernel does (Documentation/networking/filter.rst).
    fn verdict(arch: u32, number: i64, arguments: [u64; 6]) -> u32 {
        run(&program(false), arch, number, arguments)
    }

    fn run(program: &[libc::sock_filter], arch: u32, number: i64, arguments: [u64; 6]) -> u32 {
        let mut data = Vec::new();
        data.extend(u32::try_from(number).unwrap().to_le_bytes());
        data.extend(arch.to_le_bytes());
        data.extend([0; 8]);
        arguments.iter().for_each(|argument| data.extend(argument.to_le_bytes()));
        let (mut accumulator, mut at) = (0u32, 0usize);
        loop {
            let libc::sock_filter { code, jt, jf, k } = program[at];
            at += 1;
            let mut jump = |holds| at += usize::from(if holds { jt } else { jf });
            match code {
                LOAD => {
                    let k = usize::try_from(k).unwrap();
                    accumulator = u32::from_le_bytes(data[k..k + 4].try_into().unwrap());
                }
                AND => accumulator &= k,
                IF_EQUAL => jump(accumulator == k),
                IF_AT_LEAST => jump(accumulator >= k),
                IF_ANY_BIT => jump(accumulator & k != 0),
                RETURN => return k,
                _ => panic!("an instruction that the filter does not use"),
            }
        }
    }

    #[test]
    fn connecting_and_executing_are_asked_about() {
        for call in [libc::SYS_connect, libc::SYS_execve, libc::SYS_execveat] {
            assert_eq!(verdict(ARCHITECTURE, call, [0; 6]), NOTIFY);
        }
    }

    #[test]
    fn everything_else_is_left_alone() {
        for call in [libc::SYS_read, libc::SYS_socket, libc::SYS_bind, libc::SYS_sendto, libc::SYS_sendmsg] {
            assert_eq!(verdict(ARCHITECTURE, call, [u64::from(!FAST_OPEN); 6]), ALLOW);
        }
    }

    #[test]
    fn stream_sockets_over_ip_are_asked_about_where_the_shim_makes_them() {
        let steps = program(true);
        let socket =
            |family: u64, kind: u64| run(&steps, ARCHITECTURE, libc::SYS_socket, [family, kind, 0, 0, 0, 0]);
        for (family, kind, asked) in [
            (2, 1, true),
            (10, 1, true),
            (2, 0o2_004_001, true),
            (0x1_0000_0002, 1, true),
            (1, 1, false),
            (2, 2, false),
            (10, 0o2_000_002, false),
            (16, 3, false),
        ] {
            assert_eq!(socket(family, kind), if asked { NOTIFY } else { ALLOW }, "{family} {kind}");
        }
        for call in [libc::SYS_bind, libc::SYS_listen, libc::SYS_connect] {
            assert_eq!(run(&steps, ARCHITECTURE, call, [0; 6]), NOTIFY);
        }
        assert_eq!(run(&steps, ARCHITECTURE, libc::SYS_read, [0; 6]), ALLOW);
    }

    #[test]
    fn foreign_calls_and_io_uring_do_not_exist() {
        assert_eq!(verdict(0x4000_0003, 102, [0; 6]), NO_SUCH_CALL);
        assert_eq!(verdict(ARCHITECTURE, libc::SYS_connect | i64::from(X32_BIT), [0; 6]), NO_SUCH_CALL);
        for call in [libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register] {
            assert_eq!(verdict(ARCHITECTURE, call, [0; 6]), NO_SUCH_CALL);
        }
    }

    #[test]
    fn no_process_chooses_its_executable_s_name() {
        let prctl = |option: u64| verdict(ARCHITECTURE, libc::SYS_prctl, [option, 0, 0, 0, 0, 0]);
        assert_eq!(prctl(35), NOT_PERMITTED);
        // The kernel takes the option for an int.
        assert_eq!(prctl(35 | 1 << 32), NOT_PERMITTED);
        assert_eq!((prctl(15), prctl(38)), (ALLOW, ALLOW));
    }

    #[test]
    fn fast_open_is_refused_in_the_argument_that_holds_the_flags() {
        for (call, flags) in [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)] {
            let mut arguments = [0; 6];
            arguments[flags] = u64::from(FAST_OPEN) | 0x40;
            assert_eq!(verdict(ARCHITECTURE, call, arguments), UNSUPPORTED);
            arguments.rotate_right(1);
            assert_eq!(verdict(ARCHITECTURE, call, arguments), ALLOW);
        }
    }
}
