//! What programs of a pod ask, and what comes of it.

use super::cluster::Cluster;
use super::eventually;
use super::sidecar::Sidecar;
use crate::pod::run_as_checkout;
use crate::process::{Finished, run};
use crate::tokens::Key;
use crate::tools;
use crate::visitor::{Visitor, neighbour, shell};
use procgate_policy::Record;
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// What came of a question.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Whether the server answered.
    pub answered: bool,
    /// What the access log has about it.
    pub records: Vec<Record<'static>>,
    /// What the program left.
    pub finished: Finished,
}

impl Sidecar {
    /// Has a visitor ask, and waits for the record of it. An answer has the word hello.
    #[must_use]
    pub fn visit(&self, to: SocketAddr, arguments: &[&str], visitor: Visitor) -> Visit {
        let before = self.cluster.records(to).len();
        let finished = self.ask(to, arguments, visitor);
        let records = eventually("the connection's record", || {
            let records = self.cluster.records(to).split_off(before);
            (!records.is_empty()).then_some(records)
        });
        Visit { answered: answered(&finished), records, finished }
    }

    /// The same without waiting for a record.
    #[must_use]
    pub fn ask(&self, to: SocketAddr, arguments: &[&str], visitor: Visitor) -> Finished {
        match visitor {
            Visitor::Approved(carrier) => self.curl(self.approved(carrier), arguments),
            Visitor::Neighbour => {
                let mut curl = neighbour(&self.network);
                curl.arg(self.curl_itself());
                self.curl(curl, arguments)
            }
            Visitor::Shell(carrier) => {
                let mut shim = self.shim(&self.cluster.key, carrier);
                checked(shim.args(shell(to, "web.shop.svc.cluster.local")))
            }
        }
    }

    /// Has the approved program ask as the proxy's user, whose connections the redirect rules leave alone.
    #[must_use]
    pub fn ask_around_the_proxy(&self, arguments: &[&str]) -> Finished {
        self.curl(self.around_the_proxy(), arguments)
    }

    fn curl(&self, mut curl: Command, arguments: &[&str]) -> Finished {
        curl.args(["-sSv", "--max-time", "5", "--noproxy", "*"]);
        checked(curl.arg("--cacert").arg(self.cluster.authority.place()).args(arguments))
    }

    /// The approved program, to be followed by its arguments.
    #[must_use]
    pub fn approved(&self, carrier: &str) -> Command {
        let mut shim = self.shim(&self.cluster.key, carrier);
        shim.arg(self.curl_itself());
        shim
    }

    /// The same program as the proxy's user.
    #[must_use]
    pub fn around_the_proxy(&self) -> Command {
        let mut setpriv = self.network.command("setpriv");
        setpriv.args(self.interception.proxy()).arg("--").arg(self.curl_itself());
        setpriv
    }

    fn curl_itself(&self) -> &Path {
        &self.cluster.curl.path
    }

    /// The shim with a key that the cluster's folder has, to be followed by a program.
    #[must_use]
    pub fn shim(&self, key: &Key, carrier: &str) -> Command {
        let mut shim = self.network.command(&tools::shim().to_string_lossy());
        let key = key.place_in(self.cluster.folder());
        shim.args(run_as_checkout(&key, &self.cluster.curl)).args(["--carrier", carrier, "--"]);
        shim
    }
}

/// Runs to its end what asks a server. Servers tell what they got, and what begins a preface has this word.
fn checked(command: &mut Command) -> Finished {
    let finished = run(command);
    assert!(!finished.stdout.contains("QUIT"), "the server got the preface: {finished}");
    finished
}

/// Whether the server answered.
#[must_use]
pub fn answered(finished: &Finished) -> bool {
    finished.stdout.contains("hello") || finished.stderr.contains("< 220 hello")
}

impl Cluster {
    /// The records of decisions about this address so far, of all pods.
    #[must_use]
    pub fn records(&self, to: SocketAddr) -> Vec<Record<'static>> {
        let text = fs::read_to_string(self.access_log()).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let records =
            lines.filter_map(|line| Some(Record::parse(line["procgate"].as_str()?).ok()?.into_owned()));
        records.filter(|record| record.address == Some(to)).collect()
    }
}
