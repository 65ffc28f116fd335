//! Who opens the connection that is asked about.

use super::vouch::{verify, vouch};
use crate::clock;
use crate::escape::path_text;
use crate::failure::Problem;
use crate::process::{DigestOrFile, SubjectArgs, address, label};
use crate::token::inspect;
use core::net::{Ipv4Addr, SocketAddr};
use procgate_identity::{
    Binding, Claims, Digest, Labels, Lifetime, Refusal, Serial, Subject, TOKEN_LIFE_SECONDS, TrustedKeys,
    UnixNanos, VerifiedIdentity,
};
use procgate_policy::{Model, Presented, Process};

/// Who connects: a process by its marks, one of the policy's, a token, or nobody known.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Who connects")]
pub(super) struct SpeakerArgs {
    /// The executable: its digest, or a file to take it of.
    #[arg(long, value_name = "DIGEST|FILE", required_unless_present_any = ["process", "token", "unidentified", "logs", "id"])]
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
    /// A label (up to 16); an equals sign within its name is written \=.
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

/// A process as something else than the command line describes it.
#[derive(Debug, Default)]
pub(super) struct Described {
    pub(super) process: Option<String>,
    pub(super) exe: Option<Digest>,
    pub(super) code: Option<Digest>,
    pub(super) script: Option<Digest>,
    pub(super) name: Option<String>,
    pub(super) container: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) service_account: Option<String>,
    pub(super) labels: Vec<(String, String)>,
}

impl From<Described> for SpeakerArgs {
    fn from(described: Described) -> Self {
        let Described { container, namespace, service_account, .. } = described;
        Self {
            exe: described.exe.map(DigestOrFile::Digest),
            process: described.process,
            subject: SubjectArgs { container, namespace, service_account, ..SubjectArgs::default() },
            code: described.code.map(DigestOrFile::Digest),
            script: described.script.map(DigestOrFile::Digest),
            name: described.name,
            labels: described.labels,
            token: None,
            unidentified: false,
            src: None,
            at: None,
        }
    }
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

    /// Whoever has these claims, if some key may sign for them.
    pub(super) fn vouched(claims: Claims, keys: &TrustedKeys, now: UnixNanos) -> Result<Self, Problem> {
        Ok(vouch(claims, keys, now)?.into())
    }

    /// The claims, where somebody vouched for them.
    pub(super) fn claims(&self) -> Option<&Claims> {
        match self {
            Self::Verified(identity) => Some(identity.claims()),
            Self::Refused(_) | Self::Absent => None,
        }
    }
}

impl From<Result<VerifiedIdentity, Refusal>> for Speaker {
    fn from(verified: Result<VerifiedIdentity, Refusal>) -> Self {
        match verified {
            Ok(identity) => Self::Verified(Box::new(identity)),
            Err(refusal) => Self::Refused(refusal),
        }
    }
}

impl SpeakerArgs {
    /// Verifies the token, or vouches for the process as it was described.
    pub(super) fn resolve(self, policy: &Model, destination: Option<SocketAddr>) -> Result<Speaker, Problem> {
        let now = self.at.unwrap_or_else(clock::now);
        let verified = match self.token {
            _ if self.unidentified => return Ok(Speaker::Absent),
            None => {
                let claims = self.claims(policy, now, destination)?;
                return Speaker::vouched(claims, policy.trusted_keys(), now);
            }
            Some(token) => {
                let token = inspect::token(token)?;
                let binding = match (self.src, destination) {
                    (Some(source), Some(destination)) => Binding::Connection { source, destination },
                    _ => Binding::Unbound,
                };
                verify(&token, policy.trusted_keys(), now, binding)
            }
        };
        Ok(verified.into())
    }

    fn claims(self, policy: &Model, now: UnixNanos, to: Option<SocketAddr>) -> Result<Claims, Problem> {
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

fn named<'p>(policy: &'p Model, name: &str) -> Result<&'p Process, Problem> {
    policy.processes().iter().find(|process| process.name == name).ok_or_else(|| {
        let problem = Problem::new(format!("the policy has no process {name}")).at("--process");
        problem.next("name one of its processes, or describe the process by --exe and the rest")
    })
}

/// The container as it was given; of a process of the policy, what is missing is filled in from the
/// policy and from the first key's scope, so that its name alone is enough.
fn subject(given: SubjectArgs, policy: &Model, process: Option<&Process>) -> Result<Subject, Problem> {
    let domain = policy.trust_domain();
    let Some(process) = process else { return given.resolve(Some(domain)) };
    let scope = policy.keys().first().map(|key| key.scope.to_string()).unwrap_or_default();
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
