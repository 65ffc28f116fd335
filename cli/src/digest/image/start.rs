//! How an image is started: its configuration, as far as a command line is made of it.

use super::manifest;
use super::store::Store;
use crate::failure::Problem;
use serde::Deserialize;
use std::path::Path;

/// ENTRYPOINT, CMD and USER of an image.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Start {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    user: Option<String>,
}

#[derive(Deserialize)]
struct Configuration {
    config: Option<Start>,
}

impl Start {
    /// Of the image at `path`, an OCI layout or what `docker save` wrote.
    pub(crate) fn of_image(path: &Path) -> Result<Self, Problem> {
        let store = Store::open(path)?;
        let read = || {
            let missing = || Problem::new("has no configuration").next("make or fetch the image anew");
            let blob = manifest::parts(&store, None)?.config.ok_or_else(missing)?;
            let document = store.document(&blob.name, blob.digest)?;
            let Configuration { config } = manifest::parse(&blob.name, &document)?;
            Ok(config.unwrap_or_default())
        };
        read().map_err(|problem: Problem| problem.in_file(path))
    }

    /// The words that are always there.
    pub(crate) fn entrypoint(&self) -> &[String] {
        self.entrypoint.as_deref().unwrap_or_default()
    }

    /// The words that a container's own arguments take the place of.
    pub(crate) fn cmd(&self) -> &[String] {
        self.cmd.as_deref().unwrap_or_default()
    }

    /// Who runs it: empty, a name, or numbers.
    pub(crate) fn user(&self) -> &str {
        self.user.as_deref().unwrap_or_default()
    }
}
