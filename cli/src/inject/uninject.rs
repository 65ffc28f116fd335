//! `procgate uninject`: what `inject` put in, out again.

use super::report::Manifests;
use super::stream::Stream;
use super::walk::Undoing;
use crate::failure::Failure;

const EXAMPLE: &str = "\
Examples:
  procgate uninject injected.yaml --out checkout.yaml
  kubectl get deployment checkout -o yaml | procgate uninject | kubectl apply -f -

Goes by the annotation procgate.dev/injected. What was changed since stays, and what has no such annotation.";

/// Take the shim out of the pods of manifests.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(flatten)]
    stream: Stream,
}

/// Takes the shim out of all pods of a stream, or out of none.
pub(crate) fn run(args: &Args) -> Result<Manifests, Failure> {
    let mut work = Undoing::default();
    let text = args.stream.pass(&mut work)?;
    args.stream.keep(work.report(text))
}
