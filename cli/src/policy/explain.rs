//! `procgate policy explain`: what a policy says about one connection, and why.

use super::conditions::{self, Condition};
use super::document::{self, Document};
use super::speaker::{Speaker, SpeakerArgs};
use crate::escape::{escape, escape_message};
use crate::failure::{Failure, Problem};
use crate::process::address;
use crate::report::{Outcome, Report};
use core::fmt;
use core::net::SocketAddr;
use procgate_policy::{Destination, Finding, Http, Mode, RawRule, Reason, judge};
use serde::Serialize;
use std::path::PathBuf;

const EXAMPLE: &str = "\
Examples:
  procgate policy explain --policy policy.yaml --process checkout \\
      --host payments.shop.svc.cluster.local --address 10.4.0.9:8080 --method POST --path /charge/1
  procgate policy explain --policy policy.yaml --exe /usr/bin/curl --container app \\
      --namespace shop --service-account checkout --address 10.4.0.9:8080
  procgate policy explain --policy policy.yaml --unidentified --host api.example --method GET

The exit code is 0 if the policy allows the connection and 1 if it denies it, in audit mode too.";

/// Say whether a policy allows a connection, by which rule, and what the nearest rule lacks.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The policy, YAML or JSON; '-' is standard input.
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    #[command(flatten)]
    who: SpeakerArgs,
    #[command(flatten)]
    whereto: Whereto,
    /// Hold the connection against this rule, instead of the nearest one.
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,
}

/// Where the connection goes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Where to")]
struct Whereto {
    /// The host: the request's authority, or the server name of TLS.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// The original destination.
    #[arg(long, value_name = "IP:PORT", value_parser = address, required_unless_present = "host")]
    address: Option<SocketAddr>,
    /// The request's method [default with --path: GET].
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// The request's path [default with --method: /].
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
}

impl Whereto {
    fn destination(&self) -> Destination<'_> {
        let (method, path) = (self.method.as_deref(), self.path.as_deref());
        let http = Http { method: method.unwrap_or("GET"), path: path.unwrap_or("/") };
        let http = (method.is_some() || path.is_some()).then_some(http);
        Destination { host: self.host.as_deref(), address: self.address, http }
    }
}

/// What the policy says, and why.
#[derive(Debug, Serialize)]
pub(crate) struct Explained {
    decision: &'static str,
    reason: &'static str,
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compared: Option<Compared>,
    next: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// A rule that the connection was held against.
#[derive(Debug, Serialize)]
struct Compared {
    rule: String,
    effect: &'static str,
    conditions: Vec<Condition>,
}

/// Judges the connection and looks at the rule next to it.
pub(crate) fn run(args: Args) -> Result<Explained, Failure> {
    let document = document::load(&args.policy)?;
    let speaker = args.who.resolve(&document, args.whereto.address)?;
    let destination = args.whereto.destination();
    let finding = judge(&document.policy, speaker.presented(), &destination).finding;
    let asked = args.rule.as_deref().map(|name| named(&document, name)).transpose()?;
    let near = finding.nearest.and_then(|name| named(&document, name).ok());
    // An identity that is not accepted meets no rule, whatever the rule says.
    let by_rules = matches!(finding.reason, Reason::Allowed | Reason::DeniedByRule | Reason::NoMatchingRule)
        || matches!(speaker, Speaker::Absent);
    let rule = asked.or(near).filter(|_| by_rules);
    let compared = rule.map(|rule| compare(&document, rule, &speaker, &destination)).transpose()?;
    let open = by_rules && finding.reason != Reason::DeniedByRule;
    let warnings = if open { warnings(&document, &destination) } else { Vec::new() };
    Ok(explained(&finding, &speaker, compared, warnings))
}

fn named<'d>(document: &'d Document, name: &str) -> Result<&'d RawRule, Problem> {
    document.raw.rules.iter().find(|rule| rule.name == name).ok_or_else(|| {
        let problem = Problem::new(format!("the policy has no rule {name}")).at("--rule");
        problem.next("name one of its rules")
    })
}

fn compare(
    document: &Document,
    rule: &RawRule,
    speaker: &Speaker,
    destination: &Destination<'_>,
) -> Result<Compared, Problem> {
    let conditions = conditions::of(&document.raw, rule, speaker.presented(), destination);
    let conditions = conditions.map_err(Problem::new)?;
    Ok(Compared { rule: rule.name.clone(), effect: rule.effect.code(), conditions })
}

fn explained(
    finding: &Finding<'_>,
    speaker: &Speaker,
    compared: Option<Compared>,
    warnings: Vec<String>,
) -> Explained {
    Explained {
        decision: if finding.reason == Reason::Allowed { "allow" } else { "deny" },
        reason: finding.reason.code(),
        mode: finding.mode.code(),
        detail: finding.detail.clone(),
        subject: speaker.claims().map(|claims| claims.subject.to_string()),
        process: finding.process.map(Into::into),
        rule: finding.rule.map(Into::into),
        next: if finding.reason == Reason::NoMatchingRule && compared.is_some() {
            "Change the rule where it fails, or add one for this connection."
        } else {
            finding.reason.next_step()
        },
        compared,
        warnings,
    }
}

/// What the policy looks at and the question leaves out: the true connection may fare otherwise.
fn warnings(document: &Document, destination: &Destination<'_>) -> Vec<String> {
    let needs = document.policy.needs();
    let lacking = [
        (needs.host && destination.host.is_none(), "hosts", "--host"),
        (needs.address && destination.address.is_none(), "addresses or ports", "--address"),
        ((needs.method || needs.path) && destination.http.is_none(), "HTTP requests", "--method and --path"),
    ];
    let warning = |what: &str, option: &str| {
        format!("the policy looks at {what} and none is given, so such rules do not match: add {option}")
    };
    lacking.into_iter().filter(|(lacks, ..)| *lacks).map(|(_, what, option)| warning(what, option)).collect()
}

impl Report for Explained {
    fn outcome(&self) -> Outcome {
        if self.decision == "allow" { Outcome::Fine } else { Outcome::Findings }
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.decision, self.mode == Mode::Audit.code()) {
            ("allow", _) => writeln!(out, "{}", self.reason)?,
            (_, false) => writeln!(out, "denied: {}", self.reason)?,
            (_, true) => writeln!(out, "denied: {} (mode audit: it proceeds all the same)", self.reason)?,
        }
        if let Some(detail) = &self.detail {
            writeln!(out, "  seen       {}", escape_message(detail))?;
        }
        for (name, value) in [("container", &self.subject), ("process", &self.process), ("rule", &self.rule)]
        {
            if let Some(value) = value {
                writeln!(out, "  {name:<10} {}", escape(value))?;
            }
        }
        if let Some(compared) = &self.compared {
            write!(out, "{compared}")?;
        }
        writeln!(out, "  next       {}", self.next)
    }
}

impl fmt::Display for Compared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "  compared   with the rule {} ({}):", escape(&self.rule), self.effect)?;
        for Condition { field, wanted, holds } in &self.conditions {
            let holds = if *holds { "holds" } else { "fails" };
            writeln!(out, "    {holds}    {field}: {}", escape(wanted))?;
        }
        Ok(())
    }
}
