//! `procgate token inspect`: what a token claims, and whether that holds.

use super::claimed::Claimed;
use crate::clock;
use crate::escape::{escape, escape_message};
use crate::failure::{Failure, Problem};
use crate::files;
use crate::policy::document;
use crate::process::address;
use crate::report::{Outcome, Report};
use core::fmt;
use core::net::SocketAddr;
use procgate_identity::{
    Binding, KeyScope, PublicKey, Refusal, TrustDomain, TrustedKeys, UnixNanos, UnverifiedToken,
    carrier::header,
};
use serde::Serialize;
use std::path::PathBuf;

const EXAMPLE: &str = "\
Examples:
  procgate token inspect < token
  procgate token inspect --key checkout.public.jwk --scope spiffe://shop.example/ TOKEN
  procgate token inspect --policy policy.yaml --src 10.1.2.3:40000 --dst 10.4.0.9:8080 TOKEN

Without keys the token is not verified, only read; the exit code is then 0 for any that has the form \
of a token. With keys it is 0 for a verified token and 1 for a refused one.";

/// Say in words what a token claims, and whether it is genuine or why not.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The token. Others can see it in the process list, so '-', standard input, is the default.
    #[arg(value_name = "TOKEN", default_value = "-")]
    token: String,
    #[command(flatten)]
    trust: Trust,
    /// Verify as of this time [default: now]. RFC 3339 or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = clock::parse)]
    at: Option<UnixNanos>,
    /// The source of the connection that brought it.
    #[arg(long, value_name = "IP:PORT", value_parser = address, requires = "dst")]
    src: Option<SocketAddr>,
    /// The destination of the connection that brought it.
    #[arg(long, value_name = "IP:PORT", value_parser = address, requires = "src")]
    dst: Option<SocketAddr>,
}

/// Whom to believe.
#[derive(Debug, clap::Args)]
struct Trust {
    /// Verify with the keys of this policy.
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    policy: Option<PathBuf>,
    /// Verify with this public key (a JWK).
    #[arg(long, value_name = "FILE", requires = "scope")]
    key: Option<PathBuf>,
    /// What the key may sign for.
    #[arg(long, value_name = "SPIFFE-ID", requires = "key")]
    scope: Option<KeyScope>,
}

impl Trust {
    fn resolve(self) -> Result<Option<TrustedKeys>, Failure> {
        if let Some(policy) = self.policy {
            return Ok(Some(document::load(&policy)?.policy.trusted_keys().clone()));
        }
        match (self.key, self.scope) {
            (Some(key), Some(scope)) => {
                let jwk = PublicKey::from_jwk(&files::read_key(&key)?);
                let jwk = jwk.map_err(|error| Problem::new(error).in_file(&key))?;
                let mut keys = TrustedKeys::new(domain(&scope)?);
                keys.add(jwk, scope).map_err(Problem::new)?;
                Ok(Some(keys))
            }
            _ => Ok(None),
        }
    }
}

fn domain(scope: &KeyScope) -> Result<TrustDomain, Problem> {
    let scope = scope.to_string();
    let path = scope.strip_prefix("spiffe://").unwrap_or(&scope);
    let name = path.split('/').next().unwrap_or_default();
    name.parse().map_err(|error| Problem::new(error).at("--scope"))
}

/// What came out.
#[derive(Debug, Serialize)]
pub(crate) struct Inspected {
    #[serde(flatten)]
    verdict: Verdict,
    claims: Claimed,
}

#[derive(Debug, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
enum Verdict {
    Verified { key: String, checked_at: String, connection: Connection },
    Refused { reason: &'static str, detail: String },
    NotVerified,
}

/// Whether the token was held against the connection that brought it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Connection {
    Checked,
    NotChecked,
}

/// Reads the token and, where there are keys, verifies it.
pub(crate) fn run(args: Args) -> Result<Inspected, Failure> {
    let keys = args.trust.resolve()?;
    let token = token(args.token)?;
    let now = args.at.unwrap_or_else(clock::now);
    let binding = match (args.src, args.dst) {
        (Some(source), Some(destination)) => Binding::Connection { source, destination },
        _ => Binding::Unbound,
    };
    let verdict = verdict(token.as_bytes(), keys.as_ref(), now, binding);
    let verdict = verdict
        .unwrap_or_else(|Refusal { reason, detail }| Verdict::Refused { reason: reason.code(), detail });
    Ok(Inspected { verdict, claims: Claimed::read(token.as_bytes()) })
}

/// The token without what may stand around it: line ends, and the header's name before it. `-` is
/// standard input.
pub(crate) fn token(argument: String) -> Result<String, Problem> {
    let text = if argument == "-" { files::read_text("-".as_ref())? } else { argument };
    let line = text.trim();
    let token = match line.split_once(':') {
        Some((name, value)) if name.eq_ignore_ascii_case(header::NAME) => value.trim_start(),
        _ => line,
    };
    if token.is_empty() {
        return Err(Problem::new("empty").at("the token").next("give one, or pipe it in"));
    }
    Ok(token.into())
}

fn verdict(
    token: &[u8],
    keys: Option<&TrustedKeys>,
    now: UnixNanos,
    binding: Binding,
) -> Result<Verdict, Refusal> {
    let unverified = UnverifiedToken::parse(token)?;
    let Some(keys) = keys else { return Ok(Verdict::NotVerified) };
    let identity = unverified.verify(keys, now, binding)?;
    let connection = match binding {
        Binding::Connection { .. } => Connection::Checked,
        Binding::Unbound | Binding::Forwarded => Connection::NotChecked,
    };
    let checked_at = clock::format(now.seconds());
    Ok(Verdict::Verified { key: identity.key_id().into(), checked_at, connection })
}

impl Report for Inspected {
    fn outcome(&self) -> Outcome {
        match self.verdict {
            Verdict::Verified { .. } | Verdict::NotVerified => Outcome::Fine,
            Verdict::Refused { .. } => Outcome::Findings,
        }
    }
}

impl fmt::Display for Inspected {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Verified { key, checked_at, connection } => {
                writeln!(out, "verified: signed by the trusted key {}, valid at {checked_at}", escape(key))?;
                match connection {
                    Connection::Checked => writeln!(out, "It belongs to this connection.")?,
                    Connection::NotChecked => writeln!(
                        out,
                        "Not held against a connection: give --src and --dst to see whether it was replayed."
                    )?,
                }
                writeln!(out, "It says:")?;
            }
            Verdict::Refused { reason, detail } => {
                writeln!(
                    out,
                    "refused: {reason}: {}\nIt claims, and nothing of it counts:",
                    escape_message(detail)
                )?;
            }
            Verdict::NotVerified => writeln!(
                out,
                "not verified: give --policy, or --key and --scope\nIt claims, and anybody may have written it:"
            )?,
        }
        write!(out, "{}", self.claims)
    }
}
