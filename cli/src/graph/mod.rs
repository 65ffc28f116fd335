//! `procgate graph`: who reaches what, drawn from the records of decisions.

mod flows;
mod model;
mod page;
mod question;
mod text;

use crate::escape::escape_json;
use crate::failure::{Failure, Problem};
use crate::files;
use crate::policy::document;
use crate::records::LogArgs;
use crate::report::Report;
use clap::ValueEnum;
use core::fmt;
use core::ops::ControlFlow;
use flows::Flows;
use model::Model;
use serde::Serialize;
use std::path::PathBuf;

const EXAMPLE: &str = "\
Examples:
  procgate graph --policy policy.yaml --out graph.html /var/log/envoy/*.log
  kubectl logs POD -c istio-proxy | procgate graph --pod POD --format mermaid -

The page is one file that needs no network. It tells allowed, denied, audit-only and unidentified apart by \
line, arrowhead and mark; a click shows the rule, digests, counts and the `policy explain` command. Keys: / \
searches, up and down walk the list, 0 shows all, + and - zoom, Escape closes.";

/// Draw which processes reach which destinations, and how they fare, from access logs.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(flatten)]
    logs: LogArgs,
    /// The policy, to show its rules beside what they decided.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The form of the drawing.
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    format: Format,
    /// Write it to this file [default: standard output].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What the drawing is made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A browser: one self-contained page
    #[default]
    Html,
    /// Graphviz
    Dot,
    /// Markdown that draws Mermaid
    Mermaid,
    /// Programs
    Json,
}

/// A drawing, or where it was written to.
#[derive(Debug, Serialize)]
pub(crate) struct Drawn {
    #[serde(flatten)]
    model: Model,
    #[serde(skip)]
    text: String,
    warnings: Vec<String>,
}

/// Reads the logs and draws.
pub(crate) fn run(args: Args) -> Result<Drawn, Failure> {
    args.out.as_deref().map_or(Ok(()), |out| args.logs.spare(out, "--out"))?;
    let document = args.policy.as_deref().map(document::load).transpose()?;
    let mut flows = Flows::default();
    let tally = args.logs.read(|entry| {
        flows.add(entry);
        Ok(ControlFlow::Continue(()))
    })?;
    let model = Model::of(flows, args.policy.as_deref().zip(document.as_ref()));
    let mut warnings = tally.warnings();
    if model.left_out() > 0 {
        warnings.push(format!("{} records are left out: too many flows to draw", model.left_out()));
    }
    let edges = text::edges(&model);
    if args.format == Format::Mermaid && edges > text::MERMAID_EDGES {
        let most = text::MERMAID_EDGES;
        warnings
            .push(format!("{edges} edges: Mermaid draws {most} at most, unless its maxEdges is set to more"));
    }
    let mut text = written(&model, args.format)?;
    if let Some(path) = &args.out {
        files::write_whole(path, &text)?;
        let (flows, nodes) = (model.flows.len(), model.nodes.len());
        text = format!("{}: {flows} flows between {nodes} nodes\n", crate::escape::escape_path(path));
    }
    Ok(Drawn { model, text, warnings })
}

fn written(model: &Model, format: Format) -> Result<String, Problem> {
    let mut text = String::new();
    let failed = |error: &dyn fmt::Display| Problem::new(error).at("the drawing").next("report this");
    match format {
        Format::Html => text = page::page(model),
        Format::Dot => text::dot(model, &mut text).map_err(|error| failed(&error))?,
        Format::Mermaid => text::mermaid(model, &mut text).map_err(|error| failed(&error))?,
        Format::Json => {
            let json = serde_json::to_string_pretty(model).map_err(|error| failed(&error))?;
            text = escape_json(&json) + "\n";
        }
    }
    Ok(text)
}

impl Report for Drawn {
    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl fmt::Display for Drawn {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}
