//! One HTTP request: who asks, whether it may, and what is said about it.

use crate::connection::{self, Standing};
use crate::host;
use crate::metrics::Series;
use crate::plugin::Plugin;
use core::net::SocketAddr;
use procgate_identity::Carrier;
use procgate_policy::{
    Denial, Destination, Finding, Http, Judgement, Permit, Presented, Reason, Verdict, judge,
};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use std::borrow::Cow;
use std::rc::Rc;

/// A request on its way through the plugin.
#[derive(Debug)]
pub(crate) struct Request {
    plugin: Rc<Plugin>,
}

impl Request {
    pub(crate) const fn new(plugin: Rc<Plugin>) -> Self {
        Self { plugin }
    }
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let plugin = &*self.plugin;
        let standing = connection::standing(&plugin.policy, &plugin.connections, &plugin.metrics);
        let asked = Asked::read(&standing);
        let Judgement { verdict, finding } = asked.judge(plugin, &standing);
        let id = plugin.next_id();
        report(plugin, &id, &standing, &asked, &finding);
        match verdict {
            Verdict::Proceed(permit) => proceed(permit),
            Verdict::Refuse(denial) => refuse(&denial, &id),
        }
    }
}

/// Lets the request go on to the upstream, which takes a permit.
fn proceed(_: Permit) -> Action {
    Action::Continue
}

/// Answers in the upstream's place: what happened, why, and what to do, but nothing of the policy.
fn refuse(denial: &Denial, id: &str) -> Action {
    let reason = denial.reason();
    let body = serde_json::json!({
        "decision": "deny",
        "reason": reason.code(),
        "id": id,
        "next": reason.next_step(),
    })
    .to_string();
    if is_grpc() {
        host::respond_grpc_denied(&body);
    } else {
        host::respond(403, vec![("content-type", "application/json")], &body);
    }
    Action::Pause
}

fn is_grpc() -> bool {
    let kind = host::request_field("content-type").unwrap_or_default();
    kind.strip_prefix(b"application/grpc").is_some_and(|rest| matches!(rest, [] | [b'+' | b';', ..]))
}

/// What the request asks for.
#[derive(Debug)]
struct Asked {
    authority: Vec<u8>,
    method: Vec<u8>,
    path: Vec<u8>,
    address: Option<SocketAddr>,
}

impl Asked {
    fn read(standing: &Standing) -> Self {
        let field = |name| host::request_field(name).unwrap_or_default();
        let address = match standing {
            Standing::Verified(known) => Some(known.destination),
            Standing::Absent | Standing::Refused(_) => host::destination(),
        };
        Self { authority: field(":authority"), method: field(":method"), path: field(":path"), address }
    }

    fn judge<'p>(&self, plugin: &'p Plugin, standing: &Standing) -> Judgement<'p> {
        let (authority, method, path) = (text(&self.authority), text(&self.method), text(&self.path));
        let http = Http { method: &method, path: &path };
        let destination = Destination { host: Some(&authority), address: self.address, http: Some(http) };
        match standing {
            Standing::Verified(known) => {
                let route = known.route(&plugin.policy, &self.authority, &destination);
                plugin.policy.decide(&known.resolved, &route, Some(http))
            }
            Standing::Absent => judge(&plugin.policy, Presented::Absent, &destination),
            Standing::Refused(refusal) => judge(&plugin.policy, Presented::Refused(refusal), &destination),
        }
    }
}

/// A field as text. Envoy passes no field that is not ASCII but in the path, where whatever replaces
/// such bytes is as unclear as they were.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Leaves the record for the access log and counts the decision.
fn report(plugin: &Plugin, id: &str, standing: &Standing, asked: &Asked, finding: &Finding<'_>) {
    let carrier = match standing {
        Standing::Absent => "none",
        Standing::Verified(_) | Standing::Refused(_) => Carrier::Header.code(),
    };
    let decision = if finding.reason == Reason::Allowed { "allow" } else { "deny" };
    let json = serde_json::json!({"v": 1, "id": id, "decision": decision, "reason": finding.reason.code(), "detail": finding.detail, "rule": finding.rule,
       "path": text(&asked.path)});
    host::record(&json.to_string());
    plugin.metrics.decided(Series { decision, reason: finding.reason, direction: "outbound", carrier });
}
