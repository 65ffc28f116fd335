//! One side of all rules: which of the conditions on it hold for a given end of a connection.

use rustc_hash::FxHashMap;

/// A label as numbers: its name and its value.
pub(super) type Label = (u32, u32);

/// Who or what a condition names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Who {
    /// No condition at all.
    Anyone,
    /// A source without identity.
    Unidentified,
    /// Any process that is recognised, any destination that the policy has an entry for.
    Any,
    /// This process or destination.
    One(u32),
    /// One of these; for rules whose lists would multiply out too far.
    Set(u32),
}

/// A condition that holds for one end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Atom {
    /// Its number on its side.
    pub(super) id: u32,
    /// Where it compares a label with the other side: the value to be met.
    pub(super) same: Option<u32>,
}

/// A condition as a rule states it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Condition {
    pub(super) who: Who,
    /// By name.
    pub(super) labels: Vec<Label>,
    /// The name of a label.
    pub(super) same: Option<u32>,
}

impl Condition {
    /// No labels.
    pub(super) const fn only(who: Who) -> Self {
        Self { who, labels: Vec::new(), same: None }
    }
}

/// All conditions on one side.
///
/// A condition with labels is filed under the one of them that the fewest others have, so that an
/// end with that label tries few that do not hold.
#[derive(Debug, Default)]
pub(super) struct Side {
    plain: FxHashMap<Who, Vec<Filed>>,
    labelled: FxHashMap<(Who, Label), Vec<Filed>>,
    sets_of: FxHashMap<u32, Vec<u32>>,
}

#[derive(Debug)]
struct Filed {
    id: u32,
    labels: Box<[Label]>,
    same: Option<u32>,
}

impl Side {
    /// Files all conditions of this side; their numbers are their places.
    #[inline(never)]
    pub(super) fn new(conditions: Vec<Condition>, sets: &[Vec<u32>]) -> Self {
        let mut uses: FxHashMap<Label, usize> = FxHashMap::default();
        for label in conditions.iter().flat_map(|condition| &condition.labels) {
            let count = uses.entry(*label).or_default();
            *count = count.saturating_add(1);
        }
        let mut side = Self::default();
        for (id, Condition { who, labels, same }) in (0..).zip(conditions) {
            let rarest = labels.iter().copied().min_by_key(|label| (uses.get(label).copied(), *label));
            let filed = Filed { id, labels: labels.into(), same };
            match rarest {
                None => side.plain.entry(who).or_default().push(filed),
                Some(label) => side.labelled.entry((who, label)).or_default().push(filed),
            }
        }
        for (set, members) in (0..).zip(sets) {
            for member in members {
                side.sets_of.entry(*member).or_default().push(set);
            }
        }
        side
    }

    /// Adds the conditions on this destination that hold, those that name it and those that do not.
    pub(super) fn emit_entry(&self, number: u32, labels: &[Label], atoms: &mut Vec<Atom>) {
        self.emit(Who::Any, labels, atoms);
        self.emit_member(number, labels, atoms);
    }

    /// Adds the conditions that name this one process or destination and hold.
    pub(super) fn emit_member(&self, member: u32, labels: &[Label], atoms: &mut Vec<Atom>) {
        self.emit(Who::One(member), labels, atoms);
        if self.sets_of.is_empty() {
            return;
        }
        for set in self.sets_of.get(&member).into_iter().flatten() {
            self.emit(Who::Set(*set), labels, atoms);
        }
    }

    /// Adds the conditions on `who` that hold with these labels.
    pub(super) fn emit(&self, who: Who, labels: &[Label], atoms: &mut Vec<Atom>) {
        if let Some(filed) = self.plain.get(&who) {
            atoms.extend(filed.iter().filter_map(|filed| filed.atom(labels)));
        }
        if self.labelled.is_empty() {
            return;
        }
        for label in labels {
            if let Some(filed) = self.labelled.get(&(who, *label)) {
                atoms.extend(filed.iter().filter_map(|filed| filed.atom(labels)));
            }
        }
    }
}

impl Filed {
    fn atom(&self, labels: &[Label]) -> Option<Atom> {
        if !self.labels.iter().all(|label| labels.contains(label)) {
            return None;
        }
        let same = match self.same {
            None => None,
            Some(wanted) => Some(labels.iter().find(|(name, _)| *name == wanted)?.1),
        };
        Some(Atom { id: self.id, same })
    }
}
