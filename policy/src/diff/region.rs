//! Connections that a rule matches, as conditions that are independent of each other.

use super::asked::Asked;
use super::set::Set;
use procgate_identity::MAX_LABELS;
use std::rc::Rc;

/// Connections that meet a condition of each kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Region<'p> {
    pub(super) who: Who,
    /// Labels that the identity must have, by name.
    pub(super) labels: Rc<[(&'p str, &'p str)]>,
    pub(super) hosts: Set,
    /// Never the class of nothing, where they are not all.
    pub(super) addresses: Set,
    pub(super) asked: Rc<Asked>,
}

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Who {
    /// Whoever shows no identity.
    pub(super) nobody: bool,
    /// Classes of identities, all of them recognised by the rule's policy.
    pub(super) recognised: Set,
}

impl<'p> Region<'p> {
    /// Every connection.
    pub(super) fn everything() -> Self {
        Self {
            who: Who { nobody: true, recognised: Set::All },
            labels: Rc::default(),
            hosts: Set::All,
            addresses: Set::All,
            asked: Rc::default(),
        }
    }

    /// The connections in both; nothing where there are none.
    pub(super) fn meet(&self, other: &Self) -> Option<Self> {
        let hosts = self.hosts.meet(&other.hosts)?;
        let addresses = self.addresses.meet(&other.addresses)?;
        let who = Who {
            nobody: self.who.nobody && other.who.nobody,
            recognised: self.who.recognised.meet(&other.who.recognised).unwrap_or(Set::of(Vec::new())),
        };
        let labels = self.labels_with(other)?;
        let asked = if *other.asked == Asked::default() {
            Rc::clone(&self.asked)
        } else if *self.asked == Asked::default() {
            Rc::clone(&other.asked)
        } else {
            self.asked.meet(&other.asked)?.into()
        };
        Some(Self { who, labels, hosts, addresses, asked })
    }

    /// The labels of both, where no name has two values and one identity can hold them.
    fn labels_with(&self, other: &Self) -> Option<Rc<[(&'p str, &'p str)]>> {
        if other.labels.is_empty() {
            return Some(Rc::clone(&self.labels));
        }
        let mut labels: Vec<_> = self.labels.iter().chain(&*other.labels).copied().collect();
        labels.sort_unstable();
        labels.dedup();
        let contradicts = labels.array_windows().any(|[(name, _), (next, _)]| name == next);
        (!contradicts && labels.len() <= MAX_LABELS).then(|| labels.into())
    }

    /// Whether all that these two share is in here, as far as each condition of its own shows.
    pub(super) fn includes(&self, one: &Self, other: &Self) -> bool {
        let nobody = self.who.nobody || !(one.who.nobody && other.who.nobody);
        let recognised = |region: &Self| self.who.recognised.includes(&region.who.recognised);
        nobody && (recognised(one) || recognised(other)) && self.is_met_by(one, other)
    }

    /// The same, whoever speaks.
    pub(super) fn is_met_by(&self, one: &Self, other: &Self) -> bool {
        (self.hosts.includes(&one.hosts) || self.hosts.includes(&other.hosts))
            && (self.addresses.includes(&one.addresses) || self.addresses.includes(&other.addresses))
            && self.labels.iter().all(|label| one.labels.contains(label) || other.labels.contains(label))
            && (Rc::ptr_eq(&self.asked, &one.asked)
                || Rc::ptr_eq(&self.asked, &other.asked)
                || self.asked.is_met_by(&one.asked, &other.asked))
    }

    /// Whether a connection needs an address to be in here, and with it a port.
    pub(super) fn needs_address(&self) -> bool {
        self.addresses.listed().is_some() || !self.asked.ports.is_empty()
    }

    /// Whether a connection must be HTTP to be in here.
    pub(super) fn needs_http(&self) -> bool {
        self.asked.needs_http()
    }

    /// Whether a connection that is in `target` and has nothing that it need not have may be in here:
    /// if not, here is nothing that would stand in the way of all connections of `target`.
    pub(super) fn may_hold_back(&self, target: &Self) -> bool {
        let asks = &self.asked;
        self.labels.iter().all(|label| target.labels.contains(label))
            && (self.hosts.listed().is_none()
                || (target.hosts.listed().is_some() && self.hosts.overlaps(&target.hosts)))
            && (!self.needs_address()
                || (target.needs_address() && self.addresses.overlaps(&target.addresses)))
            && (!asks.needs_http() || target.needs_http())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(nobody: bool, classes: &[u32], host: u32, label: Option<&'static str>) -> Region<'static> {
        Region {
            who: Who { nobody, recognised: Set::of(classes.into()) },
            hosts: Set::of(vec![host]),
            labels: label.map(|value| ("app", value)).into_iter().collect(),
            ..Region::everything()
        }
    }

    #[test]
    fn a_region_includes_what_two_share_where_it_asks_for_no_more() {
        let (one, other) = (region(true, &[1, 2], 1, Some("a")), region(true, &[2], 1, None));
        for (wider, included) in [
            (Region::everything(), true),
            (one.clone(), true),
            (other.clone(), true),
            (region(true, &[2, 3], 1, Some("a")), true),
            (region(false, &[2, 3], 1, Some("a")), false),
            (region(true, &[1, 3], 1, Some("a")), false),
            (region(true, &[2, 3], 2, Some("a")), false),
            (region(true, &[2, 3], 1, Some("b")), false),
        ] {
            assert_eq!(wider.includes(&one, &other), included, "{wider:?}");
            assert_eq!(wider.includes(&other, &one), included, "{wider:?}");
        }
        let nobody_shares = region(false, &[2], 1, None);
        assert!(region(false, &[2], 1, None).includes(&one, &nobody_shares));
    }
}
