//! Adding to the rules of a policy.

use super::addition::Addition;
use super::broad::List;
use super::{Draft, NoEdit, broad, name};
use crate::connection::Destination;
use crate::explain::{Failed, explain_claims};
use crate::judge::Finding;
use crate::pattern::{Host, PathPattern, RequestPath};
use crate::policy::Policy;
use crate::raw::{
    Effect, MAX_TEXT, RawDestination, RawFrom, RawPort, RawRule, RawSelector, RawTo, is_method,
};
use procgate_identity::Claims;

/// What is asked for there, as a rule can say it.
struct Wanted {
    port: Option<u16>,
    method: Option<String>,
    path: Option<String>,
}

/// Adds to the rule that lacks a single entry, or else a rule of its own.
pub(super) fn add(
    draft: &mut Draft<'_>,
    part: &Policy,
    finding: Finding<'_>,
    claims: Option<&Claims>,
    destination: &Destination<'_>,
) -> Result<(), NoEdit> {
    if destination.http.is_some_and(|http| RequestPath::parse(http.path) == RequestPath::Unclear) {
        return Err(NoEdit::UnclearPath);
    }
    let wanted = Wanted::of(destination);
    let process = finding.process;
    let whole = draft.whole;
    let explained = explain_claims(whole, (part, finding), claims, destination);
    let nearest = explained.rules.iter().find(|rule| Some(rule.name) == explained.nearest);
    let extension = nearest.and_then(|rule| match rule.failed.as_slice() {
        [failed] => wanted.lacking_in(rule.name, failed),
        _ => None,
    });
    if let Some(extension) = extension.filter(|addition| addition.list_in(whole.raw()).is_some()) {
        let model = whole.model();
        let rule = model.rules().iter().find(|rule| Some(rule.name.as_str()) == explained.nearest);
        draft.edit.broad.extend(rule.into_iter().flat_map(|rule| broad::of_rule(model, rule, &extension)));
        return draft.add(extension);
    }
    let entry = entry(draft, &explained.destinations, destination)?;
    add_rule(draft, process, entry, wanted)
}

impl Wanted {
    fn of(destination: &Destination<'_>) -> Self {
        let method = destination.http.map(|http| http.method.to_owned());
        let path = destination.http.and_then(|http| http.path.split(['?', '#']).next());
        let literal =
            |path: &&str| path.len() <= MAX_TEXT && !path.contains('*') && PathPattern::parse(path).is_ok();
        Self {
            port: destination.address.map(|address| address.port()).filter(|port| *port > 0),
            method: method.filter(|method| is_method(method)),
            path: path.filter(literal).map(Into::into),
        }
    }

    /// What to add to the rule of this name, of which this alone does not hold.
    fn lacking_in(&self, rule: &str, failed: &Failed<'_>) -> Option<Addition> {
        let rule = rule.into();
        match failed {
            Failed::Port(_) => Some(Addition::Port { rule, port: self.port? }),
            Failed::Method(_) => Some(Addition::Method { rule, method: self.method.clone()? }),
            Failed::Path(_) => Some(Addition::Path { rule, path: self.path.clone()? }),
            Failed::NoIdentity
            | Failed::HasIdentity
            | Failed::Process(_)
            | Failed::ProcessLabel(..)
            | Failed::ProcessLabelMissing(_)
            | Failed::Destination(_)
            | Failed::DestinationLabel(..)
            | Failed::Same(_)
            | Failed::NotHttp
            | Failed::UnclearPath => None,
        }
    }
}

/// The name of a destination of the policy that the connection goes to, or of a new one for its host or
/// address; nothing where neither is known.
fn entry(
    draft: &mut Draft<'_>,
    known: &[&str],
    destination: &Destination<'_>,
) -> Result<Option<String>, NoEdit> {
    let entries =
        draft.whole.model().destinations.iter().filter(|entry| known.contains(&entry.name.as_str()));
    let narrowest = entries.min_by_key(|entry| {
        let patterns = entry.hosts.len().saturating_add(entry.cidrs.len());
        (broad::of_destination(entry).is_some(), patterns)
    });
    if let Some(entry) = narrowest {
        draft.edit.broad.extend(broad::of_destination(entry));
        return Ok(Some(entry.name.clone()));
    }
    let host = match destination.host.map(Host::parse) {
        Some(Host::Clear(name)) => Some(name.into_owned()),
        Some(Host::Unclear) | None => None,
    };
    let address = destination.address.map(|address| address.ip().to_canonical().to_string());
    let (hosts, cidrs): (Vec<_>, Vec<_>) = match (host, address) {
        (Some(host), _) => (vec![host], Vec::new()),
        (None, Some(address)) => (Vec::new(), vec![address]),
        (None, None) => return Ok(None),
    };
    let taken = |name: &str| draft.whole.raw().destinations.iter().any(|entry| entry.name == name);
    let word = hosts.iter().chain(&cidrs).next().cloned().unwrap_or_default();
    let entry = RawDestination { name: name(&[&word], taken), hosts, cidrs, labels: Vec::new() };
    let name = entry.name.clone();
    draft.add(Addition::Destination(entry))?;
    Ok(Some(name))
}

fn add_rule(
    draft: &mut Draft<'_>,
    process: Option<&str>,
    entry: Option<String>,
    wanted: Wanted,
) -> Result<(), NoEdit> {
    let taken = |name: &str| draft.whole.raw().rules.iter().any(|rule| rule.name == name);
    let selected = |name: &str| RawSelector { names: vec![name.into()], ..RawSelector::default() };
    let to = RawTo {
        selector: entry.as_deref().map(selected).unwrap_or_default(),
        ports: wanted.port.map(RawPort::One).into_iter().collect(),
        methods: wanted.method.into_iter().collect(),
        paths: wanted.path.into_iter().collect(),
    };
    let rule = RawRule {
        name: name(&[process.unwrap_or("unidentified"), "to", entry.as_deref().unwrap_or("anywhere")], taken),
        effect: Effect::Allow,
        from: Some(process.map_or(RawFrom::Unidentified, |name| RawFrom::Selected(selected(name)))),
        to: Some(to).filter(|to| *to != RawTo::default()),
        description: None,
    };
    let parts = rule.to.clone().unwrap_or_default();
    for (open, what) in [
        (process.is_none(), "whoever shows no identity"),
        (entry.is_none(), "any destination, for neither host nor address is known"),
        (parts.ports.is_empty(), List::Ports.any()),
        (parts.methods.is_empty(), List::Methods.any()),
        (parts.paths.is_empty(), List::Paths.any()),
    ] {
        draft.edit.broad.extend(open.then(|| format!("the rule {} is about {what}", rule.name)));
    }
    draft.add(Addition::Rule(rule))
}
