//! Hosts: as a policy names them, and as a peer writes them.

use super::PatternError;
use core::fmt;
use core::net::{IpAddr, Ipv6Addr};
use std::borrow::Cow;

/// Bytes of a host's name (RFC 1035 section 2.3.4, in text form).
const MAX_HOST: usize = 253;
/// Bytes of one label of it.
const MAX_LABEL: usize = 63;

/// A host pattern of a destination. A wildcard stands for one or more whole labels, as in Envoy's
/// virtual hosts, so `*.pay.example` is `a.pay.example` and `b.a.pay.example`, never `pay.example`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// `*`: any host, however it is written.
    Any,
    /// This name, in lower case without a trailing dot, or this address in its shortest form.
    Exact(String),
    /// Any name below this one.
    Below(String),
}

impl HostPattern {
    /// Reads a pattern.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if !text.is_ascii() {
            return Err(PatternError::new("letters beyond ASCII", a_labels(text)));
        }
        let (name, below) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        if name.contains('*') {
            return Err(PatternError::new(
                "a wildcard within the name",
                "write the name, or one leading *. for whole labels, for example *.pay.example",
            ));
        }
        if let Some(address) = bare_address(name) {
            return if below {
                Err(PatternError::new("a wildcard before an address", "write the range in cidrs"))
            } else {
                Ok(Self::Exact(address.to_string()))
            };
        }
        if name.contains(':') {
            let without = name.split(':').next().unwrap_or_default();
            let remedy = format!("write {without} here, and the port in the ports of the rules");
            return Err(PatternError::new("a port or scheme in a host", remedy));
        }
        if name.contains('/') {
            return Err(PatternError::new("a slash in a host", "write an address range in cidrs"));
        }
        match dns_name(name) {
            Some(name) if below => Ok(Self::Below(name.into_owned())),
            Some(name) => Ok(Self::Exact(name.into_owned())),
            None => Err(PatternError::new(
                "not a host name",
                "write labels of 1 to 63 letters, digits, - or _ with dots between, 253 characters at most",
            )),
        }
    }
}

impl HostPattern {
    /// Whether a host is one of them.
    pub(crate) fn matches(&self, host: &Host<'_>) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::Exact(_) | Self::Below(_), Host::Unclear) => false,
            (Self::Exact(wanted), Host::Clear(name)) => wanted == name,
            (Self::Below(wanted), Host::Clear(name)) => {
                let before = name.strip_suffix(wanted.as_str()).is_some_and(|before| before.ends_with('.'));
                before && name.parse::<IpAddr>().is_err()
            }
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => out.write_str("*"),
            Self::Exact(name) => out.write_str(name),
            Self::Below(name) => write!(out, "*.{name}"),
        }
    }
}

/// What to write instead of a name with letters beyond ASCII: what stands in the request, its
/// A-labels (RFC 5890).
#[cfg(feature = "idna")]
fn a_labels(text: &str) -> String {
    match idna::domain_to_ascii(text.trim_start_matches("*.")) {
        Ok(ascii) if text.starts_with("*.") => format!("write *.{ascii}"),
        Ok(ascii) => format!("write {ascii}"),
        Err(_) => "this name has no ASCII form: correct it".into(),
    }
}

#[cfg(not(feature = "idna"))]
fn a_labels(_text: &str) -> String {
    "write its ASCII form (xn--…), as `procgate policy lint` prints it".into()
}

/// A host as a peer wrote it, made comparable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host<'a> {
    /// A DNS name or the shortest form of an address.
    Clear(Cow<'a, str>),
    /// Something that is neither: only `*` matches it.
    Unclear,
}

impl<'a> Host<'a> {
    /// Takes a port, a trailing dot, brackets and upper case away.
    pub(crate) fn parse(authority: &'a str) -> Self {
        let clear = |name| Self::Clear(name);
        if let Some(address) = bare_address(authority) {
            return clear(Cow::Owned(address.to_string()));
        }
        let Some(name) = without_port(authority) else { return Self::Unclear };
        match bare_address(name) {
            Some(address) => clear(Cow::Owned(address.to_string())),
            None => dns_name(name).map_or(Self::Unclear, clear),
        }
    }
}

/// The one spelling of a host that patterns are compared with, as they do it: in lower case, without
/// port, brackets and trailing dot. Nothing where it is no name and no address.
#[must_use]
pub fn host_name(authority: &str) -> Option<Cow<'_, str>> {
    match Host::parse(authority) {
        Host::Clear(name) => Some(name),
        Host::Unclear => None,
    }
}

/// What stands before `:port`, of which the digits may be missing (RFC 3986 section 3.2.3).
fn without_port(authority: &str) -> Option<&str> {
    let Some((name, port)) = authority.rsplit_once(':') else { return Some(authority) };
    if port.ends_with(']') {
        return Some(authority);
    }
    port.bytes().all(|byte| byte.is_ascii_digit()).then_some(name)
}

/// An address literal, in brackets where it is IPv6 or without; `::ffff:10.0.0.1` is `10.0.0.1`.
fn bare_address(text: &str) -> Option<IpAddr> {
    // An address begins with a digit, a colon or a bracket, or it is IPv6 and has a colon.
    if !text.starts_with(|first: char| first.is_ascii_digit() || first == '[') && !text.contains(':') {
        return None;
    }
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match inner {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => text.strip_suffix('.').unwrap_or(text).parse().ok(),
    };
    address.map(|address: IpAddr| address.to_canonical())
}

/// The name in lower case without its trailing dot, if it is a name.
fn dns_name(text: &str) -> Option<Cow<'_, str>> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let mut upper = false;
    let fits = (1..=MAX_HOST).contains(&name.len())
        && name.split('.').all(|label| {
            (1..=MAX_LABEL).contains(&label.len())
                && label.bytes().all(|byte| {
                    upper |= byte.is_ascii_uppercase();
                    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
                })
        });
    match (fits, upper) {
        (false, _) => None,
        (true, true) => Some(Cow::Owned(name.to_ascii_lowercase())),
        (true, false) => Some(Cow::Borrowed(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Option<String> {
        match Host::parse(text) {
            Host::Clear(name) => Some(name.into_owned()),
            Host::Unclear => None,
        }
    }

    #[test]
    fn every_spelling_of_a_host_is_the_same_host() {
        for (spelling, name) in [
            ("pay.example", "pay.example"),
            ("PAY.example.", "pay.example"),
            ("pay.example:443", "pay.example"),
            ("pay.example.:443", "pay.example"),
            ("pay.example:", "pay.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("_dmarc.pay.example", "_dmarc.pay.example"),
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.1.:80", "10.0.0.1"),
            ("[::1]", "::1"),
            ("[0:0:0:0:0:0:0:1]:8080", "::1"),
            ("::1", "::1"),
            ("[FD00::A]", "fd00::a"),
            ("[::ffff:10.0.0.1]:80", "10.0.0.1"),
        ] {
            assert_eq!(host(spelling).as_deref(), Some(name), "{spelling}");
        }
    }

    #[test]
    fn what_is_no_host_stays_unclear() {
        let long = format!("{}.example", "a".repeat(64));
        let longer = "a.".repeat(128);
        for text in [
            "",
            ".",
            "a..b",
            "a b",
            "user@pay.example",
            "pay.example:80:80",
            "pay.example:8o",
            "[::1",
            "[::1]x",
            "[fe80::1%25eth0]",
            "b\u{fc}cher.example",
            "pay%2eexample",
            "pay.example/x",
            "a\0b",
            &long,
            &longer,
        ] {
            assert_eq!(host(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_pattern_is_exact_or_has_one_leading_wildcard() {
        let below = |name: &str| HostPattern::Below(name.into());
        let exact = |name: &str| HostPattern::Exact(name.into());
        for (text, pattern) in [
            ("*", HostPattern::Any),
            ("*.Pay.example", below("pay.example")),
            ("pay.example.", exact("pay.example")),
            ("[::0:1]", exact("::1")),
            ("10.0.0.1", exact("10.0.0.1")),
        ] {
            assert_eq!(HostPattern::parse(text), Ok(pattern), "{text}");
        }
        for (text, problem) in [
            ("a.*.example", "wildcard within"),
            ("pay*.example", "wildcard within"),
            ("*.*.example", "wildcard within"),
            ("**", "wildcard within"),
            ("*.10.0.0.1", "wildcard before an address"),
            ("pay.example:443", "port"),
            ("https://pay.example", "port or scheme"),
            ("10.0.0.0/8", "slash"),
            ("pay..example", "not a host"),
            ("*.", "not a host"),
            ("b\u{fc}cher.example", "beyond ASCII"),
        ] {
            let error = HostPattern::parse(text).unwrap_err();
            assert!(error.problem.contains(problem), "{text}: {error:?}");
        }
    }

    #[cfg(feature = "idna")]
    #[test]
    fn a_name_beyond_ascii_is_told_its_ascii_form() {
        let error = HostPattern::parse("*.b\u{fc}cher.example").unwrap_err();
        assert_eq!(error.remedy, "write *.xn--bcher-kva.example");
    }
}
