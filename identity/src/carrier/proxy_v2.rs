//! The token as a TLV of a PROXY protocol v2 preface
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>, section 2.2).

use crate::refusal::{Refusal, RefusalReason};
use crate::token::MAX_TOKEN_BYTES;

/// The TLV's type, from the range that the protocol leaves to applications.
pub const TLV_TYPE: u8 = 0xEA;

/// The TLV: type, length (16 bits, big-endian), token. Nothing where the token is too long.
#[must_use]
pub fn encode(token: &str) -> Option<Vec<u8>> {
    let [high, low] = u16::try_from(token.len()).ok()?.to_be_bytes();
    let mut tlv = vec![TLV_TYPE, high, low];
    tlv.extend_from_slice(token.as_bytes());
    Some(tlv)
}

/// The token among the TLVs that follow a preface's addresses: nothing where there is none of ours.
///
/// # Errors
/// `malformed-identity` where the lengths do not add up, `ambiguous-identity` for two of ours,
/// `identity-too-large`.
pub fn decode(mut tlvs: &[u8]) -> Result<Option<&[u8]>, Refusal> {
    let mut found = None;
    while let Some((&[kind, high, low], rest)) = tlvs.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some((value, rest)) = rest.split_at_checked(length) else {
            return Err(Refusal::malformed("a TLV is longer than the preface"));
        };
        tlvs = rest;
        if kind != TLV_TYPE {
            continue;
        }
        if value.len() > MAX_TOKEN_BYTES {
            let detail = format!("{length} bytes, at most {MAX_TOKEN_BYTES} are read");
            return Err(Refusal::new(RefusalReason::IdentityTooLarge, detail));
        }
        if found.replace(value).is_some() {
            let detail = "the preface has two identities: a connection has one";
            return Err(Refusal::new(RefusalReason::AmbiguousIdentity, detail));
        }
    }
    if tlvs.is_empty() { Ok(found) } else { Err(Refusal::malformed("bytes are left after the last TLV")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_among_other_tlvs() {
        let tlvs = [&[0x04, 0, 2, 9, 9][..], &encode("a.b.c").unwrap(), &[0xEB, 0, 0]].concat();
        assert_eq!(decode(&tlvs), Ok(Some(b"a.b.c".as_slice())));
        assert_eq!(decode(&[0x04, 0, 2, 9, 9]), Ok(None));
        assert_eq!(decode(&[]), Ok(None));
    }

    #[test]
    fn every_truncation_is_malformed_and_two_tokens_are_ambiguous() {
        let tlv = encode("a.b.c").unwrap();
        for length in 1..tlv.len() {
            let refusal = decode(&tlv[..length]).unwrap_err();
            assert_eq!(refusal.reason, RefusalReason::MalformedIdentity, "{length}");
        }
        let refusal = decode(&[tlv.clone(), tlv].concat()).unwrap_err();
        assert_eq!(refusal.reason, RefusalReason::AmbiguousIdentity);
    }

    #[test]
    fn a_tlv_of_sixty_kilobytes_is_too_large() {
        let tlv = encode(&"a".repeat(60_000)).unwrap();
        assert_eq!(decode(&tlv).unwrap_err().reason, RefusalReason::IdentityTooLarge);
    }
}
