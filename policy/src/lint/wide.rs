//! "Permit any to any", and the disguises it wears: every address in two halves, every port as a range, every
//! process by name, every method listed, several rules that add up.

use super::cover::{MAX_SPLIT, covering};
use super::covered::enumerated;
use super::parts::adds_up;
use super::reach::Reach;
use super::resolved::{Resolved, elsewhere};
use super::{Findings, LintId};
use crate::model::{Model, NamedDestination, Rule, Selector, Source};
use crate::pattern::{Cidr, HostPattern, PortRange};
use crate::raw::{Effect, RawPolicy};
use procgate_identity::Labels;

/// Methods that between them read and change everything (RFC 9110 section 9.3, RFC 5789). OPTIONS, TRACE and
/// CONNECT make no list wider that has these.
const EVERY_METHOD: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"];

/// Rules that leave less out than they seem to.
pub(super) fn rules(raw: &RawPolicy, model: &Model, reach: &Reach<'_>, found: &mut Findings) {
    let mut any_to_any = false;
    for (place, (rule, raw)) in model.rules.iter().zip(&raw.rules).enumerate() {
        if rule.effect == Effect::Deny {
            continue;
        }
        any_to_any |= everywhere(model, reach, place, rule, found);
        let paths = raw.to.as_ref().map_or(&[][..], |to| &to.paths);
        leaves_none_out(place, rule, paths, found);
    }
    if !any_to_any {
        together(model, reach, found);
    }
}

/// Whether the rule is about every process and leads everywhere.
fn everywhere(model: &Model, reach: &Reach<'_>, place: usize, rule: &Rule, found: &mut Findings) -> bool {
    let asks_nothing = limits(rule).is_empty();
    let Some(how) = leads_everywhere(reach, rule).filter(|_| asks_nothing) else { return false };
    let path = format!("rules[{place}].allow");
    match whom(model, &rule.from) {
        Some(whom) => {
            let problem = format!("lets every recognised process reach everything{whom}{how}");
            let fix = "name who in from, and what in to";
            found.add_for_rule(place, LintId::AnyToAny, path, problem, fix);
            true
        }
        // A finding of its own.
        None if rule.from == Source::Unidentified => false,
        None => {
            let problem = format!("lets whom it is about reach everything{how}");
            found.add_for_rule(place, LintId::AnyDestination, path, problem, "name the destinations in to");
            false
        }
    }
}

/// How a rule comes to be about every process, if it is.
pub(super) fn whom(model: &Model, from: &Source) -> Option<String> {
    let Source::Process(selector) = from else { return None };
    if selector.is_any() {
        return Some(String::new());
    }
    let all = selector.names.len() == model.processes.len();
    (all && selector.labels.is_empty() && selector.same.is_none()).then(|| match selector.names.len() {
        1 => ": from names the only process of the policy".into(),
        all => format!(": from names all {all} processes of the policy"),
    })
}

/// How a rule comes to lead everywhere, if it does.
pub(super) fn leads_everywhere(reach: &Reach<'_>, rule: &Rule) -> Option<String> {
    if rule.to.is_any() {
        return Some(String::new());
    }
    if rule.to.same.is_some() {
        return None;
    }
    let entries: Vec<_> = reach.entries(rule).map(|(_, entry)| entry).collect();
    if let Some(entry) = entries.iter().find(|entry| entry.hosts.contains(&HostPattern::Any)) {
        return Some(format!(": {} is any host", entry.name));
    }
    let ranges: Vec<Cidr> = entries.iter().flat_map(|entry| &entry.cidrs).copied().collect();
    let family = [Cidr::EVERY_V4, Cidr::EVERY_V6].into_iter().find(|family| adds_up(&ranges, *family))?;
    let in_family = |entry: &&&NamedDestination| entry.cidrs.iter().any(|cidr| family.covers(cidr));
    let named: Vec<String> = entries.iter().filter(in_family).map(|entry| entry.name.clone()).collect();
    Some(format!(": {} have all of {family}", enumerated(&named)))
}

/// The lists of the rule that leave something out.
pub(super) fn limits(rule: &Rule) -> Vec<String> {
    let lists = [
        ("ports", every_port(&rule.ports)),
        ("methods", every_method(&rule.methods)),
        ("paths", every_path(rule)),
    ];
    lists.into_iter().filter(|(_, every)| !every).map(|(list, _)| list.into()).collect()
}

fn every_port(ports: &[PortRange]) -> bool {
    let mut ranges = ports.to_vec();
    ranges.sort_unstable();
    let mut missing = 1;
    for range in ranges {
        if u32::from(range.first()) <= missing {
            missing = missing.max(u32::from(range.last()).saturating_add(1));
        }
    }
    ports.is_empty() || missing > u32::from(u16::MAX)
}

fn every_method(methods: &[String]) -> bool {
    methods.is_empty() || EVERY_METHOD.iter().all(|every| methods.iter().any(|method| method == every))
}

fn every_path(rule: &Rule) -> bool {
    rule.paths.is_empty() || rule.paths.iter().any(|path| path.has_tail() && path.segments().is_empty())
}

/// Conditions that exclude nothing.
fn leaves_none_out(place: usize, rule: &Rule, paths: &[String], found: &mut Findings) {
    let to = format!("rules[{place}].allow.to");
    if !rule.ports.is_empty() && every_port(&rule.ports) {
        let fix = "name the ports that are meant, or leave ports out";
        found.add_for_rule(place, LintId::EveryPort, format!("{to}.ports"), "leaves no port out", fix);
    }
    if !rule.methods.is_empty() && every_method(&rule.methods) {
        let problem = "leaves out no method that reads or changes anything";
        let fix = "name the methods that are meant; without methods the rule is about other protocols too";
        found.add_for_rule(place, LintId::EveryMethod, format!("{to}.methods"), problem, fix);
    }
    if !rule.paths.is_empty() && every_path(rule) {
        let index = paths.iter().position(|path| path == "/**").unwrap_or_default();
        let fix = "name the paths that are meant; without paths the rule is about other protocols too";
        let at = format!("{to}.paths[{index}]");
        found.add_for_rule(place, LintId::EveryPath, at, "leaves no path out", fix);
    }
}

/// Several rules, each of which leaves something out that another one has. They are held against a rule that
/// leaves nothing out, which is no rule of the policy.
fn together(model: &Model, reach: &Reach<'_>, found: &mut Findings) {
    if !(1..=MAX_SPLIT).contains(&model.processes.len()) {
        return;
    }
    let everywhere = NamedDestination {
        name: String::new(),
        hosts: Vec::new(),
        cidrs: vec![Cidr::EVERY_V4],
        labels: Labels::default(),
    };
    let anything = Rule {
        name: String::new(),
        description: None,
        effect: Effect::Allow,
        from: Source::Process(Selector::default()),
        to: elsewhere(),
        ports: PortRange::parse("1-65535").into_iter().collect(),
        methods: Vec::new(),
        paths: Vec::new(),
    };
    let rules = model.rules.iter().enumerate().filter(|(_, rule)| rule.effect == Effect::Allow);
    let allows: Vec<_> = rules.map(|(place, rule)| Resolved::new(place, rule, reach)).collect();
    let anything = Resolved::elsewhere(&anything, &everywhere);
    let Some(by) = covering(model, reach, &anything, &allows.iter().collect::<Vec<_>>()) else { return };
    let named = by.iter().filter_map(|place| model.rules.get(*place)).map(|rule| rule.name.clone());
    let problem = format!(
        "{} let every process reach every IPv4 address at every port",
        enumerated(&named.collect::<Vec<_>>())
    );
    if let Some(first) = by.first() {
        let fix = "make each of them as narrow as its purpose";
        found.add_for_rule(*first, LintId::AnyToAny, format!("rules[{first}].allow"), problem, fix);
    }
}
