//! Replay protection: a token is accepted once, and only if none of its source was made later.
//!
//! While a connection is open nobody else can have its source address and port, so a captured token
//! is of use only afterwards, from that same port. The memory therefore keeps, for each source, the
//! serial of its last token until that token ends. It is shared by all workers, in a fixed number of
//! values that exist before the first connection: creating a shared value is the one step that
//! Envoy's compare-and-swap does not cover.

use crate::host;
use core::net::{IpAddr, SocketAddr};
use procgate_identity::{CLOCK_SKEW_SECONDS, Claims, Refusal, RefusalReason, Serial, UnixNanos};

/// Shared values. Each holds the sources of 16 ports, and is copied whole for each new connection.
const SHARDS: u16 = 4_096;
/// Sources in one shard: all of its 16 ports from 32 addresses. Only who holds a signing key can
/// fill it.
const MAX_SOURCES: usize = 512;
/// Attempts against other workers that write to the same shard.
const ATTEMPTS: usize = 16;

/// Bytes of one source: address, port, serial, end of its token.
const ENTRY: usize = 16 + 2 + 8 + 8;
/// Bytes ahead of the sources: the nanosecond since when this memory exists.
const START: usize = 8;

/// Creates the memory unless it is there. Runs on Envoy's main thread before any worker serves.
#[inline(never)]
pub(crate) fn prepare() {
    let start = host::now().0.to_le_bytes();
    for shard in 0..SHARDS {
        let key = key(shard);
        if host::shared(&key).is_none() {
            host::create_shared(&key, &start);
        }
    }
}

/// Takes note of a verified token.
///
/// # Errors
/// `replayed` where it is not newer than what is known, or older than the memory itself; and where
/// the memory cannot take it, since forgetting would fail open.
#[inline(never)]
pub(crate) fn admit(claims: &Claims, now: UnixNanos) -> Result<(), Refusal> {
    let shard = key(claims.source.port().checked_rem(SHARDS).unwrap_or_default());
    for _ in 0..ATTEMPTS {
        let Some(read) = host::shared(&shard) else { break };
        let next = Shard::decode(&read.value).admit(claims, now)?;
        if host::replace_shared(&shard, &read, &next.encode()) {
            return Ok(());
        }
    }
    Err(Refusal::new(RefusalReason::Replayed, "the replay memory could not be written: connect again"))
}

fn key(shard: u16) -> String {
    format!("procgate.replay.{shard}")
}

/// The sources of some ports.
#[derive(Debug, PartialEq, Eq)]
struct Shard {
    start: UnixNanos,
    sources: Vec<Seen>,
}

/// The last token of one source.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    source: SocketAddr,
    serial: Serial,
    /// When the token can no longer be replayed, since it has ended.
    until: UnixNanos,
}

impl Shard {
    fn decode(bytes: &[u8]) -> Self {
        let (start, sources) = bytes.split_first_chunk().unwrap_or((&[0; START], &[]));
        let sources = sources.chunks_exact(ENTRY).filter_map(Seen::decode).collect();
        Self { start: UnixNanos(u64::from_le_bytes(*start)), sources }
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.sources.len().saturating_mul(ENTRY).saturating_add(START));
        bytes.extend_from_slice(&self.start.0.to_le_bytes());
        self.sources.iter().for_each(|seen| seen.encode(&mut bytes));
        bytes
    }

    fn admit(mut self, claims: &Claims, now: UnixNanos) -> Result<Self, Refusal> {
        let replayed = |detail| Err(Refusal::new(RefusalReason::Replayed, detail));
        if claims.serial.0 < self.start.0 {
            return replayed("the token is older than this proxy's memory: connect again");
        }
        let ends = claims.lifetime.expires_at.0.saturating_add(CLOCK_SKEW_SECONDS);
        let next = Seen {
            source: claims.source,
            serial: claims.serial,
            until: procgate_identity::UnixSeconds(ends).nanos(),
        };
        self.sources.retain(|seen| seen.until > now || seen.source == next.source);
        let full = self.sources.len() >= MAX_SOURCES;
        match self.sources.iter_mut().find(|seen| seen.source == next.source) {
            Some(seen) if seen.serial >= next.serial => {
                return replayed("a token of this source was accepted before and is not older than this one");
            }
            Some(seen) => *seen = next,
            None if full => return replayed("the replay memory is full"),
            None => self.sources.push(next),
        }
        Ok(self)
    }
}

impl Seen {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (address, rest) = bytes.split_first_chunk::<16>()?;
        let (port, rest) = rest.split_first_chunk()?;
        let (serial, rest) = rest.split_first_chunk()?;
        let (until, _) = rest.split_first_chunk()?;
        let address = IpAddr::from(*address).to_canonical();
        Some(Self {
            source: SocketAddr::new(address, u16::from_le_bytes(*port)),
            serial: Serial(u64::from_le_bytes(*serial)),
            until: UnixNanos(u64::from_le_bytes(*until)),
        })
    }

    fn encode(&self, bytes: &mut Vec<u8>) {
        let address = match self.source.ip() {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        bytes.extend_from_slice(&address);
        bytes.extend_from_slice(&self.source.port().to_le_bytes());
        bytes.extend_from_slice(&self.serial.0.to_le_bytes());
        bytes.extend_from_slice(&self.until.0.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procgate_identity::{Digest, Labels, Lifetime, UnixSeconds};

    const NOW: UnixNanos = UnixNanos(1_000_000_000_000);

    fn claims(source: &str, serial: u64) -> Claims {
        Claims {
            subject: "spiffe://shop.example/host/h/container/c".parse().unwrap(),
            lifetime: Lifetime { issued_at: UnixSeconds(1_000), expires_at: UnixSeconds(1_150) },
            serial: Serial(serial),
            exe: Digest::of(b""),
            code: None,
            stray: None,
            script: None,
            name: String::new(),
            labels: Labels::default(),
            source: source.parse().unwrap(),
            destination: "10.0.0.1:80".parse().unwrap(),
        }
    }

    fn fresh() -> Shard {
        Shard { start: UnixNanos(5), sources: Vec::new() }
    }

    fn refused(shard: Result<Shard, Refusal>) -> bool {
        shard.is_err_and(|refusal| refusal.reason == RefusalReason::Replayed)
    }

    #[test]
    fn a_token_is_accepted_once_and_a_later_one_of_the_same_source_too() {
        let shard = fresh().admit(&claims("10.0.0.9:4000", 10), NOW).unwrap();
        let again = Shard::decode(&shard.encode());
        assert_eq!(again, shard);
        assert!(refused(again.admit(&claims("10.0.0.9:4000", 10), NOW)));
        assert!(refused(Shard::decode(&shard.encode()).admit(&claims("10.0.0.9:4000", 9), NOW)));
        assert!(shard.admit(&claims("10.0.0.9:4000", 11), NOW).is_ok());
    }

    #[test]
    fn sources_do_not_disturb_each_other() {
        let shard = fresh().admit(&claims("10.0.0.9:4000", 10), NOW).unwrap();
        let shard = shard.admit(&claims("10.0.0.8:4000", 9), NOW).unwrap();
        let shard = shard.admit(&claims("[fd00::1]:4000", 8), NOW).unwrap();
        assert_eq!(Shard::decode(&shard.encode()), shard);
        assert_eq!(shard.sources.len(), 3);
    }

    #[test]
    fn a_token_from_before_the_memory_is_refused() {
        assert!(refused(fresh().admit(&claims("10.0.0.9:4000", 4), NOW)));
        assert!(fresh().admit(&claims("10.0.0.9:4000", 5), NOW).is_ok());
    }

    #[test]
    fn a_source_is_forgotten_only_when_its_token_has_ended() {
        let shard = fresh().admit(&claims("10.0.0.9:4000", 10), NOW).unwrap();
        let end = UnixSeconds(1_150 + CLOCK_SKEW_SECONDS).nanos();
        let before = Shard::decode(&shard.encode()).admit(&claims("10.0.0.8:1", 11), UnixNanos(end.0 - 1));
        assert_eq!(before.unwrap().sources.len(), 2);
        assert_eq!(shard.admit(&claims("10.0.0.8:1", 11), end).unwrap().sources.len(), 1);
    }

    #[test]
    fn a_full_memory_refuses_instead_of_forgetting() {
        let mut shard = fresh();
        for host in 0..MAX_SOURCES {
            shard =
                shard.admit(&claims(&format!("10.0.{}.{}:4000", host / 256, host % 256), 10), NOW).unwrap();
        }
        let known = Shard::decode(&shard.encode()).admit(&claims("10.0.0.0:4000", 11), NOW);
        assert!(known.is_ok());
        assert!(refused(shard.admit(&claims("10.9.9.9:4000", 10), NOW)));
    }
}
