//! The decision about a connection or a request, and what is left of it: a record and a count.

use crate::connection::{Known, Standing};
use crate::host::{self, Metric};
use crate::metrics::Series;
use crate::plugin::Plugin;
use core::net::SocketAddr;
use procgate_identity::{Carrier, UnixNanos};
use procgate_policy::{
    Destination, Direction, Event, Finding, Http, Judgement, Policy, Presented, Record, RecordTemplate,
    Verdict, judge,
};

/// What is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked<'a> {
    /// The authority of a request.
    pub(crate) host: Option<&'a str>,
    /// The server name of a TLS handshake, which stands for the host of a connection.
    pub(crate) server_name: Option<&'a str>,
    pub(crate) http: Option<Http<'a>>,
}

/// A verdict, with what was recorded of it.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) verdict: Verdict,
    pub(crate) id: String,
    pub(crate) record: RecordTemplate,
    pub(crate) counter: Option<Metric>,
}

/// Judges what the connection of this standing asks for, records it and counts it.
pub(crate) fn decide(
    plugin: &Plugin,
    direction: Direction,
    standing: &Standing,
    asked: Asked<'_>,
) -> Decision {
    let Asked { host, server_name, http } = asked;
    let address = address(standing);
    let Judgement { verdict, finding } =
        judged(plugin, standing, &Destination { host: host.or(server_name), address, http });
    let (time, id) = (host::now(), plugin.next_id());
    let (carrier, identity) = match standing {
        Standing::Absent | Standing::Fault(_) => (None, None),
        Standing::Refused(carrier, _) => (Some(*carrier), None),
        Standing::PeerMismatch(_) => (Some(Carrier::Header), None),
        Standing::Verified(known) => (Some(known.carrier), Some(&known.identity)),
    };
    let destination = Destination { host, address, http };
    let event = Event { time, id: &id, direction, carrier, identity, destination, sni: server_name };
    let record = recorded(&finding, &event);
    let counter = plugin.metrics.counter(Series {
        decision: record.decision(),
        reason: finding.reason,
        direction: direction.code(),
        carrier: carrier.map_or("none", Carrier::code),
    });
    let record = written(&record);
    report(&record, time, &id, counter);
    Decision { verdict, id, record, counter }
}

// This and what `decide` calls beside it stay functions of their own: docs/decisions/0028.
#[inline(never)]
fn recorded<'a>(finding: &'a Finding<'_>, event: &Event<'a>) -> Record<'a> {
    Record::of(finding, event)
}

#[inline(never)]
fn written(record: &Record<'_>) -> RecordTemplate {
    record.template()
}

/// Leaves the record for the access log and counts the decision.
pub(crate) fn report(record: &RecordTemplate, time: UnixNanos, id: &str, counter: Option<Metric>) {
    host::record(&record.to_json(time, id));
    host::increment(counter);
}

/// Where the connection goes, which for a verified one was found out when it was verified.
fn address(standing: &Standing) -> Option<SocketAddr> {
    match standing {
        Standing::Verified(known) => Some(known.destination),
        Standing::Absent | Standing::Refused(..) | Standing::PeerMismatch(_) | Standing::Fault(_) => {
            host::destination()
        }
    }
}

fn judged<'p>(plugin: &'p Plugin, standing: &Standing, destination: &Destination<'_>) -> Judgement<'p> {
    let presented = match standing {
        Standing::Verified(known) => return judged_known(&plugin.policy, known, destination),
        Standing::Absent => Presented::Absent,
        Standing::Refused(_, refusal) => Presented::Refused(refusal),
        Standing::PeerMismatch(detail) => Presented::PeerMismatch(detail),
        Standing::Fault(fault) => Presented::Fault(fault),
    };
    judge(&plugin.policy, presented, destination)
}

#[inline(never)]
fn judged_known<'p>(policy: &'p Policy, known: &Known, destination: &Destination<'_>) -> Judgement<'p> {
    let route = known.route(policy, destination);
    policy.decide(&known.resolved, &route, destination.http)
}
