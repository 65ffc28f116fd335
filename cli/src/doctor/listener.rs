//! What has to happen to a connection before the plugin sees it: the listener and its filters.

use super::chain::Coverage;
use super::checks::Checks;
use super::envoy::{Configuration, Direction, Filter, Listener};
use super::http;
use super::tree::Tree;

/// Where the plugin looks for the peer's own address, and what it has to be.
const SOURCE_KEY: &str = "procgate.source";
const DIRECT_ADDRESS: &str = "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%";
/// What has tcp_proxy read before it connects.
const RECEIVE_FIRST: &str = "envoy.tcp_proxy.receive_before_connect";
/// The TLV that carries the token, and where the plugin looks for it.
const TOKEN_TLV: u64 = 0xEA;
const TOKEN_KEY: &str = "procgate";
/// What a log line with the record has in its format.
const RECORD: &str = "wasm.procgate";
/// Seconds that a connection whose server speaks first may be held up.
const PATIENCE: f64 = 5.0;

/// The listener filters that procgate depends on, by their place in the list.
#[derive(Debug)]
struct Filters<'a> {
    all: Vec<Filter<'a>>,
}

impl<'a> Filters<'a> {
    fn places(&self, kind: &'static str) -> impl DoubleEndedIterator<Item = usize> {
        let matching = self.all.iter().enumerate().filter(move |(_, filter)| filter.is(kind));
        matching.map(|(place, _)| place)
    }

    fn last(&self, kind: &'static str) -> Option<usize> {
        self.places(kind).next_back()
    }

    fn first(&self, kind: &'static str) -> Option<usize> {
        self.places(kind).next()
    }

    /// What set_filter_state filters set when a connection comes.
    fn states(&self) -> impl Iterator<Item = (&Filter<'a>, Tree<'a>)> {
        let set = self.all.iter().filter(|filter| filter.is(SET_FILTER_STATE));
        set.flat_map(|filter| filter.config.get("on_accept").items().map(move |state| (filter, state)))
    }

    fn proxy_protocol(&self) -> Option<Filter<'a>> {
        self.all.iter().copied().find(|filter| filter.is(PROXY_PROTOCOL))
    }
}

const PROXY_PROTOCOL: &str = "proxy_protocol.v3.ProxyProtocol";
const ORIGINAL_DST: &str = "original_dst.v3.OriginalDst";
const SET_FILTER_STATE: &str = "listener.set_filter_state.v3.Config";
const INSPECTORS: [&str; 2] = ["tls_inspector.v3.TlsInspector", "http_inspector.v3.HttpInspector"];

/// Looks at a listener and everything in it.
pub(super) fn check(configuration: &Configuration<'_>, listener: Listener<'_>, checks: &mut Checks) {
    let chains = listener.chains();
    let coverages: Vec<_> = chains.iter().map(|chain| Coverage::of(configuration, chain)).collect();
    let filters = listener.0.get("listener_filters").items().map(|entry| configuration.filter(entry));
    let filters = Filters { all: filters.collect() };
    check_hand_off(configuration, listener, (&filters, &coverages), checks);
    if coverages.iter().any(Coverage::is_there) {
        check_direction(listener, checks);
        check_source(listener, &filters, &coverages, checks);
        check_preface(listener, &filters, checks);
        check_order(listener, &filters, checks);
        check_waiting(listener, &filters, checks);
        check_redirect(listener, &filters, &coverages, checks);
    }
    if coverages.iter().any(Coverage::waits_for_bytes) {
        check_first_bytes(listener, &filters, checks);
    }
    for (chain, coverage) in chains.iter().zip(&coverages) {
        coverage.check(listener, chain, checks);
        coverage.plugins().for_each(|plugin| plugin.check(chain, checks));
        if coverage.network.is_some() {
            check_log(listener.0.get("access_log"), &listener, checks);
        }
        if let Some((_, manager)) = coverage.http {
            check_log(manager.get("access_log"), chain, checks);
            http::check(manager, chain, checks);
            http::check_peer(listener.direction(), chain.tree, chain, checks);
        }
    }
}

fn check_direction(listener: Listener<'_>, checks: &mut Checks) {
    let mut at = checks.at("direction", listener);
    match listener.direction() {
        Direction::Unspecified => at.warn(
            "says not which way its traffic goes, and the plugin takes it for outbound",
            "set traffic_direction: OUTBOUND, or INBOUND at the receiver",
        ),
        Direction::Outbound => at.ok("outbound: the sender's end"),
        Direction::Inbound => at.ok("inbound: the receiver's end"),
    }
}

/// Where the peer's own address comes from, which tokens are bound to (docs/decisions/0006).
fn check_source(
    listener: Listener<'_>,
    filters: &Filters<'_>,
    coverages: &[Coverage<'_>],
    checks: &mut Checks,
) {
    let mut at = checks.at("source", listener);
    if listener.direction() == Direction::Inbound {
        return;
    }
    let next = format!(
        "add the listener filter set_filter_state: on_accept {SOURCE_KEY}, factory_key envoy.string, {DIRECT_ADDRESS}"
    );
    let own: Vec<_> =
        filters.states().filter(|(_, state)| state.get("object_key").name() == SOURCE_KEY).collect();
    if own.is_empty() && filters.proxy_protocol().is_some() {
        let takes_headers = coverages.iter().any(|coverage| coverage.http.is_some());
        let what = if takes_headers {
            "the peer's own address is not kept: whoever has a stolen token shows it in a header, behind a preface \
             that claims its source, and every token in a preface is refused"
        } else {
            "the peer's own address is not kept, so every token in a preface is refused"
        };
        at.error(what, next);
    } else if own.is_empty() {
        let what = "the peer's own address is not kept: a client may choose another with x-forwarded-for, so a \
                    request that has this field is refused";
        at.warn(what, next);
    } else if !own.iter().all(|(_, state)| keeps_direct_address(*state)) {
        let what =
            format!("what is kept as {SOURCE_KEY} is not the peer's own address: a client may choose it");
        at.error(what, next);
    } else if own.iter().any(|(filter, _)| filter.entry.get("filter_disabled").exists()) {
        let what = "the peer's own address is kept for some connections only";
        at.error(what, "take filter_disabled out of that set_filter_state");
    } else {
        at.ok(format!("the peer's own address is kept as {SOURCE_KEY}"));
    }
}

fn keeps_direct_address(state: Tree<'_>) -> bool {
    let format = state.at("format_string.text_format_source.inline_string").text();
    let format = format.or_else(|| state.at("format_string.text_format").text());
    format == Some(DIRECT_ADDRESS) && state.get("factory_key").name() == "envoy.string"
}

/// Whether tcp_proxy waits until the plugin has read what a connection begins with.
fn check_first_bytes(listener: Listener<'_>, filters: &Filters<'_>, checks: &mut Checks) {
    let mut at = checks.at("first-bytes", listener);
    let waits = |(filter, state): (&Filter<'_>, Tree<'_>)| {
        let text = state.at("format_string.text_format_source.inline_string").text();
        !filter.entry.get("filter_disabled").exists()
            && state.get("object_key").name() == RECEIVE_FIRST
            && state.get("factory_key").name() == "envoy.bool"
            && text.or_else(|| state.at("format_string.text_format").text()) == Some("true")
    };
    if filters.states().any(waits) {
        at.ok("nothing connects upstream before the plugin has read a connection's first bytes");
    } else {
        at.error(
            "tcp_proxy reads nothing before it has connected, so the plugin waits for bytes that never come",
            format!("add the listener filter set_filter_state: on_accept {RECEIVE_FIRST}, factory_key envoy.bool, true"),
        );
    }
}

/// Whether the token in a preface gets to where the plugin looks for it.
fn check_preface(listener: Listener<'_>, filters: &Filters<'_>, checks: &mut Checks) {
    let mut at = checks.at("preface", listener);
    let Some(filter) = filters.proxy_protocol() else { return };
    let config = filter.config;
    let mut rules = config.get("rules").items();
    let rule = rules.any(|rule| {
        rule.get("tlv_type").number() == Some(TOKEN_TLV) && rule.at("on_tlv_present.key").name() == TOKEN_KEY
    });
    let refuses = config.get("disallowed_versions").items().any(|version| version.is("V2", 1));
    if filters.places(PROXY_PROTOCOL).count() > 1 {
        at.error(
            "two proxy_protocol filters: a second preface, which the program writes, would replace the shim's",
            "leave one",
        );
    } else if !config.get("tlv_location").is("FILTER_STATE", 1) {
        at.error(
            "proxy_protocol keeps the token where the plugin does not see it",
            "set tlv_location: FILTER_STATE",
        );
    } else if !rule {
        at.error(
            "proxy_protocol does not keep the token",
            "add the rule tlv_type: 0xEA, on_tlv_present: {key: procgate}",
        );
    } else if refuses {
        let next = "leave V2 out of disallowed_versions";
        at.error("proxy_protocol refuses the version that the shim writes", next);
    } else if filter.entry.get("filter_disabled").exists() {
        at.error(
            "some connections keep their preface, and servers get it",
            "take filter_disabled out of proxy_protocol, and exempt their destinations in the shim",
        );
    } else {
        at.ok("the token in a preface gets to the plugin");
    }
}

/// Where the destination comes from: what a preface claims, or where the connection went.
fn check_order(listener: Listener<'_>, filters: &Filters<'_>, checks: &mut Checks) {
    let mut at = checks.at("order", listener);
    let (Some(preface), Some(last_preface)) = (filters.first(PROXY_PROTOCOL), filters.last(PROXY_PROTOCOL))
    else {
        return;
    };
    if let Some(inspector) = INSPECTORS
        .into_iter()
        .find(|kind| filters.first(kind) < Some(preface) && filters.first(kind).is_some())
    {
        let name = inspector.split('.').next().unwrap_or_default();
        at.error(
            format!(
                "{name} stands before proxy_protocol and looks at the preface, not at what the program sends"
            ),
            format!("put {name} after proxy_protocol"),
        );
    }
    if filters.last(ORIGINAL_DST).is_none_or(|last| last < last_preface) {
        at.error(
            "the destination is what a preface claims, so whoever writes one chooses by which rules and which \
             filter chain it is judged",
            "put original_dst after proxy_protocol",
        );
    } else if filters.first(ORIGINAL_DST) > Some(preface)
        && listener.0.get("continue_on_listener_filters_timeout").is_true()
    {
        at.warn(
            "whoever sends no preface in time is judged by this listener's own address, not by its destination",
            "put a second original_dst before proxy_protocol",
        );
    } else {
        at.ok("the destination is where the connection went, not what a preface claims");
    }
}

/// `original_dst` restores nothing where no redirect rule brought the connection here. That harms nobody where
/// the connection goes to its destination: a preface then chooses both.
fn check_redirect(
    listener: Listener<'_>,
    filters: &Filters<'_>,
    coverages: &[Coverage<'_>],
    checks: &mut Checks,
) {
    let elsewhere = coverages.iter().any(|coverage| coverage.is_there() && coverage.leads_elsewhere);
    if filters.proxy_protocol().is_some() && elsewhere {
        checks.warn(
            "redirect",
            listener,
            "connections go to a fixed cluster: those that no redirect rule brings here are judged by the \
             destination that their preface claims",
            "let nothing connect here but by redirect rules, or leave from: {unidentified: true} out of the policy",
        );
    }
}

/// How long listener filters hold up a connection whose client waits for the server to speak.
fn check_waiting(listener: Listener<'_>, filters: &Filters<'_>, checks: &mut Checks) {
    let mut at = checks.at("waiting", listener);
    let waits = [PROXY_PROTOCOL].into_iter().chain(INSPECTORS).any(|kind| filters.first(kind).is_some());
    if !waits {
        return;
    }
    let timeout = listener.0.get("listener_filters_timeout");
    // 15 s where it is not set; 0 is for ever.
    let seconds = timeout.seconds().unwrap_or(15.0);
    if !listener.0.get("continue_on_listener_filters_timeout").is_true() {
        at.warn(
            "a connection whose client waits for the server to speak is closed",
            "set continue_on_listener_filters_timeout: true; the plugin decides it all the same",
        );
    } else if seconds <= 0.0 || seconds > PATIENCE {
        at.warn(
            "a connection whose client waits for the server to speak is held up for long",
            "set listener_filters_timeout: 1s",
        );
    } else {
        at.ok("a connection whose client waits for the server goes on soon");
    }
}

/// Whether a listener takes prefaces off.
pub(super) fn reads_prefaces(configuration: &Configuration<'_>, listener: Listener<'_>) -> bool {
    let mut filters = listener.0.get("listener_filters").items().map(|entry| configuration.filter(entry));
    filters.any(|filter| filter.is(PROXY_PROTOCOL))
}

/// With `use_original_dst` another listener gets the connection, and not what the filters here have kept.
fn check_hand_off(
    configuration: &Configuration<'_>,
    listener: Listener<'_>,
    (filters, coverages): (&Filters<'_>, &[Coverage<'_>]),
    checks: &mut Checks,
) {
    const ID: &str = "hand-off";
    if !listener.0.get("use_original_dst").is_true() {
        return;
    }
    let next = "put proxy_protocol and procgate.source on the listeners that it hands connections to";
    if filters.proxy_protocol().is_some() {
        let what = "takes the token off and hands the connection to another listener, which does not get it";
        return checks.error(ID, listener, what, next);
    }
    let reads_prefaces = |other: &Listener<'_>| reads_prefaces(configuration, *other);
    let is_target = |other: &&Listener<'_>| {
        let bind = other.0.get("bind_to_port");
        bind.exists() && !bind.is_true() && other.direction() == listener.direction()
    };
    let targets: Vec<_> = configuration.listeners.iter().filter(is_target).collect();
    if targets.iter().any(|other| reads_prefaces(other)) {
        let without = targets.iter().filter(|other| !reads_prefaces(other));
        for other in without {
            let what = "gets connections with a preface handed over, and would send it to the server";
            checks.error(ID, other, what, "put proxy_protocol there too");
        }
        if coverages.iter().all(Coverage::keeps_prefaces_from_servers) {
            let what = "the plugin takes the preface off a connection that no other listener takes";
            return checks.ok(ID, listener, what);
        }
        let what = "a connection that no listener takes keeps its preface, which goes to the server";
        checks.warn(ID, listener, what, "exempt such destinations in the shim (--exempt)");
    } else {
        checks.ok(ID, listener, "hands connections over, and none of them brings a preface");
    }
}

fn check_log(log: Tree<'_>, place: &dyn core::fmt::Display, checks: &mut Checks) {
    let mut at = checks.at("access-log", place);
    let mut whole = log.items().filter(|entry| entry.mentions(RECORD));
    let next =
        format!("add %FILTER_STATE({RECORD}:PLAIN)% to the format of its access log, without a filter");
    match whole.find(|entry| !entry.get("filter").exists()) {
        Some(_) => at.ok("the access log has the record of each decision"),
        None if log.mentions(RECORD) => {
            at.warn("the access log has the record of some decisions only", next);
        }
        None => at.warn("the access log does not have the records of decisions", next),
    }
}
