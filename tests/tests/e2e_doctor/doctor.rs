//! The command.

use procgate_tests::process::{Finished, run};
use procgate_tests::tools;
use serde_json::Value;
use std::process::Command;

/// What it said.
#[derive(Debug)]
pub(crate) struct Examination {
    pub(crate) finished: Finished,
    checks: Vec<Value>,
}

/// Examines with these arguments.
pub(crate) fn examine(arguments: &[&str]) -> Examination {
    let finished = run(Command::new(tools::cli()).args(["doctor", "--output", "json"]).args(arguments));
    let result: Value = serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{finished}"));
    Examination { checks: result.get("checks").and_then(Value::as_array).unwrap().clone(), finished }
}

impl Examination {
    /// The ids of what has this level.
    pub(crate) fn ids(&self, level: &str) -> Vec<&str> {
        let text = |check: &'_ Value, name| check.get(name).and_then(Value::as_str).map(String::from);
        let of_level = self.checks.iter().filter(|check| text(check, "level").as_deref() == Some(level));
        of_level.filter_map(|check| check.get("id")?.as_str()).collect()
    }

    /// The level of the one check with this id.
    pub(crate) fn level(&self, id: &str) -> Option<String> {
        let mut found =
            self.checks.iter().filter(|check| check.get("id").and_then(Value::as_str) == Some(id));
        Some(found.next()?.get("level")?.as_str()?.to_owned())
    }
}
