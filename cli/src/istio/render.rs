//! `procgate istio render`: the manifests with one policy in all of them.

use super::manifests::{self, TEMPLATES};
use super::module::Module;
use super::workload::Workload;
use crate::failure::{Failure, Problem};
use crate::files;
use crate::policy::document;
use crate::report::Report;
use core::fmt;
use procgate_policy::Mode;
use serde::Serialize;
use serde_json::{Value, json};
use std::path::PathBuf;

const EXAMPLE: &str = "\
Examples:
  procgate istio render --policy policy.yaml --module oci://registry.example/procgate:0.1.0 \\
    --sha256 4f0c… --namespace shop --out procgate-shop
  kubectl apply -k procgate-shop/overlays/audit

Writes a folder for kustomize: the overlays audit, enforce, receiver, strict and header-only, admission/audit and \
admission/deny, and traffic-extension and mesh, which docs/istio.md explains. An earlier rendering is replaced as a whole.";

/// Write the manifests for Istio, with a policy in all of them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The policy, YAML or JSON.
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Where proxies get the plugin: oci://, https://, http:// or file:///.
    #[arg(long, value_name = "URL")]
    module: String,
    /// Its digest: the file's for http(s), the manifest's for oci. Only file:/// goes without.
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// The namespace whose proxies it is for. In Istio's root namespace: all of the mesh.
    #[arg(long, value_name = "NAME")]
    namespace: String,
    /// A label of the pods that it is for, instead of all of the namespace. May be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    workload: Vec<String>,
    /// What a crash of the plugin does. Either way nothing passes by it.
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    fail: Fail,
    /// Where proxies write the records of decisions.
    #[arg(long, value_name = "PATH", default_value = "/dev/stdout")]
    access_log: String,
    /// The folder to write to. It is made if it is not there.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

/// What a crash of the plugin does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Fail {
    /// The request or connection that met it fails; the next one finds a new VM.
    #[default]
    Reload,
    /// The worker lets nothing pass until its proxy restarts.
    Close,
}

/// What was written.
#[derive(Debug, Serialize)]
pub(crate) struct Written {
    folder: String,
    files: Vec<&'static str>,
    /// Bytes of the policy, which each proxy gets in each place that has it.
    policy_bytes: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// Renders all manifests, and writes them only if there is nothing wrong.
pub(crate) fn run(args: &Args) -> Result<Written, Failure> {
    let module = Module::new(&args.module, args.sha256.as_deref())?;
    let workload = Workload::new(&args.namespace, &args.workload)?;
    let raw = document::load(&args.policy)?.raw;
    let policy = serde_json::to_value(&raw).map_err(|error| Problem::new(error).in_file(&args.policy))?;
    let policy_bytes = policy.to_string().len();
    let parameters = parameters(args, &module, &workload, policy);
    let rendered = TEMPLATES.iter().map(|(path, template)| (*path, manifests::fill(template, &parameters)));
    let rendered: Vec<_> = rendered.collect();
    files::write_folder_whole(&args.out, &rendered)?;
    let mut warnings = Vec::new();
    if raw.mode == Mode::Audit {
        warnings.push("the policy says mode: audit; each overlay sets its own, audit and enforce".to_owned());
    }
    let files = rendered.iter().map(|(path, _)| *path).collect();
    Ok(Written { folder: args.out.display().to_string(), files, policy_bytes, warnings })
}

fn parameters(args: &Args, module: &Module, workload: &Workload, policy: Value) -> Vec<manifests::Parameter> {
    let (strategy, envoy) = match args.fail {
        Fail::Reload => ("FAIL_RELOAD", "FAIL_RELOAD"),
        Fail::Close => ("FAIL_CLOSE", "FAIL_CLOSED"),
    };
    let text = |change: &[(&str, Value)]| {
        let mut changed = policy.clone();
        if let Some(fields) = changed.as_object_mut() {
            fields.extend(change.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        }
        json!(changed.to_string())
    };
    let (enforce, audit) = (("mode", json!("enforce")), ("mode", json!("audit")));
    vec![
        ("PROCGATE_POLICY_TEXT", text(&[])),
        ("PROCGATE_POLICY_TEXT_ENFORCE", text(std::slice::from_ref(&enforce))),
        ("PROCGATE_POLICY_TEXT_AUDIT", text(&[audit])),
        ("PROCGATE_POLICY_TEXT_RECEIVER", text(&[enforce, ("forward", json!(true))])),
        ("PROCGATE_NAMESPACE", json!(workload.namespace())),
        ("PROCGATE_SELECTOR", workload.selector()),
        ("PROCGATE_WORKLOAD_SELECTOR", workload.workload_selector()),
        ("PROCGATE_MODULE", json!(module.url())),
        ("PROCGATE_SHA256", json!(module.sha256())),
        ("PROCGATE_CODE", module.code()),
        ("PROCGATE_FAIL_STRATEGY", json!(strategy)),
        ("PROCGATE_FAILURE_POLICY", json!(envoy)),
        ("PROCGATE_ACCESS_LOG", json!(args.access_log)),
        ("PROCGATE_POLICY", policy),
    ]
}

impl Report for Written {
    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl fmt::Display for Written {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { folder, files, policy_bytes, .. } = self;
        writeln!(out, "wrote {} files to {folder}, with a policy of {policy_bytes} bytes", files.len())?;
        writeln!(out, "see what it would refuse:  kubectl apply -k {folder}/overlays/audit")?;
        writeln!(out, "then refuse it:            kubectl apply -k {folder}/overlays/enforce")
    }
}
