//! The listener filters that procgate depends on, by their place in the list.

use crate::doctor::envoy::{Configuration, Filter, Listener};
use crate::doctor::tree::Tree;

pub(super) const PROXY_PROTOCOL: &str = "proxy_protocol.v3.ProxyProtocol";
pub(super) const ORIGINAL_DST: &str = "original_dst.v3.OriginalDst";
pub(super) const INSPECTORS: [&str; 2] = ["tls_inspector.v3.TlsInspector", "http_inspector.v3.HttpInspector"];
const SET_FILTER_STATE: &str = "listener.set_filter_state.v3.Config";

/// All of a listener's.
#[derive(Debug)]
pub(super) struct Filters<'a>(Vec<Filter<'a>>);

/// What a filter sets when a connection comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct State<'a> {
    tree: Tree<'a>,
    /// Whether it is set for some connections only.
    pub(super) is_partial: bool,
}

impl<'a> Filters<'a> {
    pub(super) fn of(configuration: &Configuration<'a>, listener: Listener<'a>) -> Self {
        let entries = listener.0.get("listener_filters").items();
        Self(entries.map(|entry| configuration.filter(entry)).collect())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn places(&self, kind: &'static str) -> impl DoubleEndedIterator<Item = usize> {
        let matching = self.0.iter().enumerate().filter(move |(_, filter)| filter.is(kind));
        matching.map(|(place, _)| place)
    }

    pub(super) fn first(&self, kind: &'static str) -> Option<usize> {
        self.places(kind).next()
    }

    pub(super) fn last(&self, kind: &'static str) -> Option<usize> {
        self.places(kind).next_back()
    }

    /// The first filter that takes prefaces off.
    pub(super) fn proxy_protocol(&self) -> Option<Filter<'a>> {
        self.0.iter().copied().find(|filter| filter.is(PROXY_PROTOCOL))
    }

    /// What is set of this name when a connection comes.
    pub(super) fn states(&self, key: &str) -> impl Iterator<Item = State<'a>> {
        let set = self.0.iter().filter(|filter| filter.is(SET_FILTER_STATE));
        let states = set.flat_map(|filter| {
            let is_partial = filter.is_partial();
            filter.config.get("on_accept").items().map(move |tree| State { tree, is_partial })
        });
        states.filter(move |state| state.tree.get("object_key").name() == key)
    }
}

impl State<'_> {
    /// Whether it is this text, made a value by this factory.
    pub(super) fn is(self, factory: &str, text: &str) -> bool {
        let format = self.tree.get("format_string");
        let found = format.at("text_format_source.inline_string").text();
        self.tree.get("factory_key").name() == factory
            && found.or_else(|| format.get("text_format").text()) == Some(text)
    }
}
