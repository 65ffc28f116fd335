//! How servers are called and what they speak, where the program does not say it or says it too late.

use crate::destinations::Range;
use clap::Args;
use core::net::SocketAddr;
use core::str::FromStr;
use procgate_identity::canonical;
use std::path::PathBuf;
use tokio_rustls::rustls::pki_types::{IpAddr, ServerName};

/// Bytes of a protocol's name (RFC 7301 section 3.1).
const MAX_PROTOCOL: usize = 255;

/// What `--carrier alpn` has to know besides.
#[derive(Args, Debug)]
pub(crate) struct TlsOptions {
    /// The authorities that may sign servers' certificates, in PEM, instead of the system's.
    #[arg(id = "tls_ca", long = "tls-ca", env = "PROCGATE_TLS_CA", value_name = "FILE")]
    pub(super) authorities: Option<PathBuf>,
    /// The name that the server there has to prove, instead of the request's host or the address. May be
    /// repeated.
    #[arg(
        id = "server_name",
        long = "server-name",
        env = "PROCGATE_SERVER_NAME",
        value_name = "[CIDR[:PORT]=]NAME",
        value_delimiter = ','
    )]
    pub(super) names: Vec<Rule<Name>>,
    /// What is spoken there, such as postgresql, or none where the protocol has no name: TLS then begins
    /// at once, which it must where the server speaks first. May be repeated.
    #[arg(
        id = "protocol",
        long = "protocol",
        env = "PROCGATE_PROTOCOL",
        value_name = "[CIDR[:PORT]=]NAME",
        value_delimiter = ','
    )]
    pub(super) protocols: Vec<Rule<Protocol>>,
}

impl TlsOptions {
    /// Whether nothing was said.
    pub(crate) fn is_empty(&self) -> bool {
        self.authorities.is_none() && self.names.is_empty() && self.protocols.is_empty()
    }
}

/// Something that holds for some destinations, or for all.
#[derive(Clone, Debug)]
pub(super) struct Rule<T> {
    range: Option<Range>,
    value: T,
}

impl<T: FromStr<Err = String>> FromStr for Rule<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (range, value) =
            text.rsplit_once('=').map_or((None, text), |(range, value)| (Some(range), value));
        Ok(Self { range: range.map(str::parse).transpose()?, value: value.parse()? })
    }
}

#[derive(Clone, Debug)]
pub(super) struct Name(ServerName<'static>);

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = ServerName::try_from(text.to_owned());
        name.map(Self)
            .map_err(|_| format!("{text:?} is no name of a server: write db.example, or an address"))
    }
}

/// Nothing for a protocol that has no name.
#[derive(Clone, Debug)]
pub(super) struct Protocol(Option<Vec<u8>>);

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > MAX_PROTOCOL || text.starts_with("procgate/") {
            return Err(format!(
                "{text:?} is no protocol: write its name in ALPN, such as postgresql, or none where it has none"
            ));
        }
        Ok(Self((text != "none").then(|| text.as_bytes().to_vec())))
    }
}

/// What the command line says about servers.
#[derive(Debug)]
pub(super) struct Servers {
    names: Vec<Rule<Name>>,
    protocols: Vec<Rule<Protocol>>,
}

impl Servers {
    pub(super) const fn new(names: Vec<Rule<Name>>, protocols: Vec<Rule<Protocol>>) -> Self {
        Self { names, protocols }
    }

    /// The name that the server has to prove: the one on the command line, else the host that the program
    /// asks for, else the address that it connected to.
    pub(super) fn name(&self, destination: SocketAddr, host: Option<&str>) -> ServerName<'static> {
        let dialled = || ServerName::IpAddress(IpAddr::from(canonical(destination).ip()));
        let named = first(&self.names, destination).map(|name| name.0.clone());
        named.or_else(|| host.and_then(without_port)).unwrap_or_else(dialled)
    }

    /// Whether the command line has a name for the server there.
    pub(super) fn is_named(&self, destination: SocketAddr) -> bool {
        first(&self.names, destination).is_some()
    }

    /// What is spoken there, where the command line says it.
    pub(super) fn protocol(&self, destination: SocketAddr) -> Option<&Option<Vec<u8>>> {
        first(&self.protocols, destination).map(|protocol| &protocol.0)
    }
}

/// The first rule that is about the destination, those for all destinations last.
fn first<T>(rules: &[Rule<T>], destination: SocketAddr) -> Option<&T> {
    let destination = canonical(destination);
    let special = rules.iter().find(|rule| rule.range.is_some_and(|range| range.has(destination)));
    special.or_else(|| rules.iter().find(|rule| rule.range.is_none())).map(|rule| &rule.value)
}

/// The server's name in a host as HTTP writes it (RFC 3986 section 3.2.2): `name`, `name:port`, `[::1]:port`.
fn without_port(host: &str) -> Option<ServerName<'static>> {
    let inner = host.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(inner, _)| inner);
    let name = inner.unwrap_or_else(|| host.rsplit_once(':').map_or(host, |(name, _)| name));
    // The root's dot belongs to no certificate.
    ServerName::try_from(name.strip_suffix('.').unwrap_or(name).to_owned()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(rules: &[&str], destination: &str, host: Option<&str>) -> String {
        let names = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        let name = Servers::new(names, vec![]).name(destination.parse().unwrap(), host);
        name.to_str().into_owned()
    }

    #[test]
    fn the_command_line_goes_before_the_host_and_the_host_before_the_address() {
        let rules = ["any.example", "10.0.0.0/8:443=ten.example", "[fd00::1]:443=six.example"];
        assert_eq!(name(&rules, "10.1.1.1:443", Some("host.example")), "ten.example");
        assert_eq!(name(&rules, "[::ffff:10.1.1.1]:443", None), "ten.example");
        assert_eq!(name(&rules, "[fd00::1]:443", None), "six.example");
        assert_eq!(name(&rules, "10.1.1.1:80", Some("host.example")), "any.example");
        assert_eq!(name(&rules[1..], "10.1.1.1:80", Some("host.example")), "host.example");
        assert_eq!(name(&[], "10.1.1.1:80", None), "10.1.1.1");
        assert_eq!(name(&[], "[::ffff:10.1.1.1]:80", None), "10.1.1.1");
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for (host, server) in [
            ("a.example", "a.example"),
            ("a.example:8443", "a.example"),
            ("a.example.:8443", "a.example"),
            ("192.0.2.1:80", "192.0.2.1"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
        ] {
            assert_eq!(name(&[], "10.0.0.1:80", Some(host)), server);
        }
        for host in ["", ":80", "a b", "a\u{1b}[0m", "-"] {
            assert_eq!(name(&[], "10.0.0.1:80", Some(host)), "10.0.0.1", "{host:?}");
        }
    }

    #[test]
    fn a_rule_that_could_not_hold_is_refused_with_a_remedy() {
        for (text, remedy) in
            [("a b", "write db.example"), ("10.0.0.0/99=a", "write 10.0.0.0/8"), ("=a", "write 10")]
        {
            assert!(text.parse::<Rule<Name>>().unwrap_err().contains(remedy), "{text}");
        }
        for text in ["", "procgate/0/x", &"x".repeat(256)] {
            assert!(text.parse::<Rule<Protocol>>().unwrap_err().contains("such as postgresql"), "{text}");
        }
    }
}
