//! Domains that strangers share.

use psl::Psl as _;

/// Whether strangers may have names somewhere below this domain: anybody may register one there, as the public suffix
/// list says, or below a domain that lies further down. `*.` stands for names of any depth, so that below
/// `amazonaws.com` there is everybody's `s3.amazonaws.com`. A top-level domain that the list does not have is
/// somebody's own, `internal` for example.
pub(super) fn is_shared(domain: &str) -> bool {
    let mut labels = domain.as_bytes().rsplit(|byte| *byte == b'.');
    // The list walks down as far as it knows names. If it asks for one more than there are, it knows some below.
    let mut knows_more = false;
    let found = psl::List.find(core::iter::from_fn(|| {
        let label = labels.next();
        knows_more |= label.is_none();
        label
    }));
    knows_more || found.typ.is_some() && found.len == domain.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_share_is_told_from_what_is_somebody_s() {
        let somebody_s = ["example.com", "shop.example.co.uk", "internal", "svc.cluster.local", "www.ck", ""];
        assert_eq!(somebody_s.map(is_shared), [false; 6]);
        assert_eq!(["com", "co.uk", "github.io", "blob.core.windows.net"].map(is_shared), [true; 4]);
    }

    #[test]
    fn a_domain_with_what_strangers_share_below_it_is_shared_too() {
        let above = ["amazonaws.com", "windows.net", "core.windows.net", "digitaloceanspaces.com"];
        assert_eq!(above.map(is_shared), [true; 4]);
        let above_wildcards =
            ["ck", "kawasaki.jp", "compute.amazonaws.com", "us-east-1.compute.amazonaws.com"];
        assert_eq!(above_wildcards.map(is_shared), [true; 4]);
    }
}
