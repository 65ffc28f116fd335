//! Manifests in, manifests out.

use super::report::Manifests;
use super::walk::{Work, walk};
use crate::failure::Failure;
use crate::files;
use std::path::{Path, PathBuf};

/// Bytes of a stream of manifests: ten times those of a cluster with a thousand workloads.
const MAX_STREAM: u64 = 64 * 1024 * 1024;

/// Where manifests come from and go to.
#[derive(Debug, clap::Args)]
pub(crate) struct Stream {
    /// Manifests, YAML or JSON; - is standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// Write the manifests to this file, whole or not at all, instead of printing them.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Stream {
    /// The text with the work done in all of its documents.
    pub(super) fn pass(&self, work: &mut impl Work) -> Result<String, Failure> {
        walk(&shown(&self.file), &files::read_text_at_most(&self.file, MAX_STREAM)?, work)
    }

    /// Writes what came of it to the file, if there is one to write to.
    pub(super) fn keep(&self, manifests: Manifests) -> Result<Manifests, Failure> {
        manifests.keep(self.out.as_deref())
    }
}

/// How a file is named where something is said of it.
fn shown(file: &Path) -> String {
    if file == Path::new("-") { "standard input".into() } else { file.display().to_string() }
}
