//! What the logs say of a policy: which rules decided something, and which digests somebody ran.

use super::{Findings, LintId};
use crate::model::Model;
use crate::record::Record;
use procgate_identity::Digest;
use rustc_hash::{FxHashMap, FxHashSet};

/// Rules, processes and digests that are remembered, of each as many. Logs name those of the policies that
/// were in force, seldom many more than the policy has now; whoever writes other things into a log cannot
/// fill the memory with them.
const MAX_REMEMBERED: usize = 1_000_000;

/// What was seen in access logs.
#[derive(Debug, Default)]
pub struct Seen {
    records: u64,
    rules: FxHashSet<String>,
    processes: FxHashMap<String, FxHashSet<Digest>>,
    digests: usize,
}

impl Seen {
    /// Takes in one decision like one before it: by the same rule, of the same process with the same digests.
    pub const fn note_again(&mut self) {
        self.records = self.records.saturating_add(1);
    }

    /// Takes in one decision.
    pub fn note(&mut self, record: &Record<'_>) {
        self.note_again();
        if let Some(rule) = record.rule.as_deref()
            && !self.rules.contains(rule)
            && self.rules.len() < MAX_REMEMBERED
        {
            self.rules.insert(rule.to_owned());
        }
        if let Some(process) = record.process.as_deref() {
            self.note_digests(process, [record.exe, record.code, record.script].into_iter().flatten());
        }
    }

    fn note_digests(&mut self, process: &str, ran: impl Iterator<Item = Digest>) {
        if !self.processes.contains_key(process) && self.processes.len() < MAX_REMEMBERED {
            self.processes.insert(process.to_owned(), FxHashSet::default());
        }
        let Some(digests) = self.processes.get_mut(process) else { return };
        for digest in ran {
            if self.digests < MAX_REMEMBERED && digests.insert(digest) {
                self.digests = self.digests.saturating_add(1);
            }
        }
    }

    /// How many decisions were taken in.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// Rules that decided nothing.
    pub(super) fn rules(&self, model: &Model, found: &mut Findings) {
        let idle = |rule: &str| self.records > 0 && !self.rules.contains(rule);
        for (place, rule) in model.rules.iter().enumerate().filter(|(_, rule)| idle(&rule.name)) {
            found.add_for_rule(
                place,
                LintId::NotHit,
                format!("rules[{place}].{}", rule.effect.code()),
                format!("decided none of the {} connections in the logs", self.records),
                "take it out if the logs cover all that happens, rare work too",
            );
        }
    }

    /// Digests that nobody ran, of processes that did run.
    pub(super) fn digests(&self, model: &Model, found: &mut Findings) {
        for (place, process) in model.processes.iter().enumerate() {
            let Some(ran) = self.processes.get(&process.name) else { continue };
            for (field, list) in [("exe", &process.exe), ("code", &process.code), ("script", &process.script)]
            {
                let is_stale = |digest: &Digest| !ran.contains(digest);
                // If none of them ran, the logs are of another time or tell nothing of this field.
                if list.iter().all(is_stale) {
                    continue;
                }
                for (index, _) in list.iter().enumerate().filter(|(_, digest)| is_stale(digest)) {
                    found.add(
                        LintId::StaleDigest,
                        format!("processes[{place}].{field}[{index}]"),
                        format!("{} ran in the logs, and never with this digest", process.name),
                        "take it out when its rollout is over",
                    );
                }
            }
        }
    }
}
