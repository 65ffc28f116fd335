//! `procgate uninject`: what `inject` put in, out again.

use super::MAX_STREAM;
use super::report::Manifests;
use super::walk::{Undoing, walk};
use crate::failure::Failure;
use crate::files;
use std::path::PathBuf;

const EXAMPLE: &str = "\
Examples:
  procgate uninject injected.yaml --out checkout.yaml
  kubectl get deployment checkout -o yaml | procgate uninject | kubectl apply -f -

Goes by the annotation procgate.dev/injected. What was changed since stays, and what has no such annotation.";

/// Take the shim out of the pods of manifests.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Manifests, YAML or JSON; - is standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// Write the manifests to this file, whole or not at all, instead of printing them.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Takes the shim out of all pods of a stream, or out of none.
pub(crate) fn run(args: &Args) -> Result<Manifests, Failure> {
    let stream = files::read_text_at_most(&args.file, MAX_STREAM)?;
    let mut work = Undoing::default();
    let text = walk(&args.file, &stream, &mut work)?;
    work.report(text).keep(args.out.as_deref())
}
