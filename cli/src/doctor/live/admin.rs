//! Envoy's admin interface, asked over HTTP.

use crate::failure::Problem;
use core::time::Duration;
use procgate_identity::UnixNanos;
use std::time::SystemTime;
use ureq::Agent;

/// An answer takes milliseconds, a dump of some thousand services a second.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of an answer; the same bound as for a dump in a file.
const MAX_ANSWER: u64 = 256 * 1024 * 1024;

/// One admin interface.
#[derive(Debug)]
pub(super) struct Admin {
    agent: Agent,
    address: String,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    /// When Envoy gave it, by its clock; in whole seconds.
    pub(super) date: Option<UnixNanos>,
}

impl Admin {
    /// The interface at this address, `127.0.0.1:9901` for instance.
    pub(super) fn at(address: &str) -> Self {
        // A proxy of the environment's would not reach a pod's loopback.
        let config = Agent::config_builder().timeout_global(Some(PATIENCE)).proxy(None);
        Self { agent: config.http_status_as_error(false).build().into(), address: address.into() }
    }

    /// Asks for a path.
    pub(super) fn get(&self, path: &str) -> Result<Answer, Problem> {
        let url = format!("http://{}{path}", self.address);
        let problem = |what: String| {
            let problem = Problem::new(what).at(&url);
            problem.next(
                "give the address that Envoy's configuration has under admin, and let it answer this path",
            )
        };
        let failed = |error: ureq::Error| problem(format!("no answer ({error})"));
        let mut answer = self.agent.get(&url).call().map_err(failed)?;
        if answer.status() != 200 {
            return Err(problem(format!("the answer has the status {}", answer.status())));
        }
        let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| httpdate::parse_http_date(date).ok()).and_then(since_epoch);
        let body = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().map_err(failed)?;
        Ok(Answer { body, date })
    }

    /// Asks for JSON.
    pub(super) fn json(&self, path: &str) -> Result<serde_json::Value, Problem> {
        serde_json::from_slice(&self.get(path)?.body).map_err(|error| {
            let problem = Problem::new(format!("the answer is not JSON: {error}"));
            problem.at(format!("http://{}{path}", self.address)).next("is this Envoy's admin interface?")
        })
    }
}

fn since_epoch(time: SystemTime) -> Option<UnixNanos> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_nanos()).ok().map(UnixNanos)
}
