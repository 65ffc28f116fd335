//! Domains that strangers share.

/// Whether anybody may register a name below this domain, as the public suffix list says. A top-level domain that the
/// list does not have is somebody's own, `internal` for example.
pub(super) fn is_public(domain: &str) -> bool {
    psl::suffix(domain.as_bytes()).is_some_and(|suffix| suffix.is_known() && suffix == domain.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_share_is_told_from_what_is_somebody_s() {
        let shared =
            ["com", "co.uk", "github.io", "example.com", "internal", "svc.cluster.local"].map(is_public);
        assert_eq!(shared, [true, true, true, false, false, false]);
    }
}
