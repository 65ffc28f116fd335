//! Who speaks in records: one number for each identity that verified, so that what is known of it is
//! looked up and not worked out for every record.

use core::hash::{BuildHasher as _, Hash as _, Hasher as _};
use hashbrown::{DefaultHashBuilder, HashTable};
use procgate_identity::Digest;
use procgate_policy::Record;

/// What runs, and where: an executable with its code and its script at a subject's place, whatever its labels are and by
/// which name it was started.
pub(crate) type Runs<'s> = (&'s str, Digest, Option<Digest>, Option<Digest>);

/// An identity as records tell it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Speaker {
    pub(crate) subject: String,
    pub(crate) name: String,
    pub(crate) exe: Digest,
    pub(crate) code: Option<Digest>,
    pub(crate) script: Option<Digest>,
    pub(crate) labels: Vec<(String, String)>,
}

/// The identities seen so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Speakers {
    list: Vec<Speaker>,
    /// The hash of each, and its place in the list.
    places: HashTable<(u64, usize)>,
    /// Seeded: what is hashed was chosen by others.
    hashes: DefaultHashBuilder,
}

impl Speaker {
    /// The identity of a record, where there is one that verified.
    pub(crate) fn of(record: &Record<'_>) -> Option<Self> {
        Some(Self {
            subject: record.subject.as_deref()?.into(),
            name: record.name.as_deref().unwrap_or_default().into(),
            exe: record.exe?,
            code: record.code,
            script: record.script,
            labels: record.labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        })
    }

    /// What runs.
    pub(crate) fn runs(&self) -> Runs<'_> {
        (&self.subject, self.exe, self.code, self.script)
    }

    fn is_of(&self, record: &Record<'_>) -> bool {
        Some(self.subject.as_str()) == record.subject.as_deref()
            && Some(self.exe) == record.exe
            && (self.code, self.script) == (record.code, record.script)
            && self.name == record.name.as_deref().unwrap_or_default()
            && self.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(labels(record))
    }
}

fn labels<'r>(record: &'r Record<'_>) -> impl Iterator<Item = (&'r str, &'r str)> {
    record.labels.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
}

impl Speakers {
    /// The number of the record's identity, where it has one; numbers count up from 0. Nothing for a new one
    /// beyond the `most`th.
    pub(crate) fn number(&mut self, record: &Record<'_>, most: usize) -> Option<usize> {
        let hash = self.hash(record);
        let same = |(_, place): &(u64, usize)| self.list.get(*place).is_some_and(|known| known.is_of(record));
        if let Some((_, place)) = self.places.find(hash, same) {
            return Some(*place);
        }
        let place = self.list.len();
        if place >= most {
            return None;
        }
        self.list.push(Speaker::of(record)?);
        self.places.insert_unique(hash, (hash, place), |(hash, _)| *hash);
        Some(place)
    }

    /// All of them, each at its number.
    pub(crate) fn list(&self) -> &[Speaker] {
        &self.list
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.list.clear();
        self.places.clear();
    }

    fn hash(&self, record: &Record<'_>) -> u64 {
        let mut hasher = self.hashes.build_hasher();
        (record.subject.as_deref(), record.name.as_deref().unwrap_or_default()).hash(&mut hasher);
        (record.exe, record.code, record.script).hash(&mut hasher);
        labels(record).for_each(|label| label.hash(&mut hasher));
        hasher.finish()
    }
}
