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
    /// What is below this domain, by its labels: `service.namespace.svc.zone`.
    #[must_use]
    pub fn below(domain: &str) -> Option<Self> {
        let mut labels = domain.split('.');
        let (first, second) = (labels.next()?, labels.next());
        if ZONES.contains(&domain) || KINDS.contains(&first) {
            Some(Self::Cluster)
        } else {
            second.filter(|second| KINDS.contains(second)).map(|_| Self::Namespace)
        }
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
        let clusters =
            ["svc.cluster.local", "pod.corp.internal", "svc", "cluster.local", "clusterset.local", "local"];
        assert_eq!(clusters.map(Realm::below), [Some(Realm::Cluster); 6]);
        let less = ["db.shop.svc.cluster.local", "pay.example", "corp.internal", "shop", ""];
        assert_eq!(less.map(Realm::below), [None; 5]);
    }
}
