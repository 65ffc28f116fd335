//! One HTTP request: who asks, whether it may, and what is said about it.

use crate::connection::{self, Standing};
use crate::host;
use crate::metrics::Series;
use crate::plugin::Plugin;
use core::net::SocketAddr;
use procgate_identity::Carrier;
use procgate_policy::{
    Denial, Destination, Direction, Event, Finding, Http, Judgement, Permit, Presented, Record, Verdict,
    judge,
};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
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
        #[cfg(feature = "crash-for-tests")]
        crash_if_asked();
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
    // None of the three texts needs escaping: two are ours, and ids are hexadecimal.
    let (code, next) = (reason.code(), reason.next_step());
    let body = format!(r#"{{"decision":"deny","reason":"{code}","id":"{id}","next":"{next}"}}"#);
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

/// What the request asks for, as text. Envoy passes no field that is not ASCII but the path, where
/// whatever replaces such bytes is as unclear as they were.
#[derive(Debug)]
struct Asked {
    authority: String,
    method: String,
    path: String,
    address: Option<SocketAddr>,
}

impl Asked {
    fn read(standing: &Standing) -> Self {
        let field = |name| match String::from_utf8(host::request_field(name).unwrap_or_default()) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        };
        let address = match standing {
            Standing::Verified(known) => Some(known.destination),
            Standing::Absent | Standing::Refused(_) | Standing::Fault(_) => host::destination(),
        };
        Self { authority: field(":authority"), method: field(":method"), path: field(":path"), address }
    }

    fn destination(&self) -> Destination<'_> {
        let http = Http { method: &self.method, path: &self.path };
        Destination { host: Some(&self.authority), address: self.address, http: Some(http) }
    }

    fn judge<'p>(&self, plugin: &'p Plugin, standing: &Standing) -> Judgement<'p> {
        let destination = self.destination();
        match standing {
            Standing::Verified(known) => {
                let route = known.route(&plugin.policy, &destination);
                plugin.policy.decide(&known.resolved, &route, destination.http)
            }
            Standing::Absent => judge(&plugin.policy, Presented::Absent, &destination),
            Standing::Refused(refusal) => judge(&plugin.policy, Presented::Refused(refusal), &destination),
            Standing::Fault(fault) => judge(&plugin.policy, Presented::Fault(fault), &destination),
        }
    }
}

/// Leaves the record for the access log and counts the decision.
fn report(plugin: &Plugin, id: &str, standing: &Standing, asked: &Asked, finding: &Finding<'_>) {
    let (carrier, identity) = match standing {
        Standing::Absent | Standing::Fault(_) => (None, None),
        Standing::Refused(_) => (Some(Carrier::Header), None),
        Standing::Verified(known) => (Some(Carrier::Header), Some(&known.identity)),
    };
    let direction = Direction::Outbound;
    let destination = asked.destination();
    let record = Record::of(
        finding,
        &Event { time: host::now(), id, direction, carrier, identity, destination, sni: None },
    );
    host::record(&record.to_json());
    plugin.metrics.decided(Series {
        decision: record.decision(),
        reason: finding.reason,
        direction: direction.code(),
        carrier: carrier.map_or("none", Carrier::code),
    });
}

#[cfg(feature = "crash-for-tests")]
#[allow(clippy::panic, reason = "the one purpose of this feature")]
fn crash_if_asked() {
    if host::request_field("x-procgate-crash").is_some() {
        panic!("a test asked for this");
    }
}
