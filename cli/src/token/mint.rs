//! `procgate token mint`: the token a shim would send, for trying things out.

use super::claimed::Claimed;
use crate::clock;
use crate::escape::escape_path;
use crate::failure::{Failure, Problem};
use crate::files;
use crate::process::{DigestOrFile, SubjectArgs, address, label};
use crate::report::Report;
use core::fmt;
use core::net::SocketAddr;
use procgate_identity::{
    Claims, Labels, Lifetime, MAX_LIFE_SECONDS, Serial, SigningKey, TOKEN_LIFE_SECONDS, UnixNanos,
};
use serde::Serialize;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

const EXAMPLE: &str = "\
Example:
  procgate token mint --key checkout.private.jwk --trust-domain shop.example \\
      --namespace shop --service-account checkout --container app \\
      --exe /usr/bin/curl --src 10.1.2.3:40000 --dst 10.4.0.9:8080 --label segment=pci

Whoever holds the token may open that one connection while it lasts: treat it as a password.";

/// Make a token, as the shim would for one connection, and print it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The private JWK that `procgate keygen` wrote; '-' is standard input.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    #[command(flatten)]
    subject: SubjectArgs,
    /// The executable: its digest, or a file to take it of.
    #[arg(long, value_name = "DIGEST|FILE")]
    exe: DigestOrFile,
    /// The executable's path, for people [default: FILE of --exe].
    #[arg(long, value_name = "PATH")]
    name: Option<String>,
    /// The code list: its digest, or the list's file.
    #[arg(long, value_name = "DIGEST|FILE")]
    code: Option<DigestOrFile>,
    /// The script that an interpreter runs: its digest, or a file to take it of.
    #[arg(long, value_name = "DIGEST|FILE")]
    script: Option<DigestOrFile>,
    /// A label (up to 16); an equals sign within its name is written \=.
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// The connection's source.
    #[arg(long, value_name = "IP:PORT", value_parser = address)]
    src: SocketAddr,
    /// The connection's destination.
    #[arg(long, value_name = "IP:PORT", value_parser = address)]
    dst: SocketAddr,
    /// How long the token lasts, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = TOKEN_LIFE_SECONDS, value_parser = clap::value_parser!(u64).range(1..=MAX_LIFE_SECONDS))]
    life: u64,
    /// When it is made [default: now]. RFC 3339 or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = clock::parse)]
    at: Option<UnixNanos>,
}

/// The token that was made.
#[derive(Debug, Serialize)]
pub(crate) struct Minted {
    token: String,
    claims: Claimed,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// Reads the key, makes the claims, signs them.
pub(crate) fn run(args: Args) -> Result<Minted, Failure> {
    let path = args.key.clone();
    let bytes = files::read_key(&path)?;
    let key = SigningKey::from_jwk(&bytes).map_err(|error| Problem::new(error).in_file(&path))?;
    let token = key.sign_token(&claims(args)?).map_err(|error| Problem::new(error).at("the token"))?;
    Ok(Minted { claims: Claimed::read(token.as_bytes()), token, warnings: warnings(&path) })
}

fn claims(args: Args) -> Result<Claims, Problem> {
    let now = args.at.unwrap_or_else(clock::now);
    let of_file = || args.exe.path().map(|path| path.to_string_lossy().into_owned());
    Ok(Claims {
        subject: args.subject.resolve(None)?,
        lifetime: Lifetime::starting(now, args.life),
        serial: Serial(now.0),
        exe: args.exe.digest()?,
        code: args.code.as_ref().map(DigestOrFile::code_digest).transpose()?,
        stray: None,
        script: args.script.as_ref().map(DigestOrFile::digest).transpose()?,
        name: args.name.or_else(of_file).unwrap_or_default(),
        labels: Labels::from_pairs(args.labels).map_err(|error| Problem::new(error).at("--label"))?,
        source: args.src,
        destination: args.dst,
    })
}

/// A key that others may read is a key that others have.
fn warnings(key: &Path) -> Vec<String> {
    let open = |metadata: fs::Metadata| metadata.is_file() && metadata.permissions().mode() & 0o077 != 0;
    if !fs::metadata(key).is_ok_and(open) {
        return Vec::new();
    }
    let key = escape_path(key);
    vec![format!("others may read {key}: chmod 600 {key}, and replace the key if they did")]
}

impl Report for Minted {
    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl fmt::Display for Minted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", self.token)
    }
}
