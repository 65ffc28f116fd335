//! Connecting the workload's own socket to the forwarder.

use crate::attest::Attestation;
use crate::forward::{Registration, Registry};
use crate::problems::Problems;
use crate::sys::notify::Answer;
use crate::sys::socket::is_unconnected;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use procgate_identity::canonical;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, bind, connect, getsockname, ipproto, sockopt};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// How long a blocking socket may wait for the forwarder's loopback listener, which answers within
/// the call unless it is flooded.
const PATIENCE: Duration = Duration::from_millis(200);
/// `PIDFD_THREAD` (Linux 6.9): the descriptor table is the thread's own, should it have one.
pub(crate) const PIDFD_THREAD: PidfdFlags = PidfdFlags::from_bits_retain(0o200);
const MPTCP: u32 = 262;

/// The workload's socket; nothing where it is no unconnected TCP socket over IP.
pub(super) fn socket_of(thread: u32, process: u32, descriptor: u64) -> rustix::io::Result<Option<OwnedFd>> {
    let pid = |number: u32| i32::try_from(number).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH);
    let pidfd =
        pidfd_open(pid(thread)?, PIDFD_THREAD).or_else(|_| pidfd_open(pid(process)?, PidfdFlags::empty()))?;
    let Ok(descriptor) = i32::try_from(descriptor & u64::from(u32::MAX)) else { return Ok(None) };
    let socket = match pidfd_getfd(pidfd, descriptor, PidfdGetfdFlags::empty()) {
        Ok(socket) => socket,
        // The kernel will tell the caller.
        Err(Errno::BADF) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(is_fresh_tcp(&socket).then_some(socket))
}

fn is_fresh_tcp(socket: &OwnedFd) -> bool {
    let family = sockopt::socket_domain(socket);
    let protocol = sockopt::socket_protocol(socket).ok().flatten();
    matches!(family, Ok(AddressFamily::INET | AddressFamily::INET6))
        && sockopt::socket_type(socket) == Ok(SocketType::STREAM)
        && protocol.is_some_and(|protocol| protocol == ipproto::TCP || protocol.as_raw().get() == MPTCP)
        && is_unconnected(socket).unwrap_or(false)
}

/// Registers the socket with the forwarder and connects it there.
pub(super) fn hand_over(
    registry: &Registry,
    socket: OwnedFd,
    destination: SocketAddr,
    process: Attestation,
    problems: &Problems,
) -> Answer {
    let prepared = prepare(registry, &socket, destination);
    let Prepared { forwarder, local, bound } = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            problems.note(&format!("a socket cannot be bound on loopback ({error}): its connect fails"));
            return Answer::Error(error);
        }
    };
    let Ok(copy) = rustix::io::fcntl_dupfd_cloexec(&socket, 3) else { return Answer::Error(Errno::MFILE) };
    if !registry.register(local, Registration::new(destination, bound, process, copy)) {
        problems.note("too many connections wait for the forwarder: further connects fail");
        return Answer::Error(Errno::AGAIN);
    }
    match connect_patiently(&socket, forwarder) {
        Ok(()) => Answer::Success,
        Err(Errno::INPROGRESS) if is_non_blocking(&socket) => Answer::Error(Errno::INPROGRESS),
        Err(error) => {
            registry.withdraw(local);
            problems.note(&format!("the forwarder cannot be reached ({error}): connects fail"));
            Answer::Error(if error == Errno::INPROGRESS { Errno::TIMEDOUT } else { error })
        }
    }
}

/// Where a socket is to be connected to, and by which address the forwarder will know it.
struct Prepared {
    forwarder: SocketAddr,
    local: SocketAddr,
    /// The source address that the program had bound the socket to.
    bound: Option<IpAddr>,
}

fn prepare(registry: &Registry, socket: &OwnedFd, destination: SocketAddr) -> rustix::io::Result<Prepared> {
    let six = sockopt::socket_domain(socket)? == AddressFamily::INET6;
    let v4 = destination.ip().to_canonical().is_ipv4();
    let (loopback, forwarder): (IpAddr, _) = match (six, v4) {
        (false, _) => (Ipv4Addr::LOCALHOST.into(), registry.v4),
        (true, true) => {
            let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
            (mapped.into(), SocketAddr::new(mapped.into(), registry.v4.port()))
        }
        (true, false) => (Ipv6Addr::LOCALHOST.into(), registry.v6.ok_or(Errno::ADDRNOTAVAIL)?),
    };
    let local = name_of(socket)?;
    let bound = Some(local.ip()).filter(|ip| !ip.to_canonical().is_unspecified());
    if local.port() == 0 {
        bind(socket, &SocketAddr::new(bound.unwrap_or(loopback), 0))?;
    }
    let local = name_of(socket)?;
    let ip = if local.ip().to_canonical().is_unspecified() { loopback } else { local.ip() };
    Ok(Prepared { forwarder, local: canonical(SocketAddr::new(ip, local.port())), bound })
}

fn name_of(socket: &OwnedFd) -> rustix::io::Result<SocketAddr> {
    SocketAddr::try_from(getsockname(socket)?)
}

/// Connects without ever keeping this thread for long: a blocking socket gets a send timeout for the
/// time being.
fn connect_patiently(socket: &OwnedFd, forwarder: SocketAddr) -> rustix::io::Result<()> {
    if is_non_blocking(socket) {
        return connect(socket, &forwarder);
    }
    let before = sockopt::socket_timeout(socket, sockopt::Timeout::Send)?;
    sockopt::set_socket_timeout(socket, sockopt::Timeout::Send, Some(PATIENCE))?;
    let connected = connect(socket, &forwarder);
    sockopt::set_socket_timeout(socket, sockopt::Timeout::Send, before)?;
    connected
}

fn is_non_blocking(socket: &OwnedFd) -> bool {
    rustix::fs::fcntl_getfl(socket).is_ok_and(|flags| flags.contains(rustix::fs::OFlags::NONBLOCK))
}
