//! Stage two of reading: what a policy of the right shape means, and whether it can mean that.

mod names;
mod rules;
mod things;
mod trust;

use crate::mistake::Mistakes;
use crate::model::Model;
use crate::raw::RawPolicy;
use crate::raw::reader::{At, Reader};
use names::Names;
use rules::rule;

/// Checks everything that the shape does not tell: references, uniqueness, keys, patterns.
#[inline(never)]
pub(crate) fn check(raw: &RawPolicy) -> Result<Model, Mistakes> {
    let mut reader = Reader::default();
    let model = model(&mut reader, raw);
    reader.finish(model)
}

fn model(reader: &mut Reader, raw: &RawPolicy) -> Option<Model> {
    let at_trust = At::Top.field("trust");
    let trusted = trust::trust(reader, at_trust, &raw.trust);
    let at = At::Top.field("processes");
    let process_names = Names::collect(reader, at, raw.processes.iter().map(|process| process.name.as_str()));
    let processes: Option<Vec<_>> =
        each(&raw.processes, |index, process| things::process(reader, at.item(index), process));
    let at = At::Top.field("destinations");
    let destination_names =
        Names::collect(reader, at, raw.destinations.iter().map(|destination| destination.name.as_str()));
    let destinations: Option<Vec<_>> = each(&raw.destinations, |index, destination| {
        things::destination(reader, at.item(index), destination)
    });
    let at = At::Top.field("rules");
    Names::collect(reader, at, raw.rules.iter().map(|rule| rule.name.as_str()));
    let rules: Option<Vec<_>> =
        each(&raw.rules, |index, raw| rule(reader, at.item(index), raw, &process_names, &destination_names));
    let (trusted, keys) = trusted?;
    Some(Model {
        mode: raw.mode,
        forward: raw.forward,
        trusted,
        keys,
        processes: processes?,
        destinations: destinations?,
        rules: rules?,
    })
}

/// Checks every item even behind a bad one, so that all mistakes are seen at once.
#[inline(never)]
pub(super) fn each<R, T>(items: &[R], mut check: impl FnMut(usize, &R) -> Option<T>) -> Option<Vec<T>> {
    // Room for all at once: 10,000 rules that grow leave as much behind again.
    let mut checked = Vec::with_capacity(items.len());
    checked.extend(items.iter().enumerate().filter_map(|(index, item)| check(index, item)));
    (checked.len() == items.len()).then_some(checked)
}
