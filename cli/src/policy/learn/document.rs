//! A proposal put into the policy's own text: what people wrote there stays, to the letter.

use super::baseline::ends;
use super::programs::Addition;
use super::proposal::{Proposal, Proposed};
use super::told::Told;
use crate::failure::Problem;
use crate::policy::document::as_written;
use crate::yaml::{Edit, Node, Path, Value, edited};
use procgate_policy::{MAX_POLICY_BYTES, Mistake, Mistakes};
use serde::Serialize;
use std::collections::BTreeMap;

/// The text of the policy of this file with the proposal in it. Before it is given out it is read again: it has to be
/// exactly the policy that was meant, whatever the text looked like before.
pub(super) fn write(file: &std::path::Path, text: &str, proposal: &Proposal) -> Result<String, Problem> {
    // Before the text is made, of which several copies would be in memory.
    if text.len().saturating_add(size(proposal)) > MAX_POLICY_BYTES {
        return Err(too_large(proposal, &format!("a policy has at most {MAX_POLICY_BYTES} bytes")));
    }
    let read = Node::read(text).map_err(|fault| fault.problem)?;
    let root = read.ok_or_else(|| Problem::new("has nothing in it").next("give a policy"))?;
    let written = edited(text, &root, &edits(&root, proposal))?;
    match as_written(written.as_bytes(), file) {
        Ok(read) if read == proposal.whole() => Ok(written),
        Ok(_) => Err(Problem::new("would not read as it is meant once it is changed")
            .next("write it out, without anchors, aliases, tags and merged keys")),
        Err(mistakes) => Err(refused(proposal, &mistakes)),
    }
}

/// Bytes of what is proposed, as JSON, in which it is not longer than in YAML with its evidence.
fn size(proposal: &Proposal) -> usize {
    fn all<'i, T: Serialize + 'i>(items: impl Iterator<Item = &'i T>) -> usize {
        let size = |item| serde_json::to_string(item).map_or(0, |text| text.len());
        items.map(size).fold(0, usize::saturating_add)
    }
    let processes = all(proposal.processes.iter().map(|proposed| &proposed.item));
    let rules = all(proposal.rules.iter().map(|proposed| &proposed.item));
    processes.saturating_add(all(proposal.destinations.iter())).saturating_add(rules)
}

/// What is added is right by itself, but with the rest of its list, or with the whole policy, it may be too much.
fn refused(proposal: &Proposal, mistakes: &Mistakes) -> Problem {
    match mistakes.as_slice().first() {
        Some(Mistake { path, problem, remedy }) if path.is_empty() => {
            too_large(proposal, &format!("{problem} ({remedy})"))
        }
        first => {
            let first = first.map(ToString::to_string).unwrap_or_default();
            Problem::new(format!("cannot take what is to be added: {first}"))
        }
    }
}

/// Whose rules make it so, since one who makes up hosts should stop nobody else's learning for long.
fn too_large(proposal: &Proposal, why: &str) -> Problem {
    let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
    for (process, _) in proposal.rules.iter().filter_map(|proposed| ends(&proposed.item)) {
        let count = rules.entry(process).or_default();
        *count = count.saturating_add(1);
    }
    let (process, most) = rules.into_iter().max_by_key(|(_, count)| *count).unwrap_or_default();
    let all = proposal.rules.len();
    Problem::new(format!("would be too large with {all} rules more, {most} of them for {process}: {why}")).next(format!(
        "write a rule for {process} that is as wide as is meant, which learning leaves alone then, or leave its logs out"
    ))
}

/// What is to be added where.
fn edits(root: &Node<'_>, proposal: &Proposal) -> Vec<Edit> {
    let mut digests: BTreeMap<Path, Vec<Value>> = BTreeMap::new();
    for proposed in &proposal.additions {
        let Addition { process, field, digest } = &proposed.item;
        let list = Path::default().field("processes").item(*process).field(field);
        digests.entry(list).or_default().push(match proposed.evidence.count {
            0 => digest.to_string().into(),
            _ => Value::Noted(digest.to_string(), Told::of(proposed).to_string()),
        });
    }
    let lists = [
        ("processes", proposal.processes.iter().map(noted_item).collect()),
        ("destinations", proposal.destinations.iter().map(|item| as_value(item, None)).collect()),
        ("rules", proposal.rules.iter().map(noted_item).collect()),
    ];
    let lists = lists.into_iter().filter(|(_, items): &(_, Vec<Value>)| !items.is_empty());
    let appended = digests.into_iter().map(|(list, digests)| Edit::Append(list, digests));
    appended.chain(lists.map(|(name, items)| longer(root, name, items))).collect()
}

/// A list with these items behind those that it has, if there is one yet.
fn longer(root: &Node<'_>, name: &str, items: Vec<Value>) -> Edit {
    let path = Path::default().named(name);
    match root.get(name) {
        Some(list) if list.is_null() || list.is_empty() => Edit::Replace(path, Value::List(items)),
        Some(_) => Edit::Append(path, items),
        None => Edit::Add(Path::default(), name.into(), Value::List(items)),
    }
}

fn noted_item<T: Serialize>(proposed: &Proposed<T>) -> Value {
    as_value(&proposed.item, Some(Told::of(proposed).to_string()))
}

/// An item of which each field has a line, and what a rule allows one for each side. The evidence is behind its name.
fn as_value(item: &impl Serialize, evidence: Option<String>) -> Value {
    // Of texts and numbers, JSON can always be made, and read back.
    let text = serde_json::to_string(item).unwrap_or_default();
    let Ok(Value::Map(fields)) = serde_json::from_str(&text) else { return Value::Null };
    let field = |(name, value): (String, Value)| {
        let value = match (value, &evidence) {
            (Value::Text(text), Some(evidence)) if name == "name" => Value::Noted(text, evidence.clone()),
            (Value::Map(sides), _) if name == "allow" => {
                Value::Map(sides.into_iter().map(|(name, side)| (name, side.on_one_line())).collect())
            }
            (value, _) => value.on_one_line(),
        };
        (name, value)
    };
    Value::Map(fields.into_iter().map(field).collect())
}
