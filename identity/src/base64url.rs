//! base64url without padding (RFC 7515 section 2), refusing every second way to write the same bytes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// The text for `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of `text`; nothing where it is not canonical base64url.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// The `N` bytes of `text`, of which there must be exactly that many. They may be a private key, so that
/// no second copy is left.
pub(crate) fn decode_array<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    Zeroizing::new(decode(text)?).as_slice().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_spelling_of_the_same_bytes_is_refused() {
        assert_eq!(decode(b"AA"), Some(vec![0]));
        for spelling in ["AB", "AA==", "A", "A A", "AA\n", "+/", "A="] {
            assert_eq!(decode(spelling.as_bytes()), None, "{spelling:?}");
        }
    }

    #[test]
    fn an_array_takes_exactly_its_length() {
        assert_eq!(decode_array::<1>(b"AA"), Some([0]));
        assert_eq!(decode_array::<2>(b"AA"), None);
        assert_eq!(decode_array::<1>(b"AAA"), None);
    }
}
