//! Envoy's configuration as far as procgate depends on it, from a bootstrap or from a config dump.

use super::sources::Sources;
use super::tree::Tree;
use core::fmt;

/// What the checks look at.
#[derive(Debug)]
pub(super) struct Configuration<'a> {
    /// The bootstrap. Absent in a dump that has none.
    pub(super) bootstrap: Tree<'a>,
    /// Every listener, those that a control plane sent among them.
    pub(super) listeners: Vec<Listener<'a>>,
    /// Every cluster.
    pub(super) clusters: Vec<Tree<'a>>,
    /// Routes that came by themselves.
    pub(super) routes: Vec<Tree<'a>>,
    /// Configurations of filters that came by themselves.
    extensions: Vec<Tree<'a>>,
}

/// A listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listener<'a>(pub(super) Tree<'a>);

/// Which way a listener's traffic goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Inbound,
    Outbound,
    Unspecified,
}

/// What a listener does with connections that match it.
#[derive(Clone, Debug)]
pub(super) struct Chain<'a> {
    pub(super) tree: Tree<'a>,
    label: String,
    listener: Listener<'a>,
}

/// A filter with its configuration, wherever that stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filter<'a> {
    /// What its configuration calls it.
    pub(super) name: &'a str,
    /// The message's name, `envoy.extensions.filters.…`. Empty where the configuration is not to be found.
    pub(super) kind: &'a str,
    /// The message.
    pub(super) config: Tree<'a>,
    /// As it stands in the list.
    pub(super) entry: Tree<'a>,
}

impl<'a> Configuration<'a> {
    /// Collects the parts.
    pub(super) fn of(sources: &'a Sources) -> Self {
        let mut found = Self {
            bootstrap: Tree::ABSENT,
            listeners: Vec::new(),
            clusters: Vec::new(),
            routes: Vec::new(),
            extensions: Vec::new(),
        };
        for document in sources.documents() {
            // A dump is a list of configurations, a discovered file a list of resources.
            document.get("configs").items().for_each(|part| found.take(part));
            document.get("resources").items().for_each(|part| found.take(part));
            if document.get("static_resources").exists() || document.get("admin").exists() {
                found.take_bootstrap(document);
            }
        }
        found
    }

    fn take_bootstrap(&mut self, bootstrap: Tree<'a>) {
        self.bootstrap = bootstrap;
        self.listeners.extend(bootstrap.at("static_resources.listeners").items().map(Listener));
        self.clusters.extend(bootstrap.at("static_resources.clusters").items());
    }

    fn take(&mut self, part: Tree<'a>) {
        let (kind, message) = part.typed();
        match kind.rsplit('.').next().unwrap_or_default() {
            // Listeners and clusters stand in parts of their own as well.
            "BootstrapConfigDump" => self.bootstrap = message.get("bootstrap"),
            "ListenersConfigDump" => {
                let fixed = message.get("static_listeners").items().map(|item| item.get("listener"));
                let sent = message.get("dynamic_listeners").items();
                let active = sent.map(|item| item.at("active_state.listener"));
                self.listeners.extend(fixed.chain(active).filter(|tree| tree.exists()).map(Listener));
            }
            "ClustersConfigDump" => {
                for list in ["static_clusters", "dynamic_active_clusters"] {
                    self.clusters.extend(message.get(list).items().map(|item| item.get("cluster")));
                }
            }
            "RoutesConfigDump" => {
                let sent = message.get("dynamic_route_configs").items();
                self.routes.extend(sent.map(|item| item.get("route_config")));
            }
            "EcdsConfigDump" => {
                self.extensions
                    .extend(message.get("ecds_filters").items().map(|item| item.get("ecds_filter")));
            }
            "TypedExtensionConfig" => self.extensions.push(message),
            "Listener" => self.listeners.push(Listener(message)),
            "Cluster" => self.clusters.push(message),
            "RouteConfiguration" => self.routes.push(message),
            _ => {}
        }
    }

    /// A filter with the configuration that it has or that was discovered for it.
    pub(super) fn filter(&self, entry: Tree<'a>) -> Filter<'a> {
        let name = entry.get("name").name();
        let discovery = entry.get("config_discovery");
        let (kind, config) = if discovery.exists() {
            self.discovered(name, discovery)
        } else {
            entry.get("typed_config").typed()
        };
        Filter { name, kind, config, entry }
    }

    /// The configuration of this name and of a kind that the filter may have: HTTP and network filters of one
    /// name are two.
    fn discovered(&self, name: &str, discovery: Tree<'a>) -> (&'a str, Tree<'a>) {
        let may_be = |kind: &str| {
            let mut kinds = discovery.get("type_urls").items();
            kinds.any(|url| url.name().rsplit('/').next() == Some(kind))
        };
        let named = self.extensions.iter().filter(|extension| extension.get("name").name() == name);
        let mut typed = named.map(|extension| extension.get("typed_config").typed());
        let found = typed.find(|(kind, _)| may_be(kind));
        found.unwrap_or(("", Tree::ABSENT))
    }

    /// The cluster of this name.
    pub(super) fn cluster(&self, name: &str) -> Tree<'a> {
        let found = self.clusters.iter().find(|cluster| cluster.get("name").name() == name);
        found.copied().unwrap_or(Tree::ABSENT)
    }
}

impl<'a> Listener<'a> {
    /// Which way its traffic goes.
    pub(super) fn direction(self) -> Direction {
        let direction = self.0.get("traffic_direction");
        if direction.is("INBOUND", 1) {
            Direction::Inbound
        } else if direction.is("OUTBOUND", 2) {
            Direction::Outbound
        } else {
            Direction::Unspecified
        }
    }

    /// Its filter chains, that for what matches none of them last.
    pub(super) fn chains(self) -> Vec<Chain<'a>> {
        let labelled = |tree: Tree<'a>, otherwise: String| {
            let label = tree.get("name").text().map_or(otherwise, |name| format!("filter chain {name}"));
            Chain { tree, label, listener: self }
        };
        let listed = self.0.get("filter_chains").items().enumerate();
        let listed =
            listed.map(|(index, tree)| labelled(tree, format!("filter chain {}", index.saturating_add(1))));
        let rest = Some(self.0.get("default_filter_chain")).filter(|tree| tree.exists());
        listed.chain(rest.map(|tree| labelled(tree, "default filter chain".into()))).collect()
    }
}

impl fmt::Display for Listener<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "listener {}", self.0.get("name").text().unwrap_or("without a name"))
    }
}

impl fmt::Display for Chain<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}, {}", self.listener, self.label)
    }
}

impl Filter<'_> {
    /// Whether it is the message with this end of its name, as `tcp_proxy.v3.TcpProxy`.
    pub(super) fn is(&self, kind: &str) -> bool {
        self.kind.ends_with(kind)
    }

    /// Whether a listener filter is there for some connections only.
    pub(super) fn is_partial(&self) -> bool {
        self.entry.get("filter_disabled").exists()
    }

    /// Whether its configuration is not in what was read.
    pub(super) const fn is_unknown(&self) -> bool {
        self.kind.is_empty()
    }
}
