//! The bytes that Envoy keeps with a connection.

use procgate_identity::{Carrier, Refusal, RefusalReason, UnixNanos};

/// What Envoy keeps with a connection: the outcome of the one check of its identity.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Memory<'a> {
    /// What brought the identity.
    pub(super) carrier: Carrier,
    pub(super) outcome: Outcome<'a>,
}

/// What came of the check.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome<'a> {
    /// This token was accepted at this time.
    Accepted {
        at: UnixNanos,
        token: &'a [u8],
    },
    Refused(Refusal),
}

const ACCEPTED: u8 = 1;
const REFUSED: u8 = 0;

impl<'a> Memory<'a> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let carrier = place(&Carrier::ALL, &self.carrier);
        match &self.outcome {
            Outcome::Accepted { at, token } => {
                [&[carrier, ACCEPTED][..], &at.0.to_le_bytes(), token].concat()
            }
            Outcome::Refused(refusal) => {
                let reason = place(&RefusalReason::ALL, &refusal.reason);
                [&[carrier, REFUSED, reason], refusal.detail.as_bytes()].concat()
            }
        }
    }

    /// Reads it back; whatever else another filter may have put there is a refusal.
    pub(super) fn decode(bytes: &'a [u8]) -> Self {
        Self::read(bytes).unwrap_or_else(|| Self {
            carrier: Carrier::Header,
            outcome: Outcome::Refused(Refusal::new(RefusalReason::MalformedIdentity, "foreign memory")),
        })
    }

    fn read(bytes: &'a [u8]) -> Option<Self> {
        let ([carrier, kind], rest) = bytes.split_first_chunk()?;
        let outcome = match *kind {
            ACCEPTED => {
                let (at, token) = rest.split_first_chunk()?;
                Outcome::Accepted { at: UnixNanos(u64::from_le_bytes(*at)), token }
            }
            REFUSED => {
                let (reason, detail) = rest.split_first()?;
                let reason = *RefusalReason::ALL.get(usize::from(*reason))?;
                Outcome::Refused(Refusal::new(reason, String::from_utf8_lossy(detail)))
            }
            _ => return None,
        };
        Some(Self { carrier: *Carrier::ALL.get(usize::from(*carrier))?, outcome })
    }
}

fn place<T: PartialEq>(all: &[T], one: &T) -> u8 {
    all.iter().position(|other| other == one).and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_comes_back() {
        for carrier in Carrier::ALL {
            let accepted =
                Memory { carrier, outcome: Outcome::Accepted { at: UnixNanos(7), token: b"a.b.c" } };
            assert_eq!(Memory::decode(&accepted.encode()), accepted);
            for reason in RefusalReason::ALL {
                let refused = Memory { carrier, outcome: Outcome::Refused(Refusal::new(reason, "why")) };
                assert_eq!(Memory::decode(&refused.encode()), refused);
            }
        }
    }

    #[test]
    fn foreign_bytes_are_a_refusal() {
        for bytes in
            [&b""[..], b"\0", b"\0\x01short", b"\0\0", b"\0\0\xffx", b"\0\x02abc", b"\xff\x01aaaaaaaat"]
        {
            assert!(matches!(Memory::decode(bytes).outcome, Outcome::Refused(_)), "{bytes:?}");
        }
    }
}
