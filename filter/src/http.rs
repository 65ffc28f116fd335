//! One HTTP request: who asks, whether it may, and what is said about it.

use crate::connection::{self, Answer, Standing};
use crate::head::Head;
use crate::host::{self, Metric};
use crate::metrics::Series;
use crate::plugin::Plugin;
use core::net::SocketAddr;
use procgate_identity::{Carrier, UnixNanos};
use procgate_policy::{
    Denial, Destination, Direction, Event, Judgement, Permit, Presented, Record, RecordTemplate, Verdict,
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
        let plugin = &*self.plugin;
        let fields = host::request_fields();
        let (head, standing) = match fields.entries() {
            Some(entries) => {
                let head = Head::of(&entries);
                #[cfg(feature = "crash-for-tests")]
                crash_if_asked(&head);
                let standing =
                    connection::standing(&plugin.policy, &plugin.connections, &plugin.metrics, &head);
                (head, standing)
            }
            None => (Head::default(), Standing::Fault("the proxy does not tell the request's fields")),
        };
        if let Standing::Verified(known) = &standing
            && let Some(answer) = known.answered(&head)
        {
            report(&answer.record, host::now(), &plugin.next_id(), answer.counter);
            return proceed(answer.permit.again());
        }
        decide(plugin, &standing, &head)
    }
}

/// Judges a request, and does what comes of it.
fn decide(plugin: &Plugin, standing: &Standing, head: &Head<'_>) -> Action {
    let destination =
        Destination { host: Some(&head.authority), address: address(standing), http: Some(head.http()) };
    let Judgement { verdict, finding } = judged(plugin, standing, &destination);
    let (time, id) = (host::now(), plugin.next_id());
    let (carrier, identity) = match standing {
        Standing::Absent | Standing::Fault(_) => (None, None),
        Standing::Refused(_) => (Some(Carrier::Header), None),
        Standing::Verified(known) => (Some(Carrier::Header), Some(&known.identity)),
    };
    let direction = Direction::Outbound;
    let event = Event { time, id: &id, direction, carrier, identity, destination, sni: None };
    let record = Record::of(&finding, &event);
    let counter = plugin.metrics.counter(Series {
        decision: record.decision(),
        reason: finding.reason,
        direction: direction.code(),
        carrier: carrier.map_or("none", Carrier::code),
    });
    let record = record.template();
    report(&record, time, &id, counter);
    match verdict {
        Verdict::Proceed(permit) => {
            if let Standing::Verified(known) = standing {
                known.answer(head, Answer { permit: permit.again(), record, counter });
            }
            proceed(permit)
        }
        Verdict::Refuse(denial) => refuse(&denial, &id, head.is_grpc),
    }
}

/// Lets the request go on to the upstream, which takes a permit.
fn proceed(_: Permit) -> Action {
    Action::Continue
}

/// Answers in the upstream's place: what happened, why, and what to do, but nothing of the policy.
fn refuse(denial: &Denial, id: &str, is_grpc: bool) -> Action {
    let reason = denial.reason();
    // None of the three texts needs escaping: two are ours, and ids are hexadecimal.
    let (code, next) = (reason.code(), reason.next_step());
    let body = format!(r#"{{"decision":"deny","reason":"{code}","id":"{id}","next":"{next}"}}"#);
    if is_grpc {
        host::respond_grpc_denied(&body);
    } else {
        host::respond(403, vec![("content-type", "application/json")], &body);
    }
    Action::Pause
}

/// Where the connection goes, which for a verified one was found out when it was verified.
fn address(standing: &Standing) -> Option<SocketAddr> {
    match standing {
        Standing::Verified(known) => Some(known.destination),
        Standing::Absent | Standing::Refused(_) | Standing::Fault(_) => host::destination(),
    }
}

fn judged<'p>(plugin: &'p Plugin, standing: &Standing, destination: &Destination<'_>) -> Judgement<'p> {
    let presented = match standing {
        Standing::Verified(known) => {
            let route = known.route(&plugin.policy, destination);
            return plugin.policy.decide(&known.resolved, &route, destination.http);
        }
        Standing::Absent => Presented::Absent,
        Standing::Refused(refusal) => Presented::Refused(refusal),
        Standing::Fault(fault) => Presented::Fault(fault),
    };
    judge(&plugin.policy, presented, destination)
}

/// Leaves the record for the access log and counts the decision.
fn report(record: &RecordTemplate, time: UnixNanos, id: &str, counter: Option<Metric>) {
    host::record(&record.to_json(time, id));
    host::increment(counter);
}

#[cfg(feature = "crash-for-tests")]
#[allow(clippy::panic, reason = "the one purpose of this feature")]
fn crash_if_asked(head: &Head<'_>) {
    if head.crash {
        panic!("a test asked for this");
    }
}
