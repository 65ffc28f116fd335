//! Connecting the workload's own socket to the forwarder.

use super::held::connect_patiently;
use super::sockets::is_non_blocking;
use crate::attest::Attestation;
use crate::forward::{Intent, Registration, Registry};
use crate::problems::Problems;
use crate::sys::notify::Answer;
use crate::sys::socket::set_late_port;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::sync::atomic::{AtomicU32, Ordering};
use procgate_identity::canonical;
use rustix::io::Errno;
use rustix::net::{AddressFamily, bind, getsockname, sockopt};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// How long a blocking socket may wait for the forwarder's loopback listener, which answers within
/// the call unless it is flooded.
const PATIENCE: Duration = Duration::from_millis(200);
/// Registers the socket with the forwarder and connects it there.
pub(super) fn hand_over(
    registry: &Registry,
    socket: &Arc<OwnedFd>,
    destination: SocketAddr,
    process: Attestation,
    problems: &Problems,
) -> Answer {
    let Place { forwarder, local, bound } = match place(registry, socket) {
        Ok(place) => place,
        Err(error) => {
            problems.note(&format!("a socket cannot be bound on loopback ({error}): its connect fails"));
            return Answer::Error(error);
        }
    };
    // A socket of a connection that failed is still bound to loopback: that was not the program's choice.
    let source = bound.filter(|ip| !ip.is_loopback() || canonical(destination).ip().is_loopback());
    let registration = Registration::new(Intent { destination, source, process }, Arc::clone(socket));
    if !registry.register(local, registration) {
        problems.note("too many connections wait for the forwarder: further connects fail");
        return Answer::Error(Errno::AGAIN);
    }
    match connect_patiently(socket, forwarder, PATIENCE) {
        Ok(()) => Answer::Success,
        Err(Errno::INPROGRESS) if is_non_blocking(socket) => Answer::Error(Errno::INPROGRESS),
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
