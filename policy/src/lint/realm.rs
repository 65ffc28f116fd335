//! How much of a cluster is below a domain.

/// Zones that hold nothing but clusters: Kubernetes' own name for one (kubernetes/dns, specification.md), that of several
/// (KEP-1645), and what both are below.
const ZONES: [&str; 3] = ["cluster.local", "clusterset.local", "local"];
/// What stands between a namespace and the cluster's zone, whatever that is called.
const KINDS: [&str; 2] = ["svc", "pod"];

/// What a domain holds of a cluster, where that is more than one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Realm {
    /// All that is in one namespace.
    Namespace,
    /// All that is in all namespaces.
    Cluster,
}

impl Realm {
    /// What is below this domain, by its labels: `service.namespace.svc.zone`. A name that begins with `svc` or
    /// `pod` may be anybody's own, as `svc.example.com` is; in a zone of a cluster it is not, and alone it is what
    /// pods may leave the zone out of.
    #[must_use]
    pub fn below(domain: &str) -> Option<Self> {
        let (first, rest) = domain.split_once('.').unwrap_or((domain, ""));
        let is_kind = |label: &str| KINDS.contains(&label);
        if ZONES.contains(&domain) || is_kind(first) && (rest.is_empty() || ZONES.contains(&rest)) {
            return Some(Self::Cluster);
        }
        rest.split('.').next().filter(|second| is_kind(second)).map(|_| Self::Namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_known_by_its_labels_whatever_the_cluster_is_called() {
        let namespaces = [
            "shop.svc.cluster.local",
            "shop.svc.clusterset.local",
            "shop.svc.corp.internal",
            "shop.svc",
            "a.pod.b",
        ];
        assert_eq!(namespaces.map(Realm::below), [Some(Realm::Namespace); 5]);
        let clusters = [
            "svc.cluster.local",
            "pod.clusterset.local",
            "svc",
            "cluster.local",
            "clusterset.local",
            "local",
        ];
        assert_eq!(clusters.map(Realm::below), [Some(Realm::Cluster); 6]);
        let less = ["db.shop.svc.cluster.local", "pay.example", "corp.internal", "shop", ""];
        assert_eq!(less.map(Realm::below), [None; 5]);
    }

    #[test]
    fn a_name_that_begins_like_a_cluster_s_may_be_a_company_s_own() {
        assert_eq!(["svc.acme.com", "pod.acme.com", "svc.corp.internal"].map(Realm::below), [None; 3]);
    }
}
