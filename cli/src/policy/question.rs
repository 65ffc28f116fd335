//! The connection that a policy is asked about.

use super::recorded;
use super::speaker::{Speaker, SpeakerArgs};
use crate::failure::{Failure, Problem};
use crate::process::address;
use crate::records::HowArgs;
use core::net::SocketAddr;
use procgate_policy::{Destination, Http, Model, Needs, Reason};
use std::path::PathBuf;

/// A connection: described, or taken from a log.
#[derive(Debug, clap::Args)]
pub(super) struct QuestionArgs {
    #[command(flatten)]
    who: SpeakerArgs,
    #[command(flatten)]
    whereto: Whereto,
    /// Logs to take the connection from; '-' is standard input. Without --id the first record counts.
    #[arg(value_name = "LOG", conflicts_with_all = ["SpeakerArgs", "SubjectArgs", "Whereto"])]
    logs: Vec<PathBuf>,
    /// The id of a decision, as the 403 and the log have it.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    how: HowArgs,
}

/// Where the connection goes.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Where to")]
struct Whereto {
    /// The host: the request's authority, or the server name of TLS.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// The original destination.
    #[arg(long, value_name = "IP:PORT", value_parser = address)]
    address: Option<SocketAddr>,
    /// The request's method [default with --path: GET].
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// The request's path [default with --method: /].
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
}

/// Who connects where.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) speaker: Speaker,
    pub(super) host: Option<String>,
    pub(super) address: Option<SocketAddr>,
    /// Method and path.
    pub(super) http: Option<(String, String)>,
    /// What a record says was decided.
    pub(super) decided: Option<Reason>,
    /// What of the record's log was not understood.
    pub(super) unread: Vec<String>,
}

impl QuestionArgs {
    /// Finds out who connects where.
    pub(super) fn resolve(self, policy: &Model) -> Result<Question, Failure> {
        if !self.logs.is_empty() {
            return recorded::find(&self.logs, &self.how, self.id.as_deref(), policy);
        }
        if self.id.is_some() {
            let problem = Problem::new("a decision is looked for in no log").at("--id");
            return Err(problem
                .next("name the access log of the proxy that decided; '-' is standard input")
                .into());
        }
        self.how.without_logs()?;
        let Whereto { host, address, method, path } = self.whereto;
        let speaker = self.who.resolve(policy, address)?;
        Ok(Question { speaker, host, address, http: http(method, path), decided: None, unread: Vec::new() })
    }
}

/// A request, where either is known.
pub(super) fn http(method: Option<String>, path: Option<String>) -> Option<(String, String)> {
    let known = method.is_some() || path.is_some();
    known.then(|| (method.unwrap_or_else(|| "GET".into()), path.unwrap_or_else(|| "/".into())))
}

impl Question {
    /// Where it goes.
    pub(super) fn destination(&self) -> Destination<'_> {
        let http = self.http.as_ref().map(|(method, path)| Http { method, path });
        Destination { host: self.host.as_deref(), address: self.address, http }
    }

    /// What somebody should know who takes the answer for that of the log.
    pub(super) fn warnings(&self, reason: Reason) -> Vec<String> {
        let other = self.decided.filter(|decided| *decided != reason);
        let warning = |decided| format!("the record says {decided}: another policy decided then");
        other.map(warning).into_iter().chain(self.unread.iter().cloned()).collect()
    }

    /// What the policy looks at and the question leaves out: the true connection may fare otherwise.
    pub(super) fn left_open(&self, needs: Needs) -> Vec<String> {
        let http = self.http.is_none();
        let lacking = [
            (needs.host && self.host.is_none(), "hosts", "--host"),
            (needs.address && self.address.is_none(), "addresses or ports", "--address"),
            ((needs.method || needs.path) && http, "HTTP requests", "--method and --path"),
        ];
        let warning = |what: &str, option: &str| {
            format!("the policy looks at {what} and none is given, so such rules do not match: add {option}")
        };
        let lacking = lacking.into_iter().filter(|(lacks, ..)| *lacks && self.decided.is_none());
        lacking.map(|(_, what, option)| warning(what, option)).collect()
    }
}
