//! What came of it: the manifests, and what there is to say of them.

use crate::failure::Failure;
use crate::files;
use crate::report::Report;
use core::fmt;
use serde::Serialize;
use std::path::Path;

/// Manifests, changed.
#[derive(Debug, Serialize)]
pub(crate) struct Manifests {
    #[serde(skip)]
    pub(super) verb: &'static str,
    /// Documents with something in them.
    pub(super) documents: usize,
    pub(super) workloads: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) containers: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) manifests: Option<String>,
    /// Where they were written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<String>,
}

impl Manifests {
    pub(super) fn new(verb: &'static str, text: String) -> Self {
        let (notes, warnings) = (Vec::new(), Vec::new());
        Self {
            verb,
            documents: 0,
            workloads: 0,
            containers: None,
            manifests: Some(text),
            file: None,
            notes,
            warnings,
        }
    }

    /// Writes them to a file, if there is one to write to.
    pub(super) fn keep(mut self, out: Option<&Path>) -> Result<Self, Failure> {
        if let Some(path) = out {
            files::write_whole(path, &self.manifests.take().unwrap_or_default())?;
            self.file = Some(path.display().to_string());
        }
        Ok(self)
    }
}

impl Report for Manifests {
    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl fmt::Display for Manifests {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, documents, workloads, containers, manifests, file, .. } = self;
        match (manifests, file) {
            (Some(text), _) => out.write_str(text),
            (None, file) => {
                let file = file.as_deref().unwrap_or_default();
                let containers =
                    containers.map(|count| format!("{count} containers of ")).unwrap_or_default();
                writeln!(out, "{verb}: {containers}{workloads} workloads, in {documents} documents")?;
                writeln!(out, "written to {file}")
            }
        }
    }
}
