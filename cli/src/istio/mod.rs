//! `procgate istio …`: what a mesh has to know of procgate.

mod manifests;
mod module;
mod parts;
mod proxy;
mod reach;
pub(crate) mod render;
mod workload;

/// Manifests for Istio.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    Render(render::Args),
}
