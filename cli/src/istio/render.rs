//! `procgate istio render`: the manifests with one policy in all of them.

use super::manifests::{self, Parameter, TEMPLATES};
use super::module::Module;
use super::parts::{self, OVERLAYS};
use super::proxy;
use super::reach;
use super::workload::Workload;
use crate::failure::{Failure, Problem};
use crate::files;
use crate::policy::document;
use crate::progress::Progress;
use crate::report::Report;
use core::fmt;
use procgate_policy::{Mode, RawPolicy};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::PathBuf;

const EXAMPLE: &str = "\
Examples:
  procgate istio render --policy policy.yaml --module oci://registry.example/procgate:0.1.0 \\
    --sha256 4f0c… --namespace shop --out procgate-shop
  kubectl apply -k procgate-shop/overlays/audit

Writes a folder for kustomize: the overlays audit, enforce, receiver, strict and header-only, admission/audit and \
admission/deny, and traffic-extension and mesh, which docs/istio.md explains; --per-workload, the first two and \
header-only alone. An earlier rendering is replaced as a whole.";

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
    /// A file for each service account that the policy's processes name, in each of the overlays audit, enforce and
    /// header-only, with what concerns it alone, for pods that have the account's name in this label.
    #[arg(long, value_name = "LABEL", conflicts_with = "workload")]
    per_workload: Option<String>,
    /// What a crash of the plugin does. Either way nothing passes by it.
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    fail: Fail,
    /// Repository of the proxy's image, whose containers the admission policy takes for Istio's own. May be repeated.
    #[arg(long, value_name = "REPOSITORY", default_values = proxy::IMAGES)]
    proxy_image: Vec<String>,
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
    files: usize,
    /// Service accounts that have a part of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    workloads: Option<usize>,
    /// Bytes of the policy, which each proxy gets in each place that has it; of the largest part.
    policy_bytes: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// Renders all manifests, and writes them only if there is nothing wrong.
pub(crate) fn run(args: &Args) -> Result<Written, Failure> {
    let module = Module::new(&args.module, args.sha256.as_deref())?;
    args.proxy_image.iter().try_for_each(|image| proxy::check(image))?;
    let raw = document::load(&args.policy)?.raw;
    let mut warnings = Vec::new();
    if raw.mode == Mode::Audit {
        warnings.push("the policy says mode: audit; each overlay sets its own, audit and enforce".to_owned());
    }
    let mut rendering = Rendering { args, module, files: Vec::new(), policy_bytes: 0 };
    let workloads = match &args.per_workload {
        None => {
            rendering.add_whole(&raw)?;
            warnings.extend(reach::warnings(&raw, &args.namespace));
            None
        }
        Some(label) => {
            let accounts = rendering.add_parts(&raw, label)?;
            warnings.push(format!(
                "pods whose label {label} names none of these {accounts} accounts get no plugin: nothing of theirs is judged"
            ));
            Some(accounts)
        }
    };
    let Rendering { files, policy_bytes, .. } = rendering;
    files::write_folder_whole(&args.out, &files)?;
    let folder = args.out.display().to_string();
    Ok(Written { folder, files: files.len(), workloads, policy_bytes, warnings })
}

/// What is to be written.
struct Rendering<'a> {
    args: &'a Args,
    module: Module,
    /// Paths and texts.
    files: Vec<(String, String)>,
    /// Of the largest policy.
    policy_bytes: usize,
}

impl Rendering<'_> {
    /// All manifests, with the whole policy.
    fn add_whole(&mut self, policy: &RawPolicy) -> Result<(), Failure> {
        let workload = Workload::new(&self.args.namespace, &self.args.workload)?;
        let policy = self.policy(policy)?;
        let [(_, value), _] = &policy;
        let patched = by_overlay(value);
        let parameters = [&common(self.args, &self.module, &workload)[..], &policy, &patched].concat();
        let fill = |(path, text): &(&str, &str)| ((*path).to_owned(), manifests::fill(text, &parameters));
        self.files.extend(TEMPLATES.iter().map(fill));
        Ok(())
    }

    /// A policy as it stands in manifests, in the mode that it has.
    fn policy(&mut self, policy: &RawPolicy) -> Result<[Parameter; 2], Failure> {
        let in_policy = |error| Problem::new(error).in_file(&self.args.policy);
        let policy = serde_json::to_value(policy).map_err(in_policy)?;
        let text = policy.to_string();
        self.policy_bytes = self.policy_bytes.max(text.len());
        Ok([("PROCGATE_POLICY", policy), ("PROCGATE_POLICY_TEXT", json!(text))])
    }

    /// Each overlay for each service account, with its part of the policy; how many accounts there are.
    fn add_parts(&mut self, policy: &RawPolicy, label: &str) -> Result<usize, Failure> {
        let Args { namespace, policy: file, .. } = self.args;
        let accounts = parts::accounts(policy, namespace).ok_or_else(|| {
            let what = format!("no process names a service account in the namespace {namespace}");
            Problem::new(what).in_file(file).next("give processes their serviceAccount")
        })?;
        let mut progress = Progress::of("accounts");
        for (done, account) in (0..).zip(&accounts) {
            progress.show(done);
            let workload = Workload::new(namespace, &[format!("{label}={account}")])?;
            let mut part = policy.of_workload(namespace, account);
            if part.trust.keys.is_empty() {
                let problem = Problem::new(format!("no key may sign for the service account {account}"));
                return Err(problem.in_file(file).next("add one to trust.keys").into());
            }
            let common = common(self.args, &self.module, &workload);
            for overlay in OVERLAYS {
                part.mode = overlay.mode.unwrap_or(policy.mode);
                let parameters = [&common[..], &self.policy(&part)?].concat();
                self.files.push((overlay.file(account), overlay.objects(&workload, &parameters)));
            }
        }
        progress.finish(u64::try_from(accounts.len()).unwrap_or(u64::MAX));
        self.files.extend(OVERLAYS.map(|overlay| overlay.gathered(&accounts)));
        Ok(accounts.len())
    }
}

/// What does not depend on the policy.
fn common(args: &Args, module: &Module, workload: &Workload) -> Vec<Parameter> {
    let (strategy, envoy) = match args.fail {
        Fail::Reload => ("FAIL_RELOAD", "FAIL_RELOAD"),
        Fail::Close => ("FAIL_CLOSE", "FAIL_CLOSED"),
    };
    let (namespace, suffix) = (workload.namespace(), workload.suffix());
    vec![
        ("PROCGATE_NAMESPACE", json!(namespace)),
        ("PROCGATE_NAME_SUFFIX", json!(suffix)),
        ("PROCGATE_ADMISSION", json!(format!("procgate-workloads{suffix}.{namespace}"))),
        ("PROCGATE_PROXY_IMAGES", json!(json!(args.proxy_image).to_string())),
        ("PROCGATE_SELECTOR", workload.selector()),
        ("PROCGATE_WORKLOAD_SELECTOR", workload.workload_selector()),
        ("PROCGATE_MODULE", json!(module.url())),
        ("PROCGATE_SHA256", json!(module.sha256())),
        ("PROCGATE_CODE", module.code()),
        ("PROCGATE_FAIL_STRATEGY", json!(strategy)),
        ("PROCGATE_FAILURE_POLICY", json!(envoy)),
        ("PROCGATE_ACCESS_LOG", json!(args.access_log)),
    ]
}

/// A policy as the overlays patch it in.
fn by_overlay(policy: &Value) -> [Parameter; 3] {
    let text = |change: &[(&str, Value)]| {
        let mut changed = policy.clone();
        if let Some(fields) = changed.as_object_mut() {
            fields.extend(change.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        }
        json!(changed.to_string())
    };
    let (enforce, audit) = (("mode", json!("enforce")), ("mode", json!("audit")));
    [
        ("PROCGATE_POLICY_TEXT_ENFORCE", text(std::slice::from_ref(&enforce))),
        ("PROCGATE_POLICY_TEXT_AUDIT", text(&[audit])),
        ("PROCGATE_POLICY_TEXT_RECEIVER", text(&[enforce, ("forward", json!(true))])),
    ]
}

impl Report for Written {
    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl fmt::Display for Written {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { folder, files, workloads, policy_bytes, .. } = self;
        match workloads {
            None => writeln!(out, "wrote {files} files to {folder}, with a policy of {policy_bytes} bytes")?,
            Some(count) => writeln!(
                out,
                "wrote {files} files to {folder} for {count} workloads, with policies of at most {policy_bytes} bytes"
            )?,
        }
        let (how, below) = if workloads.is_some() { ("-f", "/workloads") } else { ("-k", "") };
        writeln!(out, "see what it would refuse:  kubectl apply {how} {folder}/overlays/audit{below}")?;
        writeln!(out, "then refuse it:            kubectl apply {how} {folder}/overlays/enforce{below}")
    }
}
