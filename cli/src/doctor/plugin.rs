//! The plugin as a configuration has it: of which kind, what happens when it crashes, under which policy.

use super::checks::Checks;
use super::envoy::Filter;
use super::tree::Tree;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use std::borrow::Cow;

/// What the wasm filters' messages are called.
const HTTP: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";
const NETWORK: &str = "envoy.extensions.filters.network.wasm.v3.Wasm";
/// The `root_id`s that make the plugin a network filter (docs/decisions/0015-first-bytes.md).
const NETWORK_ROOTS: [&str; 3] = ["network", FIRST_BYTES, HANDING_ON];
/// Decides a connection by its first bytes.
const FIRST_BYTES: &str = "network-stream";
/// Reads first bytes for the HTTP filter behind it, and decides nothing.
const HANDING_ON: &str = "network-before-http";

/// The plugin in one place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plugin<'a> {
    filter: Filter<'a>,
}

impl<'a> Plugin<'a> {
    /// The plugin, if this filter is it: a wasm filter whose configuration is a policy, or that is called
    /// procgate somewhere. Where the configuration is not to be found, its name has to do.
    pub(super) fn of(filter: Filter<'a>) -> Option<Self> {
        let config = filter.config.get("config");
        let is_wasm = filter.kind == HTTP || filter.kind == NETWORK;
        let called = filter.name.contains("procgate")
            || ["name", "root_id", "vm_config.vm_id"].iter().any(|path| named(config.at(path)))
            || config.at("vm_config.code").mentions("procgate");
        let has_policy = || {
            let text = policy_text(config.get("configuration"));
            text.is_some_and(|(text, _)| {
                let value = serde_json::from_slice(&text).unwrap_or_default();
                ["version", "mode", "trust"].iter().all(|field| Tree::from(&value).get(field).exists())
            })
        };
        let is_plugin = if is_wasm { called || has_policy() } else { filter.is_unknown() && called };
        is_plugin.then_some(Self { filter })
    }

    /// Whether it decides connections, not requests.
    pub(super) fn is_network(self) -> bool {
        self.filter.kind == NETWORK
    }

    /// Whether it lets everything through that it can read, for the HTTP filter behind it to judge.
    pub(super) fn hands_on(self) -> bool {
        self.is_network() && self.root_id() == HANDING_ON
    }

    /// Whether it waits for a connection's first bytes before it decides.
    pub(super) fn waits_for_bytes(self) -> bool {
        self.is_network() && self.root_id() == FIRST_BYTES
    }

    fn root_id(self) -> &'a str {
        self.config().get("root_id").name()
    }

    /// The bytes that it will read as its policy, and whether these are they to the byte. The inner nothing is
    /// a plugin without a policy; the outer one, a plugin whose configuration is not there to be read.
    pub(super) fn policy(self) -> Option<Option<(Cow<'a, [u8]>, bool)>> {
        (!self.filter.is_unknown()).then(|| policy_text(self.config().get("configuration")))
    }

    fn config(self) -> Tree<'a> {
        self.filter.config.get("config")
    }

    /// Looks at all of it.
    pub(super) fn check(self, place: &dyn fmt::Display, checks: &mut Checks) {
        if self.filter.is_unknown() {
            checks.warn(
                "plugin",
                place,
                format!("the configuration of the filter {} is not in what was read", self.filter.name),
                "give a --config-dump of the running Envoy, which has it",
            );
            return;
        }
        self.check_kind(place, checks);
        self.check_failure(place, checks);
    }

    fn check_kind(self, place: &dyn fmt::Display, checks: &mut Checks) {
        let says_network = NETWORK_ROOTS.contains(&self.root_id());
        match (self.is_network(), says_network) {
            (true, false) => checks.error(
                "root-id",
                place,
                "the plugin is a network filter and takes itself for an HTTP filter, so no connection passes",
                "give it the root_id \"network\", or \"network-stream\" where it is to read first bytes",
            ),
            (false, true) => checks.error(
                "root-id",
                place,
                "the plugin is an HTTP filter and takes itself for a network filter, so no request passes",
                "leave the root_ids that begin with \"network\" to network filters",
            ),
            _ => {}
        }
    }

    fn check_failure(self, place: &dyn fmt::Display, checks: &mut Checks) {
        const ID: &str = "failure-policy";
        let config = self.config();
        let policy = config.get("failure_policy");
        if policy.is("FAIL_OPEN", 3) || config.get("fail_open").is_true() {
            checks.error(
                ID,
                place,
                "after a crash of the plugin everything passes",
                "set failure_policy: FAIL_RELOAD",
            );
        } else if policy.is("FAIL_RELOAD", 1) {
            checks.ok(ID, place, "a crash of the plugin fails what it was busy with, and nothing more");
        } else {
            checks.warn(
                ID,
                place,
                "after a crash of the plugin its worker lets nothing pass until Envoy restarts",
                "set failure_policy: FAIL_RELOAD",
            );
        }
    }
}

fn named(tree: Tree<'_>) -> bool {
    tree.name().contains("procgate")
}

/// The bytes that the plugin will read as its policy, and whether these are they: a `Struct` is written
/// anew by Envoy.
fn policy_text(configuration: Tree<'_>) -> Option<(Cow<'_, [u8]>, bool)> {
    let (kind, message) = configuration.typed();
    let value = message.get("value");
    match kind.rsplit('.').next().unwrap_or_default() {
        "StringValue" => Some((Cow::Borrowed(value.text()?.as_bytes()), true)),
        "BytesValue" => Some((Cow::Owned(STANDARD.decode(value.text()?).ok()?), true)),
        "Struct" => Some((Cow::Owned(serde_json::to_vec(value.value()?).ok()?), false)),
        _ => None,
    }
}
