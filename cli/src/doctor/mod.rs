//! `procgate doctor`: does Envoy, as it is configured or as it runs, hold what procgate relies on?

mod bootstrap;
mod capabilities;
mod chain;
mod checks;
mod envoy;
mod http;
mod listener;
mod live;
mod plugin;
mod policies;
mod routes;
mod sources;
mod tree;

use crate::failure::{Failure, Problem};
use crate::report::{Outcome, Report};
use checks::{Checks, Level};
use core::fmt;
use envoy::Configuration;
use live::Answers;
use live::shim::Shim;
use policies::Policies;
use serde::Serialize;
use sources::Sources;
use std::path::PathBuf;

const EXAMPLE: &str = "\
Examples:
  procgate doctor --envoy-config /etc/envoy/tcp.yaml
  procgate doctor --admin 127.0.0.1:9901 --shim 4711
  kubectl exec POD -c istio-proxy -- pilot-agent request GET config_dump > dump.json; procgate doctor --config-dump dump.json

One line for each thing that was looked at: ok, warning (works, and not as well as it could) or error (lets \
somebody through, or lets nobody through), where, what, and what to do. The exit code is 1 if there is an error.";

/// Look whether Envoy is set up so that nothing passes by the plugin.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(flatten)]
    what: What,
    /// Say whether the proxy trusts the tokens of this running shim, and reads them. May be repeated.
    #[arg(long, value_name = "PID")]
    shim: Vec<u32>,
}

/// What to examine.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Envoy's configuration, YAML or JSON. The files that it takes its parts and the module from are read too.
    #[arg(long, value_name = "FILE")]
    envoy_config: Option<PathBuf>,
    /// What Envoy's admin interface answers to /config_dump, as of a sidecar in a mesh.
    #[arg(long, value_name = "FILE")]
    config_dump: Option<PathBuf>,
    /// The admin interface of a running Envoy: its configuration, its clock and what it has counted.
    #[arg(long, value_name = "HOST:PORT")]
    admin: Option<String>,
}

/// All that was looked at.
#[derive(Debug, Serialize)]
pub(crate) struct Examined {
    checks: Checks,
    errors: usize,
    warnings: usize,
}

/// Looks at everything that was named.
pub(crate) fn run(args: Args) -> Result<Examined, Failure> {
    let mut checks = Checks::default();
    let shims = args.shim.iter().map(|pid| Shim::find(*pid)).collect::<Result<Vec<_>, _>>()?;
    let (sources, answers) = args.what.read(&mut checks)?;
    let configuration = Configuration::of(&sources);
    bootstrap::check(&configuration, &mut checks);
    for listener in &configuration.listeners {
        listener::check(&configuration, *listener, &mut checks);
    }
    if configuration.listeners.is_empty() {
        let next =
            "name Envoy's bootstrap or a config dump; what a control plane sends is in the latter only";
        checks.error("listeners", "the configuration", "has no listeners", next);
    }
    let policies = Policies::check(&configuration, &mut checks);
    if let Some(answers) = answers {
        answers.check(&policies.digests(), &mut checks);
    }
    let reads_prefaces =
        configuration.listeners.iter().any(|it| listener::reads_prefaces(&configuration, *it));
    for shim in &shims {
        policies.good().for_each(|policy| shim.check(policy, reads_prefaces, &mut checks));
    }
    let [errors, warnings] = [Level::Error, Level::Warning].map(|level| checks.count(level));
    Ok(Examined { checks, errors, warnings })
}

impl What {
    /// The configuration, and from a running Envoy what it says of itself.
    fn read(&self, checks: &mut Checks) -> Result<(Sources, Option<Answers>), Problem> {
        match (&self.envoy_config, &self.config_dump, &self.admin) {
            (Some(path), ..) => Ok((Sources::read(path, checks)?, None)),
            (_, Some(path), _) => Ok((Sources::whole(sources::document(path)?), None)),
            (.., address) => {
                let (sources, answers) = live::ask(address.as_deref().unwrap_or_default(), checks)?;
                Ok((sources, Some(answers)))
            }
        }
    }
}

impl Report for Examined {
    fn outcome(&self) -> Outcome {
        if self.errors > 0 { Outcome::Findings } else { Outcome::Fine }
    }
}

impl fmt::Display for Examined {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { checks, errors, warnings } = self;
        let ok = checks.count(Level::Ok);
        writeln!(out, "{checks}{ok} ok, {warnings} warnings, {errors} errors")
    }
}
