//! Source ports that a redirect leaves as they are.
//!
//! REDIRECT rules send connections to many destinations to one port of the proxy. Two of them from one source
//! port are one connection there, so connection tracking gives the later one another port, also when the
//! earlier one ended minutes ago: its token was made for a port that the proxy never sees, and is refused as
//! `wrong-source`. The kernel's choice at `connect` cares about no destination but its own (docs/decisions/0025).

use core::net::SocketAddr;
use rustix::io::Errno;
use rustix::net::{bind, getsockname};
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long connection tracking remembers a connection that has ended (nf_conntrack-sysctl.rst,
/// `nf_conntrack_tcp_timeout_time_wait`), and some more.
const REMEMBERED: Duration = Duration::from_secs(125);
/// Ports that are looked at for one connection: nanoseconds each.
const LOOKS: usize = 256;
/// Ports that the kernel is asked for, when others hold them: half a microsecond each.
const TRIES: usize = 8;
/// What the kernel chooses from by default (ip-sysctl.rst, `ip_local_port_range`).
const DEFAULT_RANGE: (u16, u16) = (32_768, 60_999);

/// The ports in turn, so that each rests for as long as can be, and what each was last used for.
#[derive(Debug)]
pub(crate) struct SourcePorts {
    turn: Mutex<Turn>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Turn {
    ports: Box<[Port]>,
    /// How many turns there were, by the clock or by what was taken.
    turns: u64,
}

#[derive(Clone, Copy, Debug)]
struct Port {
    number: u16,
    last: Option<Use>,
}

/// A connection: to where, by its hash, and when, by the clock that all shims of a machine have.
#[derive(Clone, Copy, Debug)]
struct Use {
    /// Nothing where it was somebody else's.
    destination: Option<u32>,
    second: u64,
}

impl SourcePorts {
    /// The kernel's range, without what is reserved.
    pub(crate) fn new() -> Self {
        let setting = |name| fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap_or_default();
        let ports = odd_ports(&setting("ip_local_port_range"), &setting("ip_local_reserved_ports"));
        Self { turn: Mutex::new(Turn { ports, turns: 0 }), hasher: RandomState::new() }
    }

    /// Binds a socket that has no port yet to the next one that serves this destination. Where there is none,
    /// the kernel chooses at `connect`. Connections to loopback are redirected by no mesh.
    pub(crate) fn bind(&self, socket: impl AsFd, destination: SocketAddr) {
        if destination.ip().to_canonical().is_loopback() {
            return;
        }
        let Ok(own) = getsockname(&socket).and_then(SocketAddr::try_from) else { return };
        if own.port() != 0 {
            return;
        }
        let (clock, destination) = (clock(), self.hash(destination));
        let wanted = Use { destination: Some(destination), second: clock.as_secs() };
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..TRIES {
            let Some(port) = turn.next(wanted, clock) else { return };
            match bind(&socket, &SocketAddr::new(own.ip(), port.number)) {
                Ok(()) => return port.last = Some(wanted),
                // A connection is there, or was until a minute ago.
                Err(Errno::ADDRINUSE) => {
                    let destination = port.last.and_then(|last| last.destination);
                    port.last = Some(Use { destination, ..wanted });
                }
                Err(_) => return,
            }
        }
    }

    fn hash(&self, destination: SocketAddr) -> u32 {
        let hash = self.hasher.hash_one((destination.ip().to_canonical(), destination.port()));
        let [.., a, b, c, d] = hash.to_ne_bytes();
        u32::from_ne_bytes([a, b, c, d])
    }
}

impl Turn {
    /// The next port that connection tracking has no other destination for.
    ///
    /// The clock goes round all ports while connection tracking forgets one. So the shims of a pod, which
    /// know nothing of each other, seldom take the same port in that time: each takes what is due now, and is
    /// ahead of the clock only after a burst.
    fn next(&mut self, wanted: Use, clock: Duration) -> Option<&mut Port> {
        let count = u64::try_from(self.ports.len()).ok()?;
        let due = clock.as_millis().checked_mul(count.into())?.checked_div(REMEMBERED.as_millis())?;
        self.turns = self.turns.max(u64::try_from(due).ok()?);
        for _ in 0..LOOKS {
            let at = usize::try_from(self.turns.checked_rem(count)?).ok()?;
            self.turns = self.turns.wrapping_add(1);
            if self.ports.get(at)?.last.is_none_or(|last| last.admits(wanted)) {
                return self.ports.get_mut(at);
            }
        }
        None
    }
}

impl Use {
    /// Whether the port of this use may be used so, too.
    fn admits(self, next: Self) -> bool {
        let same = next.destination.is_some() && next.destination == self.destination;
        same || next.second.saturating_sub(self.second) > REMEMBERED.as_secs()
    }
}

/// Odd ports: at `connect` the kernel begins with the even ones, so that nobody in the pod who leaves the
/// choice to it comes across these (`__inet_hash_connect` in net/ipv4/inet_hashtables.c).
fn odd_ports(range: &str, reserved: &str) -> Box<[Port]> {
    let mut bounds = range.split_whitespace().map_while(|bound| bound.parse().ok());
    let (first, last) = bounds.next().zip(bounds.next()).unwrap_or(DEFAULT_RANGE);
    let reserved: Vec<_> = reserved.trim().split(',').filter_map(parse_range).collect();
    let is_free = |port: &u16| !reserved.iter().any(|(first, last)| (first..=last).contains(&port));
    let odd = (first..=last).filter(|port| port % 2 == 1).filter(is_free);
    odd.map(|number| Port { number, last: None }).collect()
}

/// Since the machine started.
fn clock() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::try_from(now).unwrap_or_default()
}

/// One entry of `ip_local_reserved_ports`: a port, or the first and the last of several.
fn parse_range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    first.parse().ok().zip(last.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::{DEFAULT_RANGE, Duration, REMEMBERED, Turn, Use, odd_ports};

    fn numbers(range: &str, reserved: &str) -> Vec<u16> {
        odd_ports(range, reserved).iter().map(|port| port.number).collect()
    }

    fn turn(range: &str) -> Turn {
        Turn { ports: odd_ports(range, ""), turns: 0 }
    }

    fn take(turn: &mut Turn, destination: u32, clock: Duration) -> Option<u16> {
        let wanted = Use { destination: Some(destination), second: clock.as_secs() };
        let port = turn.next(wanted, clock)?;
        port.last = Some(wanted);
        Some(port.number)
    }

    #[test]
    fn ports_are_the_odd_ones_of_the_range_that_are_not_reserved() {
        assert_eq!(numbers("40000\t40010\n", "40003,40006-40007\n"), [40_001, 40_005, 40_009]);
        assert_eq!(numbers("40000\t40004\n", "\n"), [40_001, 40_003]);
        let default = usize::from(DEFAULT_RANGE.1 - DEFAULT_RANGE.0).div_ceil(2);
        assert_eq!(numbers("", "").len(), default);
    }

    #[test]
    fn a_range_without_an_odd_port_leaves_the_choice_to_the_kernel() {
        assert_eq!(take(&mut turn("40000 40000"), 1, Duration::ZERO), None);
    }

    #[test]
    fn every_port_has_its_turn_before_one_is_used_again() {
        let mut turn = turn("40000 40005");
        let taken = [(); 4].map(|()| take(&mut turn, 1, Duration::ZERO));
        assert_eq!(taken, [40_001, 40_003, 40_005, 40_001].map(Some));
    }

    #[test]
    fn a_port_goes_to_another_destination_only_when_it_has_rested() {
        let mut turn = turn("40000 40002");
        let mut take = |destination, second| take(&mut turn, destination, Duration::from_secs(second));
        let rest = REMEMBERED.as_secs();
        assert_eq!(take(1, 0), Some(40_001));
        assert_eq!(take(2, rest), None);
        assert_eq!(take(1, 100), Some(40_001));
        assert_eq!(take(2, rest + 1), None);
        assert_eq!(take(2, rest + 101), Some(40_001));
    }

    #[test]
    fn a_port_that_somebody_else_holds_rests_for_everybody() {
        let mut turn = turn("40000 40002");
        turn.ports[0].last = Some(Use { destination: None, second: 0 });
        assert_eq!(take(&mut turn, 1, REMEMBERED), None);
        assert_eq!(take(&mut turn, 1, REMEMBERED + Duration::from_secs(1)), Some(40_001));
    }

    #[test]
    fn two_shims_that_take_a_port_at_a_time_take_different_ones_while_one_is_remembered() {
        let mut shims = [turn("40000 40999"), turn("40000 40999")];
        let moments =
            (0..).map(|number| Duration::from_millis(300) * number).take_while(|at| *at < REMEMBERED);
        let mut taken: Vec<_> =
            moments.zip([0, 1].into_iter().cycle()).map(|(at, shim)| take(&mut shims[shim], 1, at)).collect();
        let count = taken.len();
        taken.sort_unstable();
        taken.dedup();
        assert_eq!((count, taken.len()), (417, 417));
    }
}
