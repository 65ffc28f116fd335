//! The documents that a configuration is made of: the one that was named, and the files that Envoy takes
//! parts of it from.

use super::checks::Checks;
use super::tree::Tree;
use crate::escape::path_text;
use crate::failure::Problem;
use crate::files;
use serde_json::Value;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use std::path::{Path, PathBuf};

/// Bytes of one document. The config dump of a sidecar in a mesh of some thousand services has 50 MB.
const MAX_DOCUMENT: u64 = 256 * 1024 * 1024;
/// Values of one YAML document, which people and templates write: a hundred times what tcp.yaml has.
const MAX_NODES: usize = 1_000_000;
/// How deep they nest; JSON has the same bound from its reader.
const MAX_DEPTH: usize = 128;
/// Anchors and aliases: an alias costs what it stands for.
const MAX_ALIASES: usize = 10_000;
/// Bytes of a module: forty times what the plugin has.
const MAX_MODULE: u64 = 64 * 1024 * 1024;
/// Files that a configuration takes its parts from.
const MAX_FILES: usize = 256;

/// Where a configuration names the file of a part of it.
const PARTS: &str = "path_config_source.path";
/// Where it names the file of a module.
const MODULES: &str = "vm_config.code.local.filename";
/// What a WebAssembly module begins with.
pub(super) const MODULE: &[u8] = b"\0asm";

/// All documents of one configuration.
#[derive(Debug)]
pub(super) struct Sources {
    /// The one that was named, and after it the files that it and they refer to.
    documents: Vec<Value>,
}

impl Sources {
    /// Reads a configuration and what it refers to. A part that cannot be read is a finding.
    pub(super) fn read(path: &Path, checks: &mut Checks) -> Result<Self, Problem> {
        let mut sources = Self { documents: vec![document(path)?] };
        let mut known: Vec<PathBuf> = Vec::new();
        let mut waiting = sources.referred(path);
        while let Some(file) = waiting.pop() {
            if known.contains(&file) {
                continue;
            }
            if known.len() >= MAX_FILES {
                return Err(Problem::new(format!("refers to more than {MAX_FILES} files")).in_file(path));
            }
            match document(&file) {
                Ok(document) => {
                    sources.documents.push(document);
                    waiting.extend(sources.referred(path));
                }
                Err(problem) => checks.error(
                    "files",
                    path_text(path),
                    format!("Envoy is to take a part of its configuration from a file: {problem}"),
                    "run this where Envoy's files are, or give --config-dump instead",
                ),
            }
            known.push(file);
        }
        sources.check_modules(path, checks);
        Ok(sources)
    }

    /// Whether the modules are there, those of other filters too. What passes without one is up to the failure_policy
    /// of the filters that it is for.
    fn check_modules(&self, named: &Path, checks: &mut Checks) {
        let mut paths = Vec::new();
        self.documents().for_each(|document| collect(document, MODULES, &mut paths));
        paths.sort_unstable();
        paths.dedup();
        for file in paths.into_iter().map(|path| found(named, path)) {
            let mut at = checks.at("module", path_text(named));
            let next =
                "put the module there, or run this where Envoy's files are; or give --config-dump instead";
            match files::read_at_most(&file, MAX_MODULE) {
                Ok(bytes) if bytes.starts_with(MODULE) => {
                    at.ok(format!("the module is there: {}", path_text(&file)))
                }
                Ok(_) => at.error(format!("{} is no module, so no filter runs it", path_text(&file)), next),
                Err(problem) => at.error(format!("Envoy is to run a module: {problem}"), next),
            }
        }
    }

    /// A configuration that has all its parts in it.
    pub(super) fn whole(document: Value) -> Self {
        Self { documents: vec![document] }
    }

    /// All documents, the one that was named first.
    pub(super) fn documents(&self) -> impl Iterator<Item = Tree<'_>> {
        self.documents.iter().map(Tree::from)
    }

    /// The files that the last document refers to.
    fn referred(&self, named: &Path) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        if let Some(last) = self.documents().last() {
            collect(last, PARTS, &mut paths);
        }
        paths.into_iter().map(|path| found(named, path)).collect()
    }
}

/// Where a file is that a configuration refers to. Envoy takes a relative path from where it was started, which nobody
/// knows here.
fn found(named: &Path, path: &str) -> PathBuf {
    let path = PathBuf::from(path);
    let beside = named.parent().unwrap_or(Path::new(""));
    if path.is_absolute() || path.exists() { path } else { beside.join(path) }
}

/// The paths of all fields of a document that are called so.
fn collect<'a>(tree: Tree<'a>, field: &str, paths: &mut Vec<&'a str>) {
    tree.visit(&mut |part| paths.extend(part.at(field).text()));
}

/// Reads JSON where it begins like JSON, else YAML.
pub(super) fn document(path: &Path) -> Result<Value, Problem> {
    let bytes = files::read_at_most(path, MAX_DOCUMENT)?;
    let problem = |what: String| Problem::new(what).in_file(path).next("correct it there");
    let text = str::from_utf8(&bytes)
        .map_err(|error| problem(format!("not UTF-8 at byte {}", error.valid_up_to())))?;
    if text.trim_start().starts_with('{')
        && let Ok(value) = serde_json::from_str(text)
    {
        return Ok(value);
    }
    let value: Value = serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let told = error.to_string();
        let broken =
            || problem(format!("neither YAML nor JSON: {}", told.lines().next().unwrap_or_default()));
        parameter(text).map_or_else(broken, |(line, name)| {
            let what = format!("${{{name}}} at line {line} is a parameter that nobody has filled in");
            Problem::new(what)
                .in_file(path)
                .next("fill them in with envoy-config/render, and name what it writes")
        })
    })?;
    if value.is_object() { Ok(value) } else { Err(problem("not an object with fields".into())) }
}

/// The first parameter of a template, `${NAME}`, and its line.
fn parameter(text: &str) -> Option<(usize, &str)> {
    text.lines().zip(1..).find_map(|(line, number)| {
        let (_, after) = line.split('#').next()?.split_once("${")?;
        Some((number, after.split_once('}')?.0))
    })
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: usize::try_from(MAX_DOCUMENT).ok(),
            // Each value has at most a start and an end.
            max_events: MAX_NODES.saturating_mul(2),
            max_nodes: MAX_NODES,
            max_depth: MAX_DEPTH,
            max_documents: 1,
            max_aliases: MAX_ALIASES,
            max_anchors: MAX_ALIASES,
        },
        // Which of two counts is for Envoy to say, and it refuses them.
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        with_snippet: false,
    }
}
