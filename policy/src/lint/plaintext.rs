//! Sensitive destinations, reached over protocols that do not encrypt.

use super::items::listed;
use super::reach::Reach;
use super::{Findings, LintId};
use crate::model::{Model, NamedDestination};
use crate::pattern::{HostPattern, PortRange};
use crate::raw::Effect;

/// What the value of a label says of a destination whose data must not be read on the way.
const SENSITIVE: [&str; 10] = [
    "cardholder",
    "confidential",
    "hipaa",
    "pci",
    "pci-dss",
    "phi",
    "pii",
    "restricted",
    "secret",
    "sensitive",
];
/// Ports on which the usual server speaks in the clear, or does until both sides agree on something else
/// (IANA's registry, and the servers' own defaults).
const PLAIN: [(u16, &str); 20] = [
    (21, "FTP"),
    (23, "Telnet"),
    (25, "SMTP"),
    (80, "HTTP"),
    (110, "POP3"),
    (143, "IMAP"),
    (389, "LDAP"),
    (1433, "SQL Server"),
    (1521, "Oracle"),
    (1883, "MQTT"),
    (2181, "ZooKeeper"),
    (3306, "MySQL"),
    (5432, "PostgreSQL"),
    (5672, "AMQP"),
    (6379, "Redis"),
    (8080, "HTTP"),
    (9042, "Cassandra"),
    (9092, "Kafka"),
    (11211, "memcached"),
    (27017, "MongoDB"),
];

/// Allows that name such a port and lead to such a destination: a finding for each entry of the ports, so that a
/// suppression of one is not about the others.
pub(super) fn rules(model: &Model, reach: &Reach<'_>, found: &mut Findings) {
    for (place, rule) in model.rules.iter().enumerate().filter(|(_, rule)| rule.effect == Effect::Allow) {
        let mut ports =
            rule.ports.iter().map(in_the_clear).enumerate().filter(|(_, ports)| !ports.is_empty());
        let Some(first) = ports.next() else { continue };
        let sensitive = |(_, entry)| sensitive(entry).map(|label| format!("{} ({label})", entry.name));
        // Who names no destination leads to all of them.
        let destinations: Vec<String> = if rule.to.is_any() {
            model.destinations.iter().enumerate().filter_map(sensitive).collect()
        } else {
            reach.entries(rule).filter_map(sensitive).collect()
        };
        if destinations.is_empty() {
            continue;
        }
        for (index, ports) in core::iter::once(first).chain(ports) {
            found.add_for_rule(
                place,
                LintId::Plaintext,
                format!("rules[{place}].allow.to.ports[{index}]"),
                format!("lets {} go in the clear to {}", listed(&ports), listed(&destinations)),
                "use the port with TLS; where something else encrypts, suppress this and say what",
            );
        }
    }
}

/// What a range has of such ports, for example `FTP (21)`.
fn in_the_clear(range: &PortRange) -> Vec<String> {
    let within = PLAIN.iter().filter(|(port, _)| range.contains(*port));
    within.map(|(port, protocol)| format!("{protocol} ({port})")).collect()
}

/// The label that calls a destination sensitive. Names of the cluster are left to the mesh, which encrypts
/// what goes between its own pods.
fn sensitive(entry: &NamedDestination) -> Option<String> {
    let in_cluster = |host: &HostPattern| match host {
        HostPattern::Exact(name) | HostPattern::Below(name) => name.ends_with(".cluster.local"),
        HostPattern::Any => false,
    };
    if entry.cidrs.is_empty() && entry.hosts.iter().all(in_cluster) {
        return None;
    }
    let says = |(_, value): &(&str, &str)| SENSITIVE.contains(&value.to_ascii_lowercase().as_str());
    entry.labels.iter().find(says).map(|(name, value)| format!("{name}={value}"))
}
