//! Names of containers: SPIFFE IDs (<https://spiffe.io/docs/latest/spiffe-specs/spiffe-id/>).

use core::fmt;
use core::ops::Range;
use core::str::FromStr;

/// Bytes of a subject. SPIFFE allows 2,048; five Kubernetes names of 253 bytes would be a longer
/// name than any cluster has, and a subject must leave room for the rest of a token.
pub const MAX_SUBJECT: usize = 1_024;
/// Bytes of a trust domain's name, as SPIFFE has it.
const MAX_TRUST_DOMAIN: usize = 255;
const SCHEME: &str = "spiffe://";

/// The domain under whose keys identities are signed, for example `spiffe://shop.example`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TrustDomain(String);

impl TrustDomain {
    /// The name without the scheme.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl FromStr for TrustDomain {
    type Err = SpiffeError;

    /// Reads `shop.example` or `spiffe://shop.example`.
    fn from_str(text: &str) -> Result<Self, SpiffeError> {
        let name = text.strip_prefix(SCHEME).unwrap_or(text);
        let fits = (1..=MAX_TRUST_DOMAIN).contains(&name.len())
            && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_'));
        if fits { Ok(Self(name.into())) } else { Err(SpiffeError::TrustDomain) }
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{SCHEME}{}", self.0)
    }
}

impl fmt::Debug for TrustDomain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// A container, by name: `spiffe://<trust domain>/ns/<namespace>/sa/<service
/// account>/container/<container>` in a pod, `spiffe://<trust domain>/host/<host>/container/<name>`
/// outside Kubernetes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    text: String,
    trust_domain: Range<usize>,
    place: Place,
    container: Range<usize>,
}

/// Where a container runs; the ranges are those of the names within the subject's text.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Place {
    Pod { namespace: Range<usize>, service_account: Range<usize> },
    Host(Range<usize>),
}

impl Subject {
    /// The subject of a container in a pod.
    ///
    /// # Errors
    /// A name that is empty or has characters other than letters, digits, `.`, `-` and `_`.
    pub fn in_pod(
        domain: &TrustDomain,
        namespace: &str,
        service_account: &str,
        container: &str,
    ) -> Result<Self, SpiffeError> {
        format!("{domain}/ns/{namespace}/sa/{service_account}/container/{container}").parse()
    }

    /// The subject of a container on a host outside Kubernetes.
    ///
    /// # Errors
    /// As [`Subject::in_pod`].
    pub fn on_host(domain: &TrustDomain, host: &str, container: &str) -> Result<Self, SpiffeError> {
        format!("{domain}/host/{host}/container/{container}").parse()
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The domain it belongs to.
    #[must_use]
    pub fn trust_domain(&self) -> TrustDomain {
        TrustDomain(self.part(&self.trust_domain).into())
    }

    /// The namespace, in a pod.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        match &self.place {
            Place::Pod { namespace, .. } => Some(self.part(namespace)),
            Place::Host(_) => None,
        }
    }

    /// The service account, in a pod.
    #[must_use]
    pub fn service_account(&self) -> Option<&str> {
        match &self.place {
            Place::Pod { service_account, .. } => Some(self.part(service_account)),
            Place::Host(_) => None,
        }
    }

    /// The host, outside Kubernetes.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match &self.place {
            Place::Host(host) => Some(self.part(host)),
            Place::Pod { .. } => None,
        }
    }

    /// The container.
    #[must_use]
    pub fn container(&self) -> &str {
        self.part(&self.container)
    }

    /// The workload that the container is part of, as its mTLS certificate names it: `spiffe://<trust
    /// domain>/ns/<namespace>/sa/<service account>`, or `spiffe://<trust domain>/host/<host>`.
    #[must_use]
    pub fn workload(&self) -> &str {
        let end = match &self.place {
            Place::Pod { service_account, .. } => service_account.end,
            Place::Host(host) => host.end,
        };
        self.part(&(0..end))
    }

    fn part(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }
}

impl FromStr for Subject {
    type Err = SpiffeError;

    fn from_str(text: &str) -> Result<Self, SpiffeError> {
        if text.len() > MAX_SUBJECT {
            return Err(SpiffeError::TooLong);
        }
        let path = text.strip_prefix(SCHEME).ok_or(SpiffeError::Form)?;
        let mut end = SCHEME.len();
        let mut names = path.split('/').map(|name| {
            let range = end..end.saturating_add(name.len());
            end = range.end.saturating_add(1);
            (name, range)
        });
        let (domain, trust_domain) = names.next().ok_or(SpiffeError::Form)?;
        domain.parse::<TrustDomain>()?;
        let mut named = |keyword: Option<&str>| match (keyword, names.next()) {
            (Some(wanted), Some((name, _))) if name != wanted => Err(SpiffeError::Form),
            (None, Some((name, _))) if !is_name(name) => Err(SpiffeError::Name),
            (_, Some((name, range))) => Ok((name, range)),
            (_, None) => Err(SpiffeError::Form),
        };
        let place = match named(None)? {
            ("ns", _) => {
                let (_, namespace) = named(None)?;
                named(Some("sa"))?;
                Place::Pod { namespace, service_account: named(None)?.1 }
            }
            ("host", _) => Place::Host(named(None)?.1),
            _ => return Err(SpiffeError::Form),
        };
        named(Some("container"))?;
        let (_, container) = named(None)?;
        if names.next().is_some() {
            return Err(SpiffeError::Form);
        }
        Ok(Self { text: text.into(), trust_domain, place, container })
    }
}

/// A path segment as SPIFFE allows it, the relative ones excluded.
fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// The subjects that a key may sign for: one, or all below a prefix that ends in `/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyScope(String);

impl KeyScope {
    /// Whether a key with this scope may sign for `subject`.
    #[must_use]
    pub fn covers(&self, subject: &Subject) -> bool {
        if self.0.ends_with('/') { subject.as_str().starts_with(&self.0) } else { subject.as_str() == self.0 }
    }

    /// Whether every subject of the domain is covered: a scope that limits nothing.
    #[must_use]
    pub fn is_whole_domain(&self) -> bool {
        self.0.strip_prefix(SCHEME).is_some_and(|path| path.find('/') == path.len().checked_sub(1))
    }

    /// Whether the scope lies within this domain.
    #[must_use]
    pub fn is_within(&self, domain: &TrustDomain) -> bool {
        let path = self.0.strip_prefix(SCHEME).and_then(|path| path.strip_prefix(domain.name()));
        path.is_some_and(|path| path.starts_with('/'))
    }
}

impl FromStr for KeyScope {
    type Err = SpiffeError;

    fn from_str(text: &str) -> Result<Self, SpiffeError> {
        let Some(prefix) = text.strip_suffix('/') else {
            return text.parse::<Subject>().map(|subject| Self(subject.text));
        };
        let path = prefix.strip_prefix(SCHEME).ok_or(SpiffeError::Form)?;
        let (domain, names) = path.split_once('/').map_or((path, None), |(d, n)| (d, Some(n)));
        domain.parse::<TrustDomain>()?;
        if text.len() > MAX_SUBJECT {
            return Err(SpiffeError::TooLong);
        }
        if names.is_some_and(|names| !names.split('/').all(is_name)) {
            return Err(SpiffeError::Name);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for KeyScope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Why a text is no name of a trust domain, container or scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpiffeError {
    /// The trust domain has other characters than lower-case letters, digits, `.`, `-`, `_`.
    TrustDomain,
    /// Not one of the two forms.
    Form,
    /// A name in it is empty, relative, or has a character that SPIFFE does not allow.
    Name,
    /// Longer than [`MAX_SUBJECT`].
    TooLong,
}

impl fmt::Display for SpiffeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TrustDomain => write!(
                out,
                "not a trust domain: write 1 to {MAX_TRUST_DOMAIN} lower-case letters, digits, '.', '-' or '_', \
                 for example shop.example"
            ),
            Self::Form => out.write_str(
                "not a container's name: write \
                 spiffe://<trust domain>/ns/<namespace>/sa/<service account>/container/<container> or \
                 spiffe://<trust domain>/host/<host>/container/<name>",
            ),
            Self::Name => out.write_str(
                "a name between two slashes is empty or has a character other than letters, digits, \
                 '.', '-' and '_'",
            ),
            Self::TooLong => write!(out, "longer than {MAX_SUBJECT} bytes: use shorter names"),
        }
    }
}

impl core::error::Error for SpiffeError {}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = "spiffe://shop.example/ns/shop/sa/checkout/container/app";
    const HOST: &str = "spiffe://shop.example/host/node-1/container/app";

    #[test]
    fn a_subject_gives_its_names_back() {
        let pod: Subject = POD.parse().unwrap();
        assert_eq!(pod.trust_domain().to_string(), "spiffe://shop.example");
        assert_eq!(pod.namespace(), Some("shop"));
        assert_eq!(pod.service_account(), Some("checkout"));
        assert_eq!((pod.host(), pod.container()), (None, "app"));
        let host: Subject = HOST.parse().unwrap();
        assert_eq!((host.host(), host.container()), (Some("node-1"), "app"));
        assert_eq!((host.namespace(), host.service_account()), (None, None));
        assert_eq!(pod.workload(), "spiffe://shop.example/ns/shop/sa/checkout");
        assert_eq!(host.workload(), "spiffe://shop.example/host/node-1");
        let domain = "shop.example".parse().unwrap();
        assert_eq!(Subject::in_pod(&domain, "shop", "checkout", "app"), Ok(pod));
        assert_eq!(Subject::on_host(&domain, "node-1", "app"), Ok(host));
    }

    #[test]
    fn nothing_but_the_two_forms_is_a_subject() {
        for text in [
            "",
            "spiffe://",
            "https://shop.example/ns/a/sa/b/container/c",
            "spiffe://Shop.example/ns/a/sa/b/container/c",
            "spiffe://shop.example/ns/a/sa/b/container/",
            "spiffe://shop.example/ns/a/sa/b/container/c/",
            "spiffe://shop.example/ns/a/sa/b/container/c/d",
            "spiffe://shop.example/ns/a/sa/../container/c",
            "spiffe://shop.example/ns//sa/b/container/c",
            "spiffe://shop.example/ns/a/sx/b/container/c",
            "spiffe://shop.example/ns/a/sa/b/pod/c",
            "spiffe://shop.example/ns/a/container/c",
            "spiffe://shop.example/host/h/sa/b/container/c",
            "spiffe://shop.example/ns/a%2f/sa/b/container/c",
            "spiffe://shop.example/ns/a/sa/b c/container/c",
        ] {
            assert!(text.parse::<Subject>().is_err(), "{text}");
        }
        let long = format!("{POD}{}", "x".repeat(MAX_SUBJECT));
        assert_eq!(long.parse::<Subject>(), Err(SpiffeError::TooLong));
    }

    #[test]
    fn a_name_with_a_slash_cannot_reach_into_the_next_part() {
        let domain = "shop.example".parse().unwrap();
        assert!(Subject::in_pod(&domain, "a/sa/admin/container/x", "b", "c").is_err());
    }

    #[test]
    fn a_scope_covers_one_subject_or_all_below_a_prefix() {
        let subject: Subject = POD.parse().unwrap();
        let covers = |scope: &str| scope.parse::<KeyScope>().unwrap().covers(&subject);
        assert!(covers(POD));
        assert!(covers("spiffe://shop.example/ns/shop/sa/checkout/container/"));
        assert!(covers("spiffe://shop.example/"));
        assert!(!covers("spiffe://shop.example/ns/shop/sa/check/"));
        assert!(!covers("spiffe://shop.example/ns/shop/sa/checkout/container/ap/"));
        assert!(!covers(HOST));
    }

    #[test]
    fn a_prefix_must_end_at_a_name() {
        for text in ["spiffe://shop.example", "spiffe://shop.example/ns", "spiffe://shop.example//", "shop/"]
        {
            assert!(text.parse::<KeyScope>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_scope_knows_its_domain_and_whether_it_limits_anything() {
        let scope = |text: &str| text.parse::<KeyScope>().unwrap();
        let domain = "shop.example".parse().unwrap();
        assert!(scope(POD).is_within(&domain));
        assert!(!scope("spiffe://shop.example.evil/ns/").is_within(&domain));
        assert!(scope("spiffe://shop.example/").is_whole_domain());
        assert!(!scope("spiffe://shop.example/ns/").is_whole_domain());
    }
}
