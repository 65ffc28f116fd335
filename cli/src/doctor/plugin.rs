//! The plugin as a configuration has it: of which kind, what happens when it crashes, under which policy.

use super::capabilities;
use super::checks::Checks;
use super::envoy::Filter;
use super::sources::MODULE;
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

/// What a configuration gives the plugin for a policy.
#[derive(Debug)]
pub(super) enum Given<'a> {
    /// The bytes that it reads.
    Text(Cow<'a, [u8]>),
    /// Values that Envoy hands on in another form.
    Struct,
    Nothing,
    /// Its configuration is not there to be read.
    Elsewhere,
}

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
            let configuration = config.get("configuration");
            let is_policy =
                |tree: Tree<'_>| ["version", "mode", "trust"].iter().all(|it| tree.get(it).exists());
            match given(configuration) {
                Given::Text(text) => {
                    serde_json::from_slice(&text).is_ok_and(|value| is_policy(Tree::from(&value)))
                }
                Given::Struct => is_policy(configuration.typed().1.get("value")),
                Given::Nothing | Given::Elsewhere => false,
            }
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

    /// Whether Envoy asks it at all.
    pub(super) fn is_asked(self) -> bool {
        capabilities::lets_decide(self.config(), self.is_network())
    }

    fn root_id(self) -> &'a str {
        self.config().get("root_id").name()
    }

    /// What it will read as its policy.
    pub(super) fn policy(self) -> Given<'a> {
        if self.filter.is_unknown() { Given::Elsewhere } else { given(self.config().get("configuration")) }
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
        self.check_module(place, checks);
        capabilities::check(self.config(), self.is_network(), place, checks);
    }

    fn check_kind(self, place: &dyn fmt::Display, checks: &mut Checks) {
        let mut at = checks.at("root-id", place);
        let says_network = NETWORK_ROOTS.contains(&self.root_id());
        match (self.is_network(), says_network) {
            (true, false) => at.error(
                "the plugin is a network filter and takes itself for an HTTP filter, so no connection passes",
                "give it the root_id \"network\", or \"network-stream\" where it is to read first bytes",
            ),
            (false, true) => at.error(
                "the plugin is an HTTP filter and takes itself for a network filter, so no request passes",
                "leave the root_ids that begin with \"network\" to network filters",
            ),
            _ => {}
        }
    }

    /// Whether it has a module. One in a file is looked at with the sources; what comes from elsewhere is not here.
    fn check_module(self, place: &dyn fmt::Display, checks: &mut Checks) {
        let code = self.config().at("vm_config.code");
        let named = ["local.filename", "local.environment_variable", "remote.http_uri.uri"];
        if named.iter().any(|path| !code.at(path).name().is_empty()) {
            return;
        }
        let text = code.at("local.inline_string").text().map(|text| Cow::Borrowed(text.as_bytes()));
        let bytes = || code.at("local.inline_bytes").text().and_then(decoded);
        let what = match text.or_else(bytes) {
            Some(bytes) if bytes.starts_with(MODULE) => return,
            Some(_) => "what stands in vm_config.code is no module",
            None => "the plugin has no module",
        };
        let next = "name its file in vm_config.code.local.filename";
        checks.error("module", place, format!("{what}, so Envoy does not run the plugin"), next);
    }

    fn check_failure(self, place: &dyn fmt::Display, checks: &mut Checks) {
        let mut at = checks.at("failure-policy", place);
        let config = self.config();
        let policy = config.get("failure_policy");
        if policy.is("FAIL_OPEN", 3) || config.get("fail_open").is_true() {
            at.error("after a crash of the plugin everything passes", "set failure_policy: FAIL_RELOAD");
        } else if policy.is("FAIL_RELOAD", 1) {
            at.ok("a crash of the plugin fails what it was busy with, and nothing more");
        } else {
            at.warn(
                "after a crash of the plugin its worker lets nothing pass until Envoy restarts",
                "set failure_policy: FAIL_RELOAD",
            );
        }
    }
}

fn named(tree: Tree<'_>) -> bool {
    tree.name().contains("procgate")
}

/// Bytes, as protobuf writes them in JSON.
fn decoded(text: &str) -> Option<Cow<'_, [u8]>> {
    STANDARD.decode(text).ok().map(Cow::Owned)
}

fn given(configuration: Tree<'_>) -> Given<'_> {
    let (kind, message) = configuration.typed();
    let text = || message.get("value").text();
    let bytes = match kind.rsplit('.').next().unwrap_or_default() {
        "StringValue" => text().map(|text| Cow::Borrowed(text.as_bytes())),
        "BytesValue" => text().and_then(decoded),
        "Struct" => return Given::Struct,
        _ => None,
    };
    bytes.map_or(Given::Nothing, Given::Text)
}
