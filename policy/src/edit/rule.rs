//! Adding to the rules of a policy.

use super::{Edit, NoEdit, broad, name};
use crate::connection::Destination;
use crate::explain::{Failed, explain_claims};
use crate::pattern::{Host, PathPattern, RequestPath};
use crate::policy::Policy;
use crate::raw::{
    Effect, MAX_METHOD, MAX_METHODS, MAX_PATHS, MAX_PORTS, MAX_TEXT, RawDestination, RawFrom, RawPort,
    RawRule, RawSelector, RawTo,
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
    edit: &mut Edit,
    policy: &Policy,
    process: Option<&str>,
    claims: Option<&Claims>,
    destination: &Destination<'_>,
) -> Result<(), NoEdit> {
    if destination.http.is_some_and(|http| RequestPath::parse(http.path) == RequestPath::Unclear) {
        return Err(NoEdit::UnclearPath);
    }
    let wanted = Wanted::of(destination);
    let explained = explain_claims(policy, claims, destination);
    let near = explained.nearest.and_then(|name| {
        let place = explained.rules.iter().position(|rule| rule.name == name)?;
        let [failed] = explained.rules.get(place)?.failed.as_slice() else { return None };
        Some((place, failed))
    });
    if let Some((place, failed)) = near
        && extend(edit, place, failed, &wanted)?
    {
        let rule = policy.model().rules.get(place);
        edit.broad.extend(rule.into_iter().flat_map(broad::of_rule));
        return Ok(());
    }
    let entry = entry(edit, policy, &explained.destinations, destination)?;
    add_rule(edit, process, entry, wanted)
}

impl Wanted {
    fn of(destination: &Destination<'_>) -> Self {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let method = destination.http.map(|http| http.method.to_owned());
        let path = destination.http.and_then(|http| http.path.split(['?', '#']).next());
        let literal =
            |path: &&str| path.len() <= MAX_TEXT && !path.contains('*') && PathPattern::parse(path).is_ok();
        Self {
            port: destination.address.map(|address| address.port()).filter(|port| *port > 0),
            method: method.filter(|name| (1..=MAX_METHOD).contains(&name.len()) && name.bytes().all(token)),
            path: path.filter(literal).map(Into::into),
        }
    }
}

/// Adds what the rule lacks to the list that lacks it, if that is a list with room.
fn extend(edit: &mut Edit, place: usize, failed: &Failed<'_>, wanted: &Wanted) -> Result<bool, NoEdit> {
    let Some(rule) = edit.policy.rules.get_mut(place) else { return Ok(false) };
    let name = rule.name.clone();
    let Some(to) = rule.to.as_mut() else { return Ok(false) };
    let at = |list| format!("rules[{place}].allow.to.{list}");
    match (failed, wanted) {
        (Failed::Port(_), Wanted { port: Some(port), .. }) if to.ports.len() < MAX_PORTS => {
            to.ports.push(RawPort::One(*port));
            edit.add(at("ports"), Some(&name), port)?;
        }
        (Failed::Method(_), Wanted { method: Some(method), .. }) if to.methods.len() < MAX_METHODS => {
            to.methods.push(method.clone());
            edit.add(at("methods"), Some(&name), method)?;
        }
        (Failed::Path(_), Wanted { path: Some(path), .. }) if to.paths.len() < MAX_PATHS => {
            to.paths.push(path.clone());
            edit.add(at("paths"), Some(&name), path)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The name of a destination of the policy that the connection goes to, or of a new one for its host or
/// address; nothing where neither is known.
fn entry(
    edit: &mut Edit,
    policy: &Policy,
    known: &[&str],
    destination: &Destination<'_>,
) -> Result<Option<String>, NoEdit> {
    let entries = policy.model().destinations.iter().filter(|entry| known.contains(&entry.name.as_str()));
    let narrowest = entries.min_by_key(|entry| {
        let patterns = entry.hosts.len().saturating_add(entry.cidrs.len());
        (broad::of_destination(entry).is_some(), patterns)
    });
    if let Some(entry) = narrowest {
        edit.broad.extend(broad::of_destination(entry));
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
    let taken = |name: &str| edit.policy.destinations.iter().any(|entry| entry.name == name);
    let word = hosts.iter().chain(&cidrs).next().cloned().unwrap_or_default();
    let entry = RawDestination { name: name(&[&word], taken), hosts, cidrs, labels: Vec::new() };
    let name = entry.name.clone();
    edit.add("destinations".into(), None, &entry)?;
    edit.policy.destinations.push(entry);
    Ok(Some(name))
}

fn add_rule(
    edit: &mut Edit,
    process: Option<&str>,
    entry: Option<String>,
    wanted: Wanted,
) -> Result<(), NoEdit> {
    let taken = |name: &str| edit.policy.rules.iter().any(|rule| rule.name == name);
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
        (process.is_none(), "it is about whoever shows no identity"),
        (entry.is_none(), "it is about any destination, for neither host nor address is known"),
        (parts.ports.is_empty(), "it is about any port, for none is known"),
        (parts.methods.is_empty(), "it is about any method, and what is not HTTP"),
        (parts.paths.is_empty(), "it is about any path, and what is not HTTP"),
    ] {
        edit.broad.extend(open.then(|| format!("the rule {}: {what}", rule.name)));
    }
    edit.add("rules".into(), None, &rule)?;
    edit.policy.rules.push(rule);
    Ok(())
}
