//! The policies that the plugin has in all its places.

use super::chain::Coverage;
use super::checks::Checks;
use super::envoy::Configuration;
use procgate_identity::Digest;
use procgate_policy::{Mistakes, Mode, Policy};
use std::borrow::Cow;
use std::rc::Rc;

const ID: &str = "policy";

/// A policy, read once however many places have it: a mesh puts it into hundreds.
#[derive(Debug)]
struct Known<'a> {
    text: Cow<'a, [u8]>,
    /// Whether the plugin reads these very bytes: a `Struct` is written anew by Envoy.
    exact: bool,
    read: Result<Policy, Mistakes>,
}

/// The policies of a configuration.
#[derive(Debug, Default)]
pub(super) struct Policies<'a>(Vec<Rc<Known<'a>>>);

impl<'a> Policies<'a> {
    /// Looks at the policy of each plugin: they are good, and the same everywhere.
    pub(super) fn check(configuration: &Configuration<'a>, checks: &mut Checks) -> Self {
        let mut policies = Self::default();
        let mut places = 0_usize;
        for chain in configuration.listeners.iter().flat_map(|listener| listener.chains()) {
            for plugin in Coverage::of(configuration, &chain).plugins() {
                places = places.saturating_add(1);
                match plugin.policy() {
                    Some(Some((text, exact))) => policies.read(text, exact).check(&chain, checks),
                    Some(None) => checks.error(
                        ID,
                        &chain,
                        "the plugin has no policy, and refuses to start",
                        "put the policy into configuration, as JSON in a StringValue",
                    ),
                    None => {}
                }
            }
        }
        if places == 0 {
            let next = "add the plugin to the listeners, as envoy-config/ shows";
            checks.error("plugin", "the configuration", "the plugin is nowhere in it", next);
        }
        policies.check_same(checks);
        policies
    }

    fn read(&mut self, text: Cow<'a, [u8]>, exact: bool) -> Rc<Known<'a>> {
        let found = self.0.iter().find(|known| known.text == text).cloned();
        found.unwrap_or_else(|| {
            let read = Policy::from_json(&text);
            let known = Rc::new(Known { text, exact, read });
            self.0.push(Rc::clone(&known));
            known
        })
    }

    /// The digests that the plugin publishes, as far as they are known.
    pub(super) fn digests(&self) -> Vec<Digest> {
        let exact = self.0.iter().filter(|known| known.exact);
        exact.filter_map(|known| known.read.as_ref().ok()).map(Policy::sha256).collect()
    }

    /// Those that the plugin takes.
    pub(super) fn good(&self) -> impl Iterator<Item = &Policy> {
        self.0.iter().filter_map(|known| known.read.as_ref().ok())
    }

    fn check_same(&self, checks: &mut Checks) {
        if self.0.len() > 1 {
            let digests: Vec<_> = self.digests().iter().map(ToString::to_string).collect();
            checks.error(
                ID,
                "the configuration",
                format!("the plugin has {} policies: {}", self.0.len(), digests.join(", ")),
                "give it the same in all places",
            );
        }
    }
}

impl Known<'_> {
    fn check(&self, place: &impl core::fmt::Display, checks: &mut Checks) {
        match &self.read {
            Err(mistakes) => {
                let first = mistakes.as_slice().first().map(ToString::to_string).unwrap_or_default();
                let next = "`procgate policy lint` lists all mistakes";
                checks.error(ID, place, format!("the plugin refuses its policy: {first}"), next);
            }
            Ok(policy) if policy.mode() == Mode::Audit => {
                let next = "set mode: enforce when the log shows nothing unexpected";
                checks.warn("mode", place, "the policy is in mode audit: everything passes", next);
            }
            Ok(policy) if self.exact => {
                checks.ok(ID, place, format!("the policy is good and enforced, {}", policy.sha256()));
            }
            Ok(_) => checks.ok(ID, place, "the policy is good and enforced"),
        }
    }
}
