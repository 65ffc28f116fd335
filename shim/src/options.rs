//! The command line.

use crate::destinations::{Destinations, Range};
use crate::forward::TlsOptions;
use crate::trap::DeskPath;
use clap::{Args, Parser, Subcommand, ValueEnum};
use core::net::{IpAddr, SocketAddr};
use core::str::FromStr;
use procgate_identity::{Carrier, MAX_LIFE_SECONDS, SpiffeError, Subject, TOKEN_LIFE_SECONDS, TrustDomain};
use std::ffi::OsString;
use std::path::PathBuf;

/// Starts a program so that every connection it opens carries a signed process identity.
#[derive(Debug, Parser)]
#[command(name = "procgate-shim", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Start a program.
    ///
    /// Example: procgate-shim run --key /run/procgate/key.jwk --trust-domain shop.example --namespace shop
    /// --service-account checkout --container app -- /app/server --port 8080
    Run(Box<RunOptions>),
    /// Say what this runtime permits, by trying it; or which destinations get a token.
    ///
    /// Exit code: 0 if `run` works here, or if all that --dst names gets a token; 1 if not; 125 for a wrong
    /// command line.
    ///
    /// Example: procgate-shim check --exempt 169.254.169.254/32 --dst 10.4.0.7:8080 --dst 169.254.169.254
    Check(CheckOptions),
    /// Ask the running shim for this command's own token, to see what it says of a process.
    ///
    /// A program asks for its own in the same way, and is named as what it is; this command as procgate-shim.
    ///
    /// Example: procgate-shim token --dst 10.4.0.7:443 --token-socket /procgate
    Token(TokenOptions),
    /// Copy this program into a folder, from where another container of the pod starts it.
    ///
    /// It is there whole or not at all, as procgate-shim; an init container with the shim's image needs no shell.
    ///
    /// Example: procgate-shim install /opt/procgate
    Install {
        /// A folder that both containers mount.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// What `check` starts as its own workload.
    #[command(hide = true)]
    Probe { address: SocketAddr },
}

#[derive(Args, Debug)]
pub(crate) struct RunOptions {
    /// The private key, as `procgate keygen` writes it.
    #[arg(long, env = "PROCGATE_KEY", value_name = "FILE")]
    pub(crate) key: PathBuf,
    #[command(flatten)]
    pub(crate) place: Place,
    /// A label to sign, such as segment=pci. May be repeated.
    #[arg(long = "label", env = "PROCGATE_LABELS", value_name = "NAME=VALUE", value_delimiter = ',')]
    pub(crate) labels: Vec<Label>,
    /// The files that processes may have mapped executable, as `procgate digest` lists them.
    #[arg(long, env = "PROCGATE_CODE_LIST", value_name = "FILE")]
    pub(crate) code_list: Option<PathBuf>,
    /// Become this user before the program starts; the key is read before that.
    #[arg(long, env = "PROCGATE_USER", value_name = "UID[:GID]")]
    pub(crate) user: Option<User>,
    #[command(flatten)]
    pub(crate) interception: Interception,
    #[command(flatten)]
    pub(crate) tls: TlsOptions,
    /// Where programs that put their token in themselves ask for it, for a connection to an exempt destination:
    /// by connecting a Unix socket to PATH/SOURCE/DESTINATION. There is no such file: only programs under the
    /// shim get there.
    #[arg(long, env = "PROCGATE_TOKEN_SOCKET", value_name = "PATH")]
    pub(crate) token_socket: Option<DeskPath>,
    /// How the program's sockets are reached: fail unless this way is permitted.
    #[arg(long, env = "PROCGATE_REQUIRE", value_name = "MODE")]
    pub(crate) require: Option<Mode>,
    /// Refuse to start where the program's user can read the key.
    #[arg(long, env = "PROCGATE_STRICT")]
    pub(crate) strict: bool,
    /// Seconds that a token lives; it has to outlive the program's own connect timeout.
    #[arg(long, env = "PROCGATE_TOKEN_LIFE", value_name = "SECONDS", default_value_t = TOKEN_LIFE_SECONDS,
          value_parser = clap::value_parser!(u64).range(1..=MAX_LIFE_SECONDS))]
    pub(crate) token_life: u64,
    /// The program and its arguments.
    #[arg(trailing_var_arg = true, required = true, value_name = "PROGRAM")]
    pub(crate) program: Vec<OsString>,
}

/// Which connections carry a token, and how.
#[derive(Args, Debug)]
pub(crate) struct Interception {
    /// How the token travels.
    #[arg(long, env = "PROCGATE_CARRIER", default_value = "header")]
    pub(crate) carrier: CarrierName,
    /// Destinations that the proxy does not intercept, besides loopback. May be repeated.
    #[arg(long, env = "PROCGATE_EXEMPT", value_name = "CIDR[:PORT]", value_delimiter = ',')]
    exempt: Vec<Range>,
    /// Destinations that it intercepts although they are exempt. May be repeated.
    #[arg(long, env = "PROCGATE_CAPTURE", value_name = "CIDR[:PORT]", value_delimiter = ',')]
    capture: Vec<Range>,
}

impl Interception {
    /// The destinations that these options name.
    pub(crate) fn destinations(self) -> Destinations {
        Destinations::new(self.exempt, self.capture)
    }
}

/// Which container this is.
#[derive(Args, Debug)]
pub(crate) struct Place {
    /// The trust domain, such as shop.example.
    #[arg(long, env = "PROCGATE_TRUST_DOMAIN", value_name = "NAME")]
    trust_domain: TrustDomain,
    /// The pod's namespace.
    #[arg(
        long,
        env = "PROCGATE_NAMESPACE",
        value_name = "NAME",
        requires = "service_account",
        required_unless_present = "host"
    )]
    namespace: Option<String>,
    /// The pod's service account.
    #[arg(long, env = "PROCGATE_SERVICE_ACCOUNT", value_name = "NAME", requires = "namespace")]
    service_account: Option<String>,
    /// The host's name, outside Kubernetes.
    #[arg(long, env = "PROCGATE_HOST", value_name = "NAME", conflicts_with_all = ["namespace", "service_account"])]
    host: Option<String>,
    /// The container's name.
    #[arg(long, env = "PROCGATE_CONTAINER", value_name = "NAME")]
    container: String,
}

impl Place {
    /// The container's name in tokens.
    pub(crate) fn subject(&self) -> Result<Subject, SpiffeError> {
        let Self { trust_domain, namespace, service_account, host, container } = self;
        match (namespace, service_account, host) {
            (Some(namespace), Some(account), _) => {
                Subject::in_pod(trust_domain, namespace, account, container)
            }
            (_, _, host) => Subject::on_host(trust_domain, host.as_deref().unwrap_or_default(), container),
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct CheckOptions {
    /// Say instead whether connections to this address get a token, and by which rule: without a port,
    /// for each port that a rule names and for all others. Takes the same rules as `run`. May be repeated.
    #[arg(long = "dst", value_name = "ADDR[:PORT]")]
    pub(crate) destinations: Vec<Target>,
    #[command(flatten)]
    pub(crate) interception: Interception,
    /// Say also whether this user can read the key.
    #[arg(long, env = "PROCGATE_KEY", value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// How to print.
    #[arg(long, default_value = "text", value_name = "FORMAT")]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct TokenOptions {
    /// Connect there, and ask for the token of this connection.
    #[arg(long = "dst", value_name = "ADDR:PORT")]
    pub(crate) destination: SocketAddr,
    /// The path that `run` has as --token-socket.
    #[arg(long = "token-socket", env = "PROCGATE_TOKEN_SOCKET", value_name = "PATH")]
    pub(crate) socket: String,
}

/// An address to ask about, with a port or with all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) ip: IpAddr,
    pub(crate) port: Option<u16>,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self { ip: address.ip(), port: Some(address.port()) });
        }
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let ip = bare.parse().map_err(|_| {
            "write an address, such as 10.0.0.1, 10.0.0.1:443 or [fd00::1]:443; the shim does not see the name \
             that it was looked up by"
        })?;
        Ok(Self { ip, port: None })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum CarrierName {
    /// In the first request, through the shim
    Header,
    /// In a PROXY protocol v2 preface, ahead of everything
    ProxyV2,
    /// In the ClientHello of TLS that the shim begins for the program
    Alpn,
}

impl From<CarrierName> for Carrier {
    fn from(name: CarrierName) -> Self {
        match name {
            CarrierName::Header => Self::Header,
            CarrierName::ProxyV2 => Self::ProxyV2,
            CarrierName::Alpn => Self::Alpn,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Mode {
    /// A duplicate of a socket is taken when it connects
    Pidfd,
    /// The shim makes the sockets
    OwnSocket,
}

/// `NAME=VALUE`.
#[derive(Clone, Debug)]
pub(crate) struct Label(pub(crate) String, pub(crate) String);

impl FromStr for Label {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, such as segment=pci")?;
        Ok(Self(name.into(), value.into()))
    }
}

/// `UID` or `UID:GID`; the group is that of the same number unless given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl FromStr for User {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (uid, gid) = text.split_once(':').unwrap_or((text, text));
        let number =
            |text: &str| text.parse().map_err(|_| "write numbers, such as 1000 or 1000:1000".to_owned());
        Ok(Self { uid: number(uid)?, gid: number(gid)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_address_with_or_without_a_port() {
        let target = |text: &str| text.parse::<Target>().map(|Target { ip, port }| (ip.to_string(), port));
        for (text, ip, port) in [
            ("10.0.0.1", "10.0.0.1", None),
            ("10.0.0.1:443", "10.0.0.1", Some(443)),
            ("fd00::1", "fd00::1", None),
            ("[fd00::1]", "fd00::1", None),
            ("[::ffff:10.0.0.1]:1", "::ffff:10.0.0.1", Some(1)),
        ] {
            assert_eq!(target(text), Ok((ip.to_owned(), port)));
        }
        for text in ["", "payments:80", "10.0.0.1:", "10.0.0.1:99999", "10.0.0.0/8", "[10.0.0.1"] {
            assert!(target(text).unwrap_err().starts_with("write an address"), "{text}");
        }
    }
}
