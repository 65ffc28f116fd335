//! `procgate keygen`: a signing key for a shim, its public half for the policy.

use crate::escape::{escape, escape_path, path_text};
use crate::failure::{Failure, Problem};
use crate::files;
use crate::report::Report;
use core::fmt;
use procgate_identity::{KeyId, KeyScope, PublicJwk, PublicKey, SigningKey};
use serde::Serialize;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const EXAMPLE: &str = "\
Example:
  procgate keygen --kid checkout-2026-11 --out keys/ \\
      --scope spiffe://shop.example/ns/shop/sa/checkout/container/";

/// Make a signing key: a private JWK for the shim, a public one for the policy.
///
/// The private file has mode 0600. Neither file replaces one that is already there.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The key's name (kid): it stands in every token and in the policy.
    #[arg(long, value_name = "NAME", value_parser = |text: &str| KeyId::new(text))]
    kid: KeyId,
    /// A directory, or the start of both names: PATH.private.jwk and PATH.public.jwk.
    #[arg(long, value_name = "PATH", default_value = ".")]
    out: PathBuf,
    /// What it signs with. Ed25519 is quicker to sign and to check; ES256 is for where rules ask for P-256.
    #[arg(long, value_enum, default_value_t)]
    algorithm: KeyKind,
    /// What the key may sign for: one container's name, or a prefix that ends in '/'.
    #[arg(long, value_name = "SPIFFE-ID")]
    scope: Option<KeyScope>,
}

/// Where the two halves go.
#[derive(Debug)]
struct Places {
    directory: PathBuf,
    private: PathBuf,
    public: PathBuf,
}

/// The key that was made.
#[derive(Debug, Serialize)]
pub(crate) struct Made {
    kid: String,
    private: String,
    public: String,
    /// The entry for `trust.keys`.
    entry: Entry,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// What the policy says about the key.
#[derive(Debug, Serialize)]
struct Entry {
    jwk: PublicJwk,
    scope: Option<String>,
}

/// The kinds of keys that can be made.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum KeyKind {
    #[default]
    Ed25519,
    Es256,
}

/// Makes the key and writes both files, or neither.
pub(crate) fn run(args: Args) -> Result<Made, Failure> {
    let places = places(&args.out, &args.kid)?;
    let mut random = Zeroizing::new([0; 32]);
    fill(random.as_mut())?;
    let key = match args.algorithm {
        KeyKind::Ed25519 => SigningKey::from_seed(args.kid, &random),
        KeyKind::Es256 => SigningKey::es256(args.kid, &random).map_err(Problem::new)?,
    };
    let public = key.public().map_err(Problem::new)?;
    write_both(&places, &key, &public)?;
    Ok(Made {
        kid: public.id().as_str().into(),
        entry: Entry { jwk: public.jwk(), scope: args.scope.map(|scope| scope.to_string()) },
        warnings: warnings(&places.directory),
        private: path_text(&places.private),
        public: path_text(&places.public),
    })
}

/// A directory takes files named after the key; anything else is the start of their names.
fn places(out: &Path, kid: &KeyId) -> Result<Places, Problem> {
    let kid = kid.as_str();
    let ends_in_slash = out.as_os_str().as_encoded_bytes().ends_with(b"/");
    let start = if out.is_dir() || ends_in_slash {
        if kid.contains('/') || kid.starts_with('.') {
            let problem = Problem::new("a kid with '/' or a leading '.' cannot name the files").at("--kid");
            return Err(problem.next("give the start of the names too, as in --out keys/checkout"));
        }
        out.join(kid)
    } else {
        out.to_owned()
    };
    let directory = match start.parent() {
        None => return Err(Problem::new("names no file").at("--out").next("give a directory")),
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
    };
    if !directory.is_dir() {
        return Err(Problem::new("is no directory")
            .in_file(directory)
            .next("make it first: mkdir -p -m 0700"));
    }
    let named = |end: &str| {
        let mut name = start.as_os_str().to_owned();
        name.push(end);
        name.into()
    };
    Ok(Places {
        private: named(".private.jwk"),
        public: named(".public.jwk"),
        directory: directory.to_owned(),
    })
}

/// Random bytes from the operating system.
fn fill(mut rest: &mut [u8]) -> Result<(), Problem> {
    while !rest.is_empty() {
        match rustix::rand::getrandom(&mut *rest, rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => rest = rest.get_mut(count..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Problem::new(error).at("the system's random numbers")),
        }
    }
    Ok(())
}

/// Both files are there before either has content, so that no half of a key lies about on its own.
fn write_both(places: &Places, key: &SigningKey, public: &PublicKey) -> Result<(), Problem> {
    let mut private_file = NewFile::create(&places.private, 0o600)?;
    let mut public_file = NewFile::create(&places.public, 0o644)?;
    private_file.write(&key.to_private_jwk().map_err(Problem::new)?)?;
    public_file.write(&public.to_jwk())?;
    private_file.keep();
    public_file.keep();
    Ok(())
}

/// A file that goes away again unless it is kept.
struct NewFile<'a> {
    path: &'a Path,
    file: File,
    kept: bool,
}

impl<'a> NewFile<'a> {
    /// O_EXCL: neither an existing file nor a symbolic link in its place is followed or replaced.
    fn create(path: &'a Path, mode: u32) -> Result<Self, Problem> {
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
        let file = file.map_err(|error| files::unwritable(path, &error))?;
        Ok(Self { path, file, kept: false })
    }

    fn write(&mut self, line: &str) -> Result<(), Problem> {
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.write_all(b"\n"));
        written.and_then(|()| self.file.sync_all()).map_err(|error| files::unwritable(self.path, &error))
    }

    fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(self.path);
        }
    }
}

/// In a directory that others may write to, they can put a key of theirs in this one's place. A
/// sticky directory such as /tmp keeps them from it.
fn warnings(directory: &Path) -> Vec<String> {
    const STICKY: u32 = 0o1000;
    let mode = fs::metadata(directory).map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o022 == 0 || mode & STICKY != 0 {
        return Vec::new();
    }
    let directory = escape_path(directory);
    vec![format!("others may write to {directory} and replace the key: chmod go-w {directory}")]
}

impl Report for Made {
    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl fmt::Display for Made {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PublicJwk { kty, crv, kid, x, y } = &self.entry.jwk;
        let place = "spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT/container/";
        let (scope, hint) = match &self.entry.scope {
            Some(scope) => (scope.as_str(), ""),
            None => (place, "   # put in the containers it may sign for"),
        };
        writeln!(out, "# private key, for the shim only: {}", escape(&self.private))?;
        writeln!(out, "# public key: {}", escape(&self.public))?;
        writeln!(out, "# under trust.keys in the policy:")?;
        write!(out, "- jwk: {{kty: {kty}, crv: {crv}, kid: \"{}\", x: \"{x}\"", escape(kid))?;
        if let Some(y) = y {
            write!(out, ", y: \"{y}\"")?;
        }
        writeln!(out, "}}")?;
        writeln!(out, "  scope: {scope}{hint}")
    }
}
