//! The policies that the plugin has in all its places.

use super::chain::Coverage;
use super::checks::Checks;
use super::envoy::Configuration;
use super::plugin::Given;
use procgate_identity::Digest;
use procgate_policy::{Mistakes, Mode, Policy, RawLint, RawPolicy};
use std::borrow::Cow;
use std::rc::Rc;

const ID: &str = "policy";
const STRUCT: &str =
    "the policy is a Struct, which Envoy hands on in protobuf's own form, and the plugin refuses";
const AS_TEXT: &str = "put the policy into configuration, as JSON in a StringValue";

/// A policy, read once however many places have it: a mesh puts it into hundreds.
#[derive(Debug)]
struct Known<'a> {
    text: Cow<'a, [u8]>,
    read: Result<Policy, Mistakes>,
    /// What it says, however it is written.
    meaning: Option<RawPolicy>,
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
                    Given::Text(text) => policies.read(text).check(&chain, checks),
                    Given::Struct => checks.error(ID, &chain, STRUCT, AS_TEXT),
                    Given::Nothing => {
                        checks.error(ID, &chain, "the plugin has no policy, and refuses to start", AS_TEXT);
                    }
                    Given::Elsewhere => {}
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

    fn read(&mut self, text: Cow<'a, [u8]>) -> Rc<Known<'a>> {
        let found = self.0.iter().find(|known| known.text == text).cloned();
        found.unwrap_or_else(|| {
            let read = Policy::from_json(&text);
            let raw = RawPolicy::from_json(&text).ok();
            let meaning = raw.map(|raw| RawPolicy { lint: RawLint::default(), ..raw });
            let known = Rc::new(Known { text, read, meaning });
            self.0.push(Rc::clone(&known));
            known
        })
    }

    /// The digests that the plugin publishes.
    pub(super) fn digests(&self) -> Vec<Digest> {
        self.good().map(Policy::sha256).collect()
    }

    /// Those that the plugin takes.
    pub(super) fn good(&self) -> impl Iterator<Item = &Policy> {
        self.0.iter().filter_map(|known| known.read.as_ref().ok())
    }

    /// Two that say the same in other words are one policy with two digests.
    fn check_same(&self, checks: &mut Checks) {
        let mut meanings: Vec<_> = self.0.iter().filter_map(|known| known.meaning.as_ref()).collect();
        meanings.dedup();
        if meanings.len() > 1 {
            let digests: Vec<_> = self.digests().iter().map(ToString::to_string).collect();
            checks.error(
                ID,
                "the configuration",
                format!("the plugin has policies that differ: {}", digests.join(", ")),
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
            Ok(policy) => {
                checks.ok(ID, place, format!("the policy is good and enforced, {}", policy.sha256()));
            }
        }
    }
}
