//! The preface that a token comes in, and the destination that it claims.

use super::Parts;
use super::filters::{INSPECTORS, ORIGINAL_DST, PROXY_PROTOCOL};
use crate::doctor::checks::{Checks, Level};

/// The TLV that carries the token, and where the plugin looks for it.
const TOKEN_TLV: u64 = 0xEA;
const TOKEN_KEY: &str = "procgate";

impl Parts<'_, '_> {
    /// Whether the token in a preface gets to where the plugin looks for it.
    pub(super) fn check_preface(&self, checks: &mut Checks) {
        let mut at = checks.at("preface", self.listener);
        let Some(filter) = self.filters.proxy_protocol() else { return };
        let config = filter.config;
        let keeps_token = config.get("rules").items().any(|rule| {
            rule.get("tlv_type").number() == Some(TOKEN_TLV)
                && rule.at("on_tlv_present.key").name() == TOKEN_KEY
        });
        let mut refused = config.get("disallowed_versions").items();
        let faults = [
            (
                self.filters.first(PROXY_PROTOCOL) != self.filters.last(PROXY_PROTOCOL),
                "two proxy_protocol filters: a second preface, which the program writes, would replace the shim's",
                "leave one",
            ),
            (
                !config.get("tlv_location").is("FILTER_STATE", 1),
                "proxy_protocol keeps the token where the plugin does not see it",
                "set tlv_location: FILTER_STATE",
            ),
            (
                !keeps_token,
                "proxy_protocol does not keep the token",
                "add the rule tlv_type: 0xEA, on_tlv_present: {key: procgate}",
            ),
            (
                refused.any(|version| version.is("V2", 1)),
                "proxy_protocol refuses the version that the shim writes",
                "leave V2 out of disallowed_versions",
            ),
            (
                filter.is_partial(),
                "some connections keep their preface, and servers get it",
                "take filter_disabled out of proxy_protocol, and exempt their destinations in the shim",
            ),
        ];
        at.first(Level::Error, faults, "the token in a preface gets to the plugin");
    }

    /// Where the destination comes from: what a preface claims, or where the connection went.
    pub(super) fn check_order(&self, checks: &mut Checks) {
        let mut at = checks.at("order", self.listener);
        let filters = &self.filters;
        let (Some(preface), Some(last_preface)) =
            (filters.first(PROXY_PROTOCOL), filters.last(PROXY_PROTOCOL))
        else {
            return;
        };
        let is_before = |kind: &&'static str| filters.first(kind).is_some_and(|place| place < preface);
        if let Some(inspector) = INSPECTORS.into_iter().find(is_before) {
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
        } else if filters.first(ORIGINAL_DST) > Some(preface) && self.goes_on_after_timeout() {
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
    pub(super) fn check_redirect(&self, checks: &mut Checks) {
        let elsewhere = self.coverages.iter().any(|coverage| coverage.is_there() && coverage.leads_elsewhere);
        if self.filters.proxy_protocol().is_some() && elsewhere {
            checks.warn(
                "redirect",
                self.listener,
                "connections go to a fixed cluster: those that no redirect rule brings here are judged by the \
                 destination that their preface claims",
                "let nothing connect here but by redirect rules, or leave from: {unidentified: true} out of the policy",
            );
        }
    }
}
