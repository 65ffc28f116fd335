//! Who opens the connection that is asked about.

use super::document::Document;
use crate::clock;
use crate::escape::path_text;
use crate::failure::Problem;
use crate::process::{DigestOrFile, SubjectArgs, address, label};
use crate::token::inspect;
use core::net::{Ipv4Addr, SocketAddr};
use procgate_identity::{
    Binding, Claims, Digest, KeyId, KeyScope, Labels, Lifetime, Refusal, RefusalReason, Serial, SigningKey,
    Subject, TOKEN_LIFE_SECONDS, TrustedKeys, UnixNanos, UnverifiedToken, VerifiedIdentity,
};
use procgate_policy::{Policy, Presented, Process};
use zeroize::Zeroizing;

/// Who connects: a process by its marks, one of the policy's, a token, or nobody known.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Who connects")]
pub(super) struct SpeakerArgs {
    /// The executable: its digest, or a file to take it of.
    #[arg(long, value_name = "DIGEST|FILE", required_unless_present_any = ["process", "token", "unidentified"])]
    exe: Option<DigestOrFile>,
    /// A process of the policy: whatever is not given is as the policy has it.
    #[arg(long, value_name = "NAME")]
    process: Option<String>,
    #[command(flatten)]
    subject: SubjectArgs,
    /// The code list: its digest, or the list's file.
    #[arg(long, value_name = "DIGEST|FILE")]
    code: Option<DigestOrFile>,
    /// The script that an interpreter runs: its digest, or a file to take it of.
    #[arg(long, value_name = "DIGEST|FILE")]
    script: Option<DigestOrFile>,
    /// The executable's path.
    #[arg(long, value_name = "PATH")]
    name: Option<String>,
    /// A label (up to 16).
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Whoever this token speaks for; '-' is standard input.
    #[arg(long, value_name = "TOKEN", conflicts_with_all = ["exe", "process", "code", "script", "name", "labels", "unidentified"])]
    token: Option<String>,
    /// A connection without identity.
    #[arg(long, conflicts_with_all = ["exe", "process", "code", "script", "name", "labels"])]
    unidentified: bool,
    /// The source of the connection that brought the token [default: the token's own].
    #[arg(long, value_name = "IP:PORT", value_parser = address, requires_all = ["token", "address"])]
    src: Option<SocketAddr>,
    /// When the token came [default: now]. RFC 3339 or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = clock::parse, requires = "token")]
    at: Option<UnixNanos>,
}

/// What a filter would hold after looking at the connection's identity.
#[derive(Debug)]
pub(super) enum Speaker {
    Verified(Box<VerifiedIdentity>),
    Refused(Refusal),
    Absent,
}

impl Speaker {
    /// The identity as it is judged.
    pub(super) fn presented(&self) -> Presented<'_> {
        match self {
            Self::Verified(identity) => Presented::Verified(identity),
            Self::Refused(refusal) => Presented::Refused(refusal),
            Self::Absent => Presented::Absent,
        }
    }

    /// The claims, where somebody vouched for them.
    pub(super) fn claims(&self) -> Option<&Claims> {
        match self {
            Self::Verified(identity) => Some(identity.claims()),
            Self::Refused(_) | Self::Absent => None,
        }
    }
}

impl SpeakerArgs {
    /// Verifies the token, or vouches for the process as it was described.
    pub(super) fn resolve(
        self,
        document: &Document,
        destination: Option<SocketAddr>,
    ) -> Result<Speaker, Problem> {
        let now = self.at.unwrap_or_else(clock::now);
        let verified = match self.token {
            _ if self.unidentified => return Ok(Speaker::Absent),
            Some(token) => {
                let token = inspect::token(token)?;
                let binding = match (self.src, destination) {
                    (Some(source), Some(destination)) => Binding::Connection { source, destination },
                    _ => Binding::Unbound,
                };
                verify(&token, document.policy.trusted_keys(), now, binding)
            }
            None => {
                vouch(self.claims(&document.policy, now, destination)?, document.policy.trusted_keys(), now)?
            }
        };
        Ok(match verified {
            Ok(identity) => Speaker::Verified(Box::new(identity)),
            Err(refusal) => Speaker::Refused(refusal),
        })
    }

    fn claims(self, policy: &Policy, now: UnixNanos, to: Option<SocketAddr>) -> Result<Claims, Problem> {
        let process = self.process.as_deref().map(|name| named(policy, name)).transpose()?;
        let digest = |given: Option<Digest>, listed: fn(&Process) -> &Vec<Digest>| {
            given.or_else(|| process.and_then(|process| listed(process).first()).copied())
        };
        let exe = self.exe.as_ref().map(DigestOrFile::digest).transpose()?;
        let code = self.code.as_ref().map(DigestOrFile::code_digest).transpose()?;
        let script = self.script.as_ref().map(DigestOrFile::digest).transpose()?;
        let file = self.exe.as_ref().and_then(DigestOrFile::path).map(path_text);
        let path = process.and_then(|process| process.path.clone());
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        Ok(Claims {
            subject: subject(self.subject, policy, process)?,
            lifetime: Lifetime::starting(now, TOKEN_LIFE_SECONDS),
            serial: Serial(now.0),
            exe: digest(exe, |process| &process.exe)
                .ok_or_else(|| Problem::new("missing").at("--exe").next("give a digest or a file"))?,
            code: digest(code, |process| &process.code),
            stray: None,
            script: digest(script, |process| &process.script),
            name: self.name.or(file).or(path).unwrap_or_default(),
            labels: Labels::from_pairs(self.labels).map_err(|error| Problem::new(error).at("--label"))?,
            source: nowhere,
            destination: to.unwrap_or(nowhere),
        })
    }
}

fn named<'p>(policy: &'p Policy, name: &str) -> Result<&'p Process, Problem> {
    policy.model().processes().iter().find(|process| process.name == name).ok_or_else(|| {
        let problem = Problem::new(format!("the policy has no process {name}")).at("--process");
        problem.next("name one of its processes, or describe the process by --exe and the rest")
    })
}

/// The container as it was given; of a process of the policy, what is missing is filled in from the
/// policy and from the first key's scope, so that its name alone is enough.
fn subject(given: SubjectArgs, policy: &Policy, process: Option<&Process>) -> Result<Subject, Problem> {
    let domain = policy.model().trust_domain();
    let Some(process) = process else { return given.resolve(Some(domain)) };
    let scope = policy.model().keys().first().map(|key| key.scope.to_string()).unwrap_or_default();
    let scoped = |kind: &str| {
        let mut parts = scope.split('/').skip_while(|part| *part != kind).skip(1);
        parts.next().filter(|name| !name.is_empty()).map(Into::into)
    };
    given
        .or_else(SubjectArgs {
            container: process
                .container
                .clone()
                .or_else(|| scoped("container"))
                .or_else(|| Some(process.name.clone())),
            namespace: process.namespace.clone().or_else(|| scoped("ns")).or_else(|| Some("default".into())),
            service_account: process
                .service_account
                .clone()
                .or_else(|| scoped("sa"))
                .or_else(|| Some("default".into())),
            host_name: scoped("host"),
            ..SubjectArgs::default()
        })
        .resolve(Some(domain))
}

fn verify(
    token: &str,
    keys: &TrustedKeys,
    now: UnixNanos,
    binding: Binding,
) -> Result<VerifiedIdentity, Refusal> {
    UnverifiedToken::parse(token.as_bytes())?.verify(keys, now, binding)
}

/// The identity that a shim with one of the policy's keys would have shown. Only verifying makes one,
/// so a token is signed here with a key that is trusted in this function alone, and need not be
/// secret therefore.
fn vouch(
    claims: Claims,
    keys: &TrustedKeys,
    now: UnixNanos,
) -> Result<Result<VerifiedIdentity, Refusal>, Problem> {
    if !keys.covers(&claims.subject) {
        let detail = format!(
            "no key of the policy may sign for {}: add one to trust.keys, or widen a scope",
            claims.subject
        );
        return Ok(Err(Refusal::new(RefusalReason::OutsideKeyScope, detail)));
    }
    let key = SigningKey::from_seed(KeyId::new("explain").map_err(Problem::new)?, &Zeroizing::new([0; 32]));
    let mut trusted = TrustedKeys::new(keys.domain().clone());
    let scope: KeyScope = format!("{}/", keys.domain()).parse().map_err(Problem::new)?;
    trusted.add(key.public().map_err(Problem::new)?, scope).map_err(Problem::new)?;
    let token = key.sign_token(&claims).map_err(Problem::new)?;
    Ok(verify(&token, &trusted, now, Binding::Unbound))
}
