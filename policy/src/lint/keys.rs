//! Keys.

use super::{Findings, LintId};
use crate::model::Model;
use crate::record::day_of;
use procgate_identity::UnixSeconds;
use rustc_hash::FxHashMap;

const SECONDS_PER_DAY: u64 = 86_400;
/// Days after which a key should have been replaced.
const YEAR: u64 = 366;
/// Days before that in which to do it: a rotation takes a deployment of everything that the key is for.
const MONTH: u64 = 31;

/// Scopes that are too wide, and what rotations left behind.
pub(super) fn keys(model: &Model, now: Option<UnixSeconds>, found: &mut Findings) {
    let mut scopes = FxHashMap::default();
    for (place, key) in model.keys.iter().enumerate() {
        let path = format!("trust.keys[{place}]");
        if key.scope.is_whole_domain() {
            found.add(
                LintId::WideScope,
                format!("{path}.scope"),
                "whoever has this key can speak for every container of the trust domain",
                "give each container a key of its own, with its subject as the scope",
            );
        }
        let first = *scopes.entry(&key.scope).or_insert(place);
        if first != place {
            found.add(
                LintId::SameScope,
                format!("{path}.scope"),
                format!("trust.keys[{first}] has the same scope"),
                "fine during a rotation: take the old key out when nobody signs with it any more",
            );
        }
        let kid = key.key.id().as_str();
        let age = now.zip(day_of(kid)).map(|(now, day)| (now.0 / SECONDS_PER_DAY).saturating_sub(day));
        let id = match age {
            Some(days) if days > YEAR => LintId::OldKey,
            Some(days) if days.saturating_add(MONTH) > YEAR => LintId::AgeingKey,
            Some(_) | None => continue,
        };
        found.add(
            id,
            format!("{path}.jwk.kid"),
            format!("{kid} names a day {} days ago", age.unwrap_or_default()),
            "make a new key with `procgate keygen`, roll it out, then take this one out",
        );
    }
}
