//! A process as it is described on the command line, for `token mint` and `policy explain`.

use crate::failure::Problem;
use crate::files;
use core::net::SocketAddr;
use core::str::FromStr;
use procgate_identity::{CodeList, Digest, DigestError, SpiffeError, Subject, TrustDomain};
use std::path::{Path, PathBuf};

/// The container that speaks: by its whole name or by its parts.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct SubjectArgs {
    /// The container's whole name: spiffe://DOMAIN/ns/NS/sa/ACCOUNT/container/NAME.
    #[arg(long, value_name = "SPIFFE-ID", conflicts_with_all = ["trust_domain", "namespace", "service_account", "host_name", "container"])]
    pub(crate) subject: Option<Subject>,
    /// The trust domain, for example shop.example.
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) trust_domain: Option<TrustDomain>,
    /// The pod's namespace.
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// The pod's service account.
    #[arg(long, value_name = "NAME")]
    pub(crate) service_account: Option<String>,
    /// The host, outside Kubernetes.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["namespace", "service_account"])]
    pub(crate) host_name: Option<String>,
    /// The container.
    #[arg(long, value_name = "NAME")]
    pub(crate) container: Option<String>,
}

impl SubjectArgs {
    /// What is given here, and of what is not, `others`. A place given in one form is not mixed with
    /// the other form.
    pub(crate) fn or_else(self, others: Self) -> Self {
        if self.subject.is_some() {
            return self;
        }
        let in_pod = self.namespace.is_some()
            || self.service_account.is_some()
            || (self.host_name.is_none() && others.host_name.is_none());
        let host_name = self.host_name.or(others.host_name).filter(|_| !in_pod);
        Self {
            subject: None,
            trust_domain: self.trust_domain.or(others.trust_domain),
            namespace: self.namespace.or(others.namespace).filter(|_| in_pod),
            service_account: self.service_account.or(others.service_account).filter(|_| in_pod),
            host_name,
            container: self.container.or(others.container),
        }
    }

    /// The name that the options come to; `domain` where none is given.
    pub(crate) fn resolve(self, domain: Option<&TrustDomain>) -> Result<Subject, Problem> {
        if let Some(subject) = self.subject {
            return Ok(subject);
        }
        let missing = |option: &str| {
            Problem::new("missing").at(option).next("give --subject, or all parts of the container's name")
        };
        let domain = self.trust_domain.as_ref().or(domain).ok_or_else(|| missing("--trust-domain"))?;
        let container = self.container.ok_or_else(|| missing("--container"))?;
        let subject = match (self.namespace, self.service_account, self.host_name) {
            (Some(namespace), Some(account), _) => Subject::in_pod(domain, &namespace, &account, &container),
            (_, _, Some(host)) => Subject::on_host(domain, &host, &container),
            _ => return Err(missing("--namespace and --service-account, or --host-name")),
        };
        subject.map_err(|error: SpiffeError| Problem::new(error).at("the container's name"))
    }
}

/// A digest, written out or taken of a file.
#[derive(Clone, Debug)]
pub(crate) enum DigestOrFile {
    Digest(Digest),
    File(PathBuf),
}

impl FromStr for DigestOrFile {
    type Err = DigestError;

    /// What starts with `sha256:` is meant as a digest; a file of such a name is `./sha256:…`.
    fn from_str(text: &str) -> Result<Self, DigestError> {
        if text.starts_with("sha256:") { text.parse().map(Self::Digest) } else { Ok(Self::File(text.into())) }
    }
}

impl DigestOrFile {
    /// The digest, of the file's bytes.
    pub(crate) fn digest(&self) -> Result<Digest, Problem> {
        match self {
            Self::Digest(digest) => Ok(*digest),
            Self::File(path) => files::digest(path),
        }
    }

    /// The digest of the code list: one's own, not that of the file it stands in.
    pub(crate) fn code_digest(&self) -> Result<Digest, Problem> {
        match self {
            Self::Digest(digest) => Ok(*digest),
            Self::File(path) => CodeList::parse(&files::read_text(path)?)
                .map(|list| list.digest())
                .map_err(|error| Problem::new(error).in_file(path)),
        }
    }

    /// The file's path, where there is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Digest(_) => None,
            Self::File(path) => Some(path),
        }
    }
}

/// Reads `NAME=VALUE`. An equals sign in the name is `\=`, and a backslash before one `\\`: elsewhere it stands for
/// itself.
pub(crate) fn label(text: &str) -> Result<(String, String), String> {
    let (mut name, mut rest) = (String::new(), text);
    loop {
        let (before, value) = rest.split_once('=').ok_or("write a label as NAME=VALUE")?;
        let plain = before.trim_end_matches('\\');
        let backslashes = before.len().saturating_sub(plain.len());
        name.push_str(plain);
        name.push_str(&"\\".repeat(backslashes / 2));
        if backslashes % 2 == 0 {
            return Ok((name, value.into()));
        }
        name.push('=');
        rest = value;
    }
}

/// Writes a label as [`label`] reads it.
pub(crate) fn label_text(name: &str, value: &str) -> String {
    let mut text = String::new();
    let mut parts = name.split('=').peekable();
    while let Some(part) = parts.next() {
        let plain = part.trim_end_matches('\\');
        text.push_str(part);
        // Those before an equals sign, the one behind the name included, are read as half as many.
        text.push_str(part.strip_prefix(plain).unwrap_or_default());
        text.push_str(if parts.peek().is_some() { "\\=" } else { "=" });
    }
    text + value
}

/// Reads `10.1.2.3:8080` or `[2001:db8::1]:8080`.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse().map(procgate_identity::canonical);
    address.map_err(|_| "write an address as 10.1.2.3:8080 or [2001:db8::1]:8080".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_read_as_it_is_written_whatever_its_name() {
        for (name, value, text) in [
            ("segment", "pci", "segment=pci"),
            ("a", "b=c", "a=b=c"),
            ("a", "=", "a=="),
            ("a=b", "c", r"a\=b=c"),
            ("=", r"\=", r"\==\="),
            (r"a\b", r"c\", r"a\b=c\"),
            (r"a\", "b", r"a\\=b"),
            (r"a\=", "b", r"a\\\==b"),
        ] {
            assert_eq!(label_text(name, value), text);
            assert_eq!(label(text), Ok((name.into(), value.into())), "{text}");
        }
        assert!(label("a").is_err() && label(r"a\=b").is_err());
    }
}
