//! Whether whatever goes through a filter chain meets the plugin.

use super::checks::Checks;
use super::envoy::{Chain, Configuration, Direction, Filter, Listener};
use super::http;
use super::plugin::Plugin;
use super::routes::Routes;
use super::tree::Tree;
use core::fmt;

const ID: &str = "coverage";
/// Filters behind which no other one is reached.
const LAST: [&str; 9] = [
    "tcp_proxy.v3.TcpProxy",
    "http_connection_manager.v3.HttpConnectionManager",
    "http.router.v3.Router",
    "network.direct_response.v3.Config",
    "network.echo.v3.Echo",
    "redis_proxy.v3.RedisProxy",
    "thrift_proxy.v3.ThriftProxy",
    "dubbo_proxy.v3.DubboProxy",
    "generic_proxy.v3.GenericProxy",
];

/// What a filter chain has of the plugin.
#[derive(Debug, Default)]
pub(super) struct Coverage<'a> {
    /// As a network filter, which decides connections.
    pub(super) network: Option<Plugin<'a>>,
    /// As an HTTP filter, which decides requests, and the connection manager that it is in.
    pub(super) http: Option<(Plugin<'a>, Tree<'a>)>,
    /// As a network filter that only reads first bytes for the HTTP filter.
    hands_on: Option<Plugin<'a>>,
    /// What goes past it although it is there.
    gaps: Vec<Gap>,
    /// Where something may go past it that could not be looked at.
    unread: Vec<String>,
    /// Whether only what an inspector has found to be HTTP or TLS gets here, which a preface is not.
    takes_detected: bool,
    /// Whether the chain ends at a cluster without endpoints.
    leads_nowhere: bool,
    /// What behind the plugin may make another request of that which it has judged.
    pub(super) rewriting: Vec<String>,
    /// Whether it leads, or may lead, to a cluster that is not where the connection wanted to go.
    pub(super) leads_elsewhere: bool,
}

/// A way past the plugin, and what closes it.
#[derive(Debug)]
pub(super) struct Gap {
    pub(super) what: String,
    pub(super) next: String,
}

impl<'a> Coverage<'a> {
    /// Looks through the filters of a chain.
    pub(super) fn of(configuration: &Configuration<'a>, chain: &Chain<'a>) -> Self {
        let protocols = chain.tree.at("filter_chain_match.application_protocols");
        let mut found = Self { takes_detected: protocols.items().next().is_some(), ..Self::default() };
        let filters: Vec<_> =
            chain.tree.get("filters").items().map(|entry| configuration.filter(entry)).collect();
        found.gaps.extend(behind_the_end(&filters));
        for filter in filters {
            if let Some(plugin) = Plugin::of(filter) {
                let place = if plugin.hands_on() { &mut found.hands_on } else { &mut found.network };
                *place = Some(plugin);
                found.gaps.extend(substitute(filter));
            } else if filter.is("http_connection_manager.v3.HttpConnectionManager") {
                found.take_http(configuration, filter.config);
            } else if filter.is("tcp_proxy.v3.TcpProxy") {
                let cluster = configuration.cluster(filter.config.get("cluster").name());
                found.leads_nowhere = is_empty(cluster);
                found.leads_elsewhere = !cluster.get("type").is("ORIGINAL_DST", 4);
            }
        }
        found.gaps.extend(found.unjudged());
        found
    }

    /// The plugin that hands connections on, with nobody behind it.
    fn unjudged(&self) -> Option<Gap> {
        let alone = self.hands_on.is_some() && self.http.is_none() && self.network.is_none();
        alone.then(|| Gap {
            what: "the plugin with the root_id \"network-before-http\" lets everything through, and no HTTP \
                   filter behind it judges"
                .into(),
            next: "give it the root_id \"network-stream\", or put the plugin first among the HTTP filters"
                .into(),
        })
    }

    fn take_http(&mut self, configuration: &Configuration<'a>, manager: Tree<'a>) {
        let filters =
            |list: Tree<'a>| list.items().map(|entry| configuration.filter(entry)).collect::<Vec<_>>();
        let plugin_in =
            |filters: &[Filter<'a>]| filters.iter().find_map(|filter| Some((Plugin::of(*filter)?, *filter)));
        let own = filters(manager.get("http_filters"));
        let Some((plugin, filter)) = plugin_in(&own) else { return };
        self.http = Some((plugin, manager));
        self.gaps.extend(behind_the_end(&own));
        let routes = Routes::of(configuration, manager);
        self.rewriting = http::rewriting(&routes.each, &own);
        self.leads_elsewhere = !routes.unread.is_empty()
            || !routes.clusters().all(|name| configuration.cluster(name).get("type").is("ORIGINAL_DST", 4));
        self.gaps.extend(substitute(filter));
        self.gaps.extend(switched_off(filter));
        self.gaps.extend(routes.past(filter.name));
        self.unread.extend(routes.unread);
        for upgrade in manager.get("upgrade_configs").items() {
            let own = filters(upgrade.get("filters"));
            self.gaps.extend(behind_the_end(&own));
            if !own.is_empty() && plugin_in(&own).is_none() {
                let kind = upgrade.get("upgrade_type").name();
                self.gaps.push(Gap {
                    what: format!("requests that upgrade to {kind} go through filters of their own"),
                    next: "put the plugin first among the upgrade's filters too".into(),
                });
            }
        }
    }

    /// Whether the plugin is there at all.
    pub(super) fn is_there(&self) -> bool {
        self.plugins().next().is_some()
    }

    /// The plugin in this chain, once or more often.
    pub(super) fn plugins(&self) -> impl Iterator<Item = Plugin<'a>> {
        self.network.into_iter().chain(self.hands_on).chain(self.http.map(|(plugin, _)| plugin))
    }

    /// Whether a plugin that waits for first bytes stands before a tcp_proxy, which reads none before it has
    /// connected, unless it is told to.
    pub(super) fn waits_for_bytes(&self) -> bool {
        self.http.is_none() && self.network.is_some_and(Plugin::waits_for_bytes)
    }

    /// Whether no server gets the preface of a connection by this chain: none comes here with it, the plugin takes it
    /// off as it reads first bytes, or there is no server.
    pub(super) fn keeps_prefaces_from_servers(&self) -> bool {
        self.takes_detected || self.leads_nowhere || self.waits_for_bytes() || self.hands_on.is_some()
    }

    /// Says whether everything in the chain meets the plugin.
    pub(super) fn check(&self, listener: Listener<'_>, place: &dyn fmt::Display, checks: &mut Checks) {
        for Gap { what, next } in &self.gaps {
            checks.error(ID, place, what, next);
        }
        for unread in &self.unread {
            checks.warn(
                ID,
                place,
                format!("nothing is known of {unread}: that may switch the plugin off"),
                "look there for a typed_per_filter_config with the plugin's name; a --config-dump of the running Envoy \
                 has what was sent to it",
            );
        }
        let next = "put the plugin ahead of tcp_proxy, or of the router in the HTTP connection manager";
        if self.is_there() {
            if self.gaps.is_empty() && self.unread.is_empty() && self.plugins().all(Plugin::is_asked) {
                checks.ok(ID, place, "whatever passes has met the plugin");
            }
        } else if self.leads_nowhere {
            leads_nowhere(place, checks);
        } else {
            uncovered(listener.direction(), place, next, checks);
        }
    }
}

/// A way without the plugin to nowhere.
pub(super) fn leads_nowhere(place: &dyn fmt::Display, checks: &mut Checks) {
    checks.ok(ID, place, "leads nowhere");
}

/// A way without the plugin, which leads somewhere: `next` is what to do about it at the sender.
pub(super) fn uncovered(direction: Direction, place: &dyn fmt::Display, next: &str, checks: &mut Checks) {
    match direction {
        Direction::Outbound => checks.error(ID, place, "whatever takes this way meets no plugin", next),
        Direction::Inbound => checks.warn(
            ID,
            place,
            "the receiver does not check what comes in here",
            "put the plugin there too, if senders forward their tokens",
        ),
        Direction::Unspecified => checks.warn(
            ID,
            place,
            "whoever connects here meets no plugin",
            "put it there, unless this is no way to anything that the policy protects",
        ),
    }
}

/// The plugin behind a filter that is the last to see anything. Envoy refuses to start so.
fn behind_the_end(filters: &[Filter<'_>]) -> Option<Gap> {
    let last = filters.iter().position(|filter| LAST.iter().any(|kind| filter.is(kind)))?;
    let behind = filters.iter().skip(last).any(|filter| Plugin::of(*filter).is_some());
    // As in `envoy.extensions.filters.network.direct_response.v3.Config`.
    let kind = filters.get(last)?.kind.rsplit('.').nth(2)?;
    behind.then(|| Gap {
        what: format!("the plugin stands behind {kind}, where nothing comes: Envoy refuses it"),
        next: "put the plugin ahead of it".into(),
    })
}

/// Something else that Envoy may use instead of the plugin: another filter that came under its name, or one
/// that stands in until the plugin's own configuration has come.
fn substitute(filter: Filter<'_>) -> Option<Gap> {
    let discovery = filter.entry.get("config_discovery");
    let default = discovery.get("default_config");
    let early = discovery.get("apply_default_config_without_warming").is_true();
    (default.exists() && (early || default.typed().0 != filter.kind)).then(|| Gap {
        what: "a default configuration serves while the plugin's own has not come".into(),
        next: "leave default_config out: Envoy then lets nothing pass until it comes".into(),
    })
}

/// An HTTP filter that is there and switched off, or that may be missing.
fn switched_off(filter: Filter<'_>) -> Option<Gap> {
    let lists = [("disabled", "the plugin is switched off"), ("is_optional", "the plugin may be missing")];
    let (field, what) = lists.into_iter().find(|(field, _)| filter.entry.get(field).is_true())?;
    Some(Gap { what: what.into(), next: format!("take {field} out") })
}

/// Whether a cluster is there and has no endpoints, as Istio's BlackHoleCluster.
fn is_empty(cluster: Tree<'_>) -> bool {
    let kind = cluster.get("type");
    cluster.exists()
        && (!kind.exists() || kind.is("STATIC", 0))
        && cluster.at("load_assignment.endpoints").items().next().is_none()
        && !cluster.get("cluster_type").exists()
}
