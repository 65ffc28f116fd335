//! Which conditions of one rule a connection meets.
//!
//! The judge itself answers: for each condition it judges the connection under a policy whose only
//! rule allows whatever meets that condition. A second reading of rules, written here for the sake
//! of explaining, would sooner or later explain another policy than the one in force.

use procgate_policy::{
    Destination, Effect, Mistakes, Policy, Presented, RawFrom, RawPolicy, RawPort, RawRule, RawSelector,
    RawTo, Reason, judge,
};
use serde::Serialize;

/// A condition of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Condition {
    /// Where it stands in the rule, for example `to.ports`.
    pub(super) field: &'static str,
    /// What the rule asks for.
    pub(super) wanted: String,
    /// Whether the connection meets it.
    pub(super) holds: bool,
}

/// A condition on its own, as the two sides of a rule.
struct Single {
    field: &'static str,
    wanted: String,
    from: Option<RawFrom>,
    to: Option<RawTo>,
}

/// The conditions of the rule in the order in which they are written.
///
/// # Errors
/// None where `raw` itself is a policy: its parts are mistakes in no other rule either.
pub(super) fn of(
    raw: &RawPolicy,
    rule: &RawRule,
    presented: Presented<'_>,
    destination: &Destination<'_>,
) -> Result<Vec<Condition>, Mistakes> {
    let meets = |from: Option<RawFrom>, to: Option<RawTo>| {
        let only = RawRule { name: "only".into(), effect: Effect::Allow, from, to, description: None };
        let policy = Policy::new(&RawPolicy { rules: vec![only], ..raw.clone() })?;
        Ok(judge(&policy, presented, destination).finding.reason == Reason::Allowed)
    };
    // Without `from`, a rule that allows is about recognised processes only.
    let whoever = matches!(presented, Presented::Absent).then_some(RawFrom::Unidentified);
    let mut found = Vec::new();
    for Single { field, wanted, from, to } in singles(rule) {
        let holds = meets(from.or_else(|| whoever.clone()), to)?;
        found.push(Condition { field, wanted, holds });
    }
    if found.iter().all(|condition| condition.holds)
        && !meets(rule.from.clone().or_else(|| whoever.clone()), rule.to.clone())?
    {
        let wanted = "all of this of one and the same destination".into();
        found.push(Condition { field: "to", wanted, holds: false });
    }
    Ok(found)
}

fn singles(rule: &RawRule) -> Vec<Single> {
    let mut singles = Vec::new();
    let to = rule.to.clone().unwrap_or_default();
    match &rule.from {
        None => {}
        Some(RawFrom::Unidentified) => singles.push(Single {
            field: "from.unidentified",
            wanted: "no identity".into(),
            from: Some(RawFrom::Unidentified),
            to: None,
        }),
        Some(RawFrom::Selected(selector)) => {
            for (field, wanted, selector) in parts(selector, ["from.process", "from.labels"]) {
                singles.push(Single { field, wanted, from: Some(RawFrom::Selected(selector)), to: None });
            }
        }
    }
    singles.extend(to.selector.same.as_deref().map(same));
    for (field, wanted, selector) in parts(&to.selector, ["to.destination", "to.labels"]) {
        singles.push(to_only(field, wanted, RawTo { selector, ..RawTo::default() }));
    }
    if !to.ports.is_empty() {
        let wanted = list(to.ports.iter().map(port));
        singles.push(to_only("to.ports", wanted, RawTo { ports: to.ports, ..RawTo::default() }));
    }
    if !to.methods.is_empty() {
        let wanted = list(to.methods.iter().cloned());
        singles.push(to_only("to.methods", wanted, RawTo { methods: to.methods, ..RawTo::default() }));
    }
    if !to.paths.is_empty() {
        let wanted = list(to.paths.iter().cloned());
        singles.push(to_only("to.paths", wanted, RawTo { paths: to.paths, ..RawTo::default() }));
    }
    singles
}

fn to_only(field: &'static str, wanted: String, to: RawTo) -> Single {
    Single { field, wanted, from: None, to: Some(to) }
}

/// One condition on both sides at once.
fn same(name: &str) -> Single {
    let selector = RawSelector { same: Some(name.into()), ..RawSelector::default() };
    Single {
        field: "from.same, to.same",
        wanted: format!("one value of the label {name} on both sides"),
        from: Some(RawFrom::Selected(selector.clone())),
        to: Some(RawTo { selector, ..RawTo::default() }),
    }
}

/// Names, then each label.
fn parts(selector: &RawSelector, fields: [&'static str; 2]) -> Vec<(&'static str, String, RawSelector)> {
    let [names_field, labels_field] = fields;
    let names = (!selector.names.is_empty()).then(|| {
        let only = RawSelector { names: selector.names.clone(), ..RawSelector::default() };
        (names_field, list(selector.names.iter().cloned()), only)
    });
    let label = |(name, value): &(String, String)| {
        let only = RawSelector { labels: vec![(name.clone(), value.clone())], ..RawSelector::default() };
        (labels_field, format!("{name}={value}"), only)
    };
    names.into_iter().chain(selector.labels.iter().map(label)).collect()
}

fn port(port: &RawPort) -> String {
    match port {
        RawPort::One(port) => port.to_string(),
        RawPort::Range(range) => range.clone(),
    }
}

fn list(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(" or ")
}
