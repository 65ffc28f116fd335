//! `procgate policy pin`: a new build's digests, put into the policy's own text.

use super::document::{self, Document};
use super::learn::{Addition, with_digests};
use crate::escape::{escape, path_text};
use crate::failure::{Failure, Problem};
use crate::files;
use crate::report::Report;
use core::fmt;
use procgate_identity::Digest;
use procgate_policy::RawProcess;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const EXAMPLE: &str = "\
Examples:
  procgate digest --image app.tar --output json | procgate policy pin policy.yaml --container app --out policy.yaml
  procgate digest /app/checkout --output json | procgate policy pin policy.yaml --container app | diff -u policy.yaml -

A process gets the digest of the file that is at its path, and that of the code list if it has one of code already. \
Those that it has stay, for pods of the build before. Digests of scripts are for you to add. \
Comments, order and names stay, too. When the rollout is over, `procgate policy lint --logs` names the digests that nobody runs any more.";

/// Add a new build's digests to the processes that are in it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The policy, YAML or JSON.
    #[arg(value_name = "POLICY")]
    policy: PathBuf,
    /// What `procgate digest --output json` said of the build; '-' is standard input.
    #[arg(long, value_name = "FILE", default_value = "-")]
    digests: PathBuf,
    /// Only processes of this container: another image may have another program at the same path.
    #[arg(long, value_name = "NAME")]
    container: Option<String>,
    /// Write the policy to this file, which may be the policy itself, instead of printing it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What was added.
#[derive(Debug, Serialize)]
pub(crate) struct Pinned {
    added: Vec<Added>,
    /// The policy with it.
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Added {
    process: String,
    field: &'static str,
    digest: String,
}

/// The output of `digest`, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Build {
    code: Option<String>,
    exe: Option<File>,
    files: Vec<File>,
}

#[derive(Debug, Deserialize)]
struct File {
    digest: String,
    path: String,
}

/// Adds what is missing.
pub(crate) fn run(args: Args) -> Result<Pinned, Failure> {
    let text = files::read_text(&args.policy)?;
    let Document { raw, .. } = document::of_text(text.as_bytes(), &args.policy)?;
    let build = Build::read(&args.digests)?;
    let is_meant = |process: &RawProcess| args.container.is_none() || process.container == args.container;
    let (mut found, mut additions, mut warnings) = (false, Vec::new(), Vec::new());
    for (place, process) in raw.processes.iter().enumerate().filter(|(_, process)| is_meant(process)) {
        let Some(exe) = process.path.as_deref().and_then(|path| build.at(path)) else { continue };
        found = true;
        if !process.script.is_empty() {
            let what = "pins a script, which `digest` does not tell apart: add its digest by hand";
            warnings.push(format!("{} {what}", process.name));
        }
        let code = build.code.as_ref().filter(|_| !process.code.is_empty());
        for (field, known, given) in [("exe", &process.exe, Some(exe)), ("code", &process.code, code)] {
            let digest = given.map(|text| digest(text, &args.digests)).transpose()?;
            let new = digest.filter(|digest| !known.contains(digest));
            additions.extend(new.map(|digest| Addition { process: place, field, digest }));
        }
    }
    if !found {
        let problem =
            Problem::new("no process of the policy that is meant has a path that is in the digests");
        return Err(problem
            .in_file(&args.policy)
            .next("give it its path, or name another --container")
            .into());
    }
    let added = additions.iter().map(|addition| Added {
        process: raw.processes.get(addition.process).map(|process| process.name.clone()).unwrap_or_default(),
        field: addition.field,
        digest: addition.digest.to_string(),
    });
    let added: Vec<_> = added.collect();
    let text = if added.is_empty() { text } else { with_digests(&args.policy, &text, &raw, additions)? };
    if let Some(out) = &args.out {
        files::write_whole(out, &text)?;
    }
    Ok(Pinned { added, text, written: args.out.as_deref().map(path_text), warnings })
}

impl Build {
    fn read(path: &Path) -> Result<Self, Problem> {
        serde_json::from_slice(&files::read(path)?).map_err(|error| {
            let what = format!("not what `procgate digest` writes, as line {} shows", error.line());
            Problem::new(what).in_file(path).next("give the output of `procgate digest --output json`")
        })
    }

    /// The digest of the file at this path.
    fn at(&self, path: &str) -> Option<&String> {
        let bare = |path: &str| path.trim_start_matches('/').to_owned();
        let mut files = self.exe.iter().chain(&self.files);
        files.find(|file| bare(&file.path) == bare(path)).map(|file| &file.digest)
    }
}

fn digest(text: &str, file: &Path) -> Result<Digest, Problem> {
    text.parse().map_err(|error| Problem::new(error).in_file(file))
}

impl Report for Pinned {
    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl fmt::Display for Pinned {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(written) = &self.written else { return out.write_str(&self.text) };
        for Added { process, field, digest } in &self.added {
            writeln!(out, "{}: {field} {digest}", escape(process))?;
        }
        match self.added.len() {
            0 if self.warnings.is_empty() => {
                writeln!(out, "nothing to add: {} has all of them", escape(written))
            }
            0 => writeln!(out, "nothing added to {}", escape(written)),
            1 => writeln!(out, "1 digest added, written to {}", escape(written)),
            count => writeln!(out, "{count} digests added, written to {}", escape(written)),
        }
    }
}
