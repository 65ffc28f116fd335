//! `procgate inject` and `procgate uninject`: the shim into the pods of manifests, and out of them again.
//!
//! The stream of documents is walked one by one (`walk`). In each, `object` names what it is, `pod` finds what has
//! containers, `selection` chooses among them, and `plan` says what has to be different; `crate::yaml` makes that in
//! the text. An injected pod tells in an annotation (`record`) what is there only since then, and `undo` goes by that.
//! `inject` takes out what is there before it puts anything in: so it can be done any number of times.

mod container;
mod custody;
mod draft;
mod findings;
mod hazards;
mod named;
mod names;
mod object;
mod parts;
mod plan;
mod pod;
mod program;
mod record;
mod redirect;
mod report;
mod selection;
mod settings;
mod strange;
mod stream;
mod undo;
pub(crate) mod uninject;
mod walk;

use crate::failure::Failure;
use custody::Custody;
use report::Manifests;
use settings::Settings;
use stream::Stream;
use walk::Injecting;

const EXAMPLE: &str = "\
Examples:
  kustomize build overlays/shop | procgate inject --trust-domain shop.example \\
    --shim-image registry.example/procgate-shim@sha256:4f0c… | kubectl apply -f -
  procgate inject checkout.yaml --out injected.yaml --trust-domain shop.example --shim-image …
  procgate inject pod.yaml --entrypoint app='[\"/app/server\"]' --trust-domain shop.example --shim-image …

What has containers is changed, and nothing else: other documents, comments, order and spelling stay to the letter. \
Annotations of the pod choose: procgate.dev/inject: \"false\" leaves it as it is, procgate.dev/containers: app,migrate \
names the containers, init containers too. Each container mounts its own key, the item CONTAINER.jwk of the Secret.

docs/inject.md explains it all.";

/// Put the shim into the pods of manifests.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(flatten)]
    stream: Stream,
    /// The shim's image, by its digest.
    #[arg(long, value_name = "IMAGE@sha256:…")]
    shim_image: String,
    /// Mount that image as a volume, instead of having an init container copy the shim out of it.
    #[arg(long)]
    image_volume: bool,
    /// The trust domain of the identities.
    #[arg(long, value_name = "NAME")]
    trust_domain: String,
    /// How tokens travel.
    #[arg(long, value_enum, default_value_t = Carrier::ProxyV2, value_name = "HOW")]
    carrier: Carrier,
    /// The Secret with the keys of a workload; {workload} and {container} stand for their names.
    #[arg(long, value_name = "NAME", default_value = "procgate-{workload}")]
    key_secret: String,
    /// A ConfigMap with the code lists of a workload, each as CONTAINER.list.
    #[arg(long, value_name = "NAME")]
    code_list: Option<String>,
    /// Who can read a key.
    #[arg(long, value_enum, default_value_t = Custody::Workload, value_name = "WHO")]
    custody: Custody,
    /// Whom a container's program runs as, where neither manifest nor image says it. May be repeated.
    #[arg(long, value_name = "[WORKLOAD/]CONTAINER=UID[:GID]")]
    user: Vec<String>,
    /// A label to sign for all of them. May be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<String>,
    /// A label of each pod to sign for it. May be repeated.
    #[arg(long, value_name = "NAME")]
    pod_label: Vec<String>,
    /// What a container without a command runs. May be repeated.
    #[arg(long, value_name = "[WORKLOAD/]CONTAINER=WORDS")]
    entrypoint: Vec<String>,
    /// The same by its image: an OCI layout, or from `docker save`. May be repeated.
    #[arg(long, value_name = "[WORKLOAD/]CONTAINER=PATH")]
    image_config: Vec<String>,
}

/// How tokens travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Carrier {
    /// In the first request: plaintext HTTP only.
    Header,
    /// In a PROXY v2 preface, ahead of everything.
    ProxyV2,
    /// In the ClientHello of TLS that the shim begins.
    Alpn,
}

impl Carrier {
    fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::ProxyV2 => "proxy-v2",
            Self::Alpn => "alpn",
        }
    }
}

/// Puts the shim into all pods of a stream, or into none.
pub(crate) fn run(args: &Args) -> Result<Manifests, Failure> {
    let settings = Settings::of(args)?;
    let mut work = Injecting::new(&settings);
    let text = args.stream.pass(&mut work)?;
    let unused: Vec<_> = settings.unused().collect();
    if !unused.is_empty() {
        return Err(unused.into());
    }
    args.stream.keep(work.report(text))
}
