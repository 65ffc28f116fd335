//! The routes behind the plugin, wherever Envoy takes them from.

use super::chain::Gap;
use super::envoy::Configuration;
use super::tree::Tree;

/// Where routes say how they use filters, now and in former versions of Envoy.
const OWN_FILTERS: [&str; 2] = ["typed_per_filter_config", "per_filter_config"];

/// The routes of a connection manager.
#[derive(Debug)]
pub(super) struct Routes<'a> {
    /// The connection manager, and the route tables that came by themselves.
    searched: Vec<Tree<'a>>,
    /// Each route.
    pub(super) each: Vec<Tree<'a>>,
    /// What there is beside them and could not be looked at.
    pub(super) unread: Vec<String>,
}

impl<'a> Routes<'a> {
    /// Collects those of a connection manager.
    pub(super) fn of(configuration: &Configuration<'a>, manager: Tree<'a>) -> Self {
        let mut found = Self { searched: vec![manager], each: Vec::new(), unread: Vec::new() };
        let [own, sent, scoped] =
            ["route_config", "rds", "scoped_routes"].map(|specifier| manager.get(specifier));
        if own.exists() {
            found.take(own);
        } else if sent.exists() {
            found.take_sent(configuration, sent.get("route_config_name").name());
        } else if scoped.exists() {
            found.take_scoped(configuration, scoped);
        } else {
            found.unread.push("routes that stand in no place known here".into());
        }
        found
    }

    fn take_scoped(&mut self, configuration: &Configuration<'a>, scoped: Tree<'a>) {
        let list = scoped.get("scoped_route_configurations_list");
        if !list.exists() {
            self.unread.push("scoped routes that Envoy is sent".into());
        }
        for scope in list.get("scoped_route_configurations").items() {
            let own = scope.get("route_configuration");
            if own.exists() {
                self.take(own);
            } else {
                self.take_sent(configuration, scope.get("route_configuration_name").name());
            }
        }
    }

    /// Takes the route table of this name from those that came by themselves.
    fn take_sent(&mut self, configuration: &Configuration<'a>, name: &str) {
        let of_name = |table: &&Tree<'a>| table.get("name").name() == name;
        let tables: Vec<_> = configuration.routes.iter().filter(of_name).copied().collect();
        if tables.is_empty() {
            self.unread.push(format!("the route table {name}, which Envoy is sent"));
        }
        tables.iter().for_each(|table| self.take(*table));
        self.searched.extend(tables);
    }

    fn take(&mut self, table: Tree<'a>) {
        if table.get("vhds").exists() {
            self.unread.push("virtual hosts that Envoy is sent on demand".into());
        }
        for host in table.get("virtual_hosts").items() {
            self.each.extend(host.get("routes").items());
            let matcher = host.get("matcher");
            if matcher.exists() {
                self.take_matched(matcher);
            }
        }
    }

    /// Takes the routes that a matcher chooses from.
    fn take_matched(&mut self, matcher: Tree<'a>) {
        let mut actions = Vec::new();
        collect_actions(matcher, &mut actions);
        if actions.is_empty() {
            self.unread.push("a matcher of routes that leads nowhere known here".into());
        }
        for (kind, message) in actions {
            match kind.strip_prefix("envoy.config.route.v3.") {
                Some("Route") => self.each.push(message),
                Some("RouteList") => self.each.extend(message.get("routes").items()),
                _ => self.unread.push(format!("what a matcher of routes does by {kind}")),
            }
        }
    }

    /// The clusters that they name.
    pub(super) fn clusters(&self) -> impl Iterator<Item = &'a str> {
        self.each.iter().map(|route| route.at("route.cluster").name())
    }

    /// Ways past the HTTP filter of this name that they open, each for itself. Route tables, virtual hosts, routes,
    /// weighted clusters and what a matcher leads to may say so: whoever says it is found, however deep.
    pub(super) fn past(&self, filter: &str) -> Vec<Gap> {
        let mut gaps = Vec::new();
        let mut look = |place: Tree<'a>| {
            let mut own = OWN_FILTERS.iter().flat_map(|field| place.get(field).fields());
            if own.any(|(name, config)| name == filter && is_off(config)) {
                let name = place.get("name").text().map_or_else(String::new, |name| format!(" {name}"));
                gaps.push(Gap {
                    what: format!("a route or virtual host{name} switches the plugin off"),
                    next: format!("take {filter} out of its typed_per_filter_config"),
                });
            }
        };
        self.searched.iter().for_each(|tree| tree.visit(&mut look));
        gaps
    }
}

/// The actions of a matcher, wherever in it. What is in an action is the route's own.
fn collect_actions<'a>(matcher: Tree<'a>, actions: &mut Vec<(&'a str, Tree<'a>)>) {
    let action = matcher.at("action.typed_config");
    if action.exists() {
        actions.push(action.typed());
        return;
    }
    matcher.items().for_each(|item| collect_actions(item, actions));
    matcher.fields().for_each(|(_, field)| collect_actions(field, actions));
}

fn is_off(config: Tree<'_>) -> bool {
    let (_, message) = config.typed();
    message.get("disabled").is_true() || message.get("is_optional").is_true()
}
