//! Connecting the workload's own socket to the forwarder.

use crate::attest::Attestation;
use crate::forward::{Intent, Registration, Registry};
use crate::problems::Problems;
use crate::process::process_of;
use crate::sys::notify::Answer;
use crate::sys::socket::{is_unconnected, set_late_port};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::sync::atomic::{AtomicU32, Ordering};
use procgate_identity::canonical;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, bind, connect, getsockname, ipproto, sockopt};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// How long a blocking socket may wait for the forwarder's loopback listener, which answers within
/// the call unless it is flooded.
const PATIENCE: Duration = Duration::from_millis(200);
/// `PIDFD_THREAD` (Linux 6.9): the descriptor table is the thread's own, should it have one.
pub(crate) const PIDFD_THREAD: PidfdFlags = PidfdFlags::from_bits_retain(0o200);
const MPTCP: u32 = 262;

/// Tries what takes the program's sockets over. A runtime's seccomp profile may forbid it, and then no
/// connection would carry an identity.
pub(crate) fn try_pidfd() -> rustix::io::Result<()> {
    let own = pidfd_open(rustix::process::getpid(), PidfdFlags::empty())?;
    let number = own.as_raw_fd();
    pidfd_getfd(own, number, PidfdGetfdFlags::empty()).map(drop)
}

/// The workload's socket; nothing where it is no unconnected TCP socket over IP.
pub(super) fn socket_of(thread: u32, descriptor: u64) -> rustix::io::Result<Option<OwnedFd>> {
    let pid = |number: u32| i32::try_from(number).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH);
    let of_process = || pidfd_open(pid(process_of(thread).ok_or(Errno::SRCH)?)?, PidfdFlags::empty());
    let pidfd = pidfd_open(pid(thread)?, PIDFD_THREAD).or_else(|_| of_process())?;
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

/// Whether a socket can be connected to such an address; where it cannot, the kernel has its own words.
pub(super) fn fits(socket: &OwnedFd, destination: SocketAddr) -> bool {
    let six = sockopt::socket_domain(socket) == Ok(AddressFamily::INET6);
    let mapped = destination.is_ipv6() && canonical(destination).is_ipv4();
    destination.is_ipv6() == six && !(mapped && sockopt::ipv6_v6only(socket).unwrap_or(true))
}

/// Registers the socket with the forwarder and connects it there.
pub(super) fn hand_over(
    registry: &Registry,
    socket: OwnedFd,
    destination: SocketAddr,
    process: Attestation,
    problems: &Problems,
) -> Answer {
    let Place { forwarder, local, bound } = match place(registry, &socket) {
        Ok(place) => place,
        Err(error) => {
            problems.note(&format!("a socket cannot be bound on loopback ({error}): its connect fails"));
            return Answer::Error(error);
        }
    };
    // A socket of a connection that failed is still bound to loopback: that was not the program's choice.
    let source = bound.filter(|ip| !ip.is_loopback() || canonical(destination).ip().is_loopback());
    let socket = Arc::new(socket);
    let registration = Registration::new(Intent { destination, source, process }, Arc::clone(&socket));
    if !registry.register(local, registration) {
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
struct Place {
    forwarder: SocketAddr,
    local: SocketAddr,
    /// The source address that the socket was bound to already.
    bound: Option<IpAddr>,
}

/// Gives the socket a local address, unless it has one.
fn place(registry: &Registry, socket: &OwnedFd) -> rustix::io::Result<Place> {
    let way = Way::of(registry, socket)?;
    let local = name_of(socket)?;
    let bound = Some(local.ip()).filter(|ip| !ip.to_canonical().is_unspecified());
    if local.port() == 0 {
        // A program may have asked for a port at connect only, and it must be known before.
        let late = set_late_port(socket, false)?;
        bind(socket, &SocketAddr::new(bound.unwrap_or(way.source), 0))?;
        set_late_port(socket, late)?;
    }
    let local = name_of(socket)?;
    let ip = if local.ip().to_canonical().is_unspecified() { way.loopback } else { local.ip() };
    let bound = bound.map(|ip| ip.to_canonical());
    Ok(Place { forwarder: way.forwarder, local: canonical(SocketAddr::new(ip, local.port())), bound })
}

/// How a kind of socket reaches the forwarder.
struct Way {
    forwarder: SocketAddr,
    /// The source that the kernel chooses on the way there.
    loopback: IpAddr,
    /// The source to bind to.
    source: IpAddr,
}

impl Way {
    /// By IPv4 wherever the socket can, because there is more than one loopback address: a closed
    /// connection keeps its port for a minute, and a bound port is one of 28,000 of its address.
    fn of(registry: &Registry, socket: &OwnedFd) -> rustix::io::Result<Self> {
        let loopback = Ipv4Addr::LOCALHOST;
        if sockopt::socket_domain(socket)? != AddressFamily::INET6 {
            let source = next_source().into();
            return Ok(Self { forwarder: registry.v4, loopback: loopback.into(), source });
        }
        if sockopt::ipv6_v6only(socket)? {
            let forwarder = registry.v6.ok_or(Errno::ADDRNOTAVAIL)?;
            return Ok(Self { forwarder, loopback: forwarder.ip(), source: forwarder.ip() });
        }
        let mapped = |ip: Ipv4Addr| IpAddr::V6(ip.to_ipv6_mapped());
        let forwarder = SocketAddr::new(mapped(loopback), registry.v4.port());
        Ok(Self { forwarder, loopback: mapped(loopback), source: mapped(next_source()) })
    }
}

/// The next of a million loopback addresses, 127.80.0.0/12.
fn next_source() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: Ipv4Addr = Ipv4Addr::new(127, 80, 0, 0);
    Ipv4Addr::from_bits(FIRST.to_bits() | NEXT.fetch_add(1, Ordering::Relaxed) & 0x000f_ffff)
}

fn name_of(socket: &OwnedFd) -> rustix::io::Result<SocketAddr> {
    SocketAddr::try_from(getsockname(socket)?)
}

/// Connects without ever keeping this thread for long: the socket gets a send timeout for the time
/// being, a non-blocking one too, since its flags are shared with whoever shares the socket.
fn connect_patiently(socket: &OwnedFd, forwarder: SocketAddr) -> rustix::io::Result<()> {
    let before = sockopt::socket_timeout(socket, sockopt::Timeout::Send)?;
    sockopt::set_socket_timeout(socket, sockopt::Timeout::Send, Some(PATIENCE))?;
    let connected = connect(socket, &forwarder);
    sockopt::set_socket_timeout(socket, sockopt::Timeout::Send, before)?;
    connected
}

fn is_non_blocking(socket: &OwnedFd) -> bool {
    rustix::fs::fcntl_getfl(socket).is_ok_and(|flags| flags.contains(rustix::fs::OFlags::NONBLOCK))
}
