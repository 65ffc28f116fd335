//! The program of many connections (tests/programs/crowd.rs), from outside.

use serde_json::Value;
use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A shim and the program under it; dropping it ends both.
#[derive(Debug)]
pub(crate) struct Crowd {
    shim: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// The program's process.
    pub(crate) program: u32,
}

/// What came of a line that it was told.
#[derive(Clone, Debug)]
pub(crate) struct Report(Value);

impl Report {
    /// How many ended so: a status of HTTP, or what went wrong.
    pub(crate) fn count(&self, end: &str) -> u64 {
        self.0["ends"][end].as_u64().unwrap_or(0)
    }

    /// All of them.
    pub(crate) fn total(&self) -> u64 {
        self.0["ends"].as_object().unwrap().values().filter_map(Value::as_u64).sum()
    }

    /// Milliseconds that connecting took: `p50`, `p99` or `longest`.
    pub(crate) fn milliseconds(&self, which: &str) -> f64 {
        self.0[which].as_f64().unwrap() / 1e3
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, longest] = ["p50", "p99", "longest"].map(|which| self.milliseconds(which));
        write!(out, "{}, connect() p50 {p50:.2} ms, p99 {p99:.2} ms, longest {longest:.2} ms", self.0["ends"])
    }
}

impl Crowd {
    pub(crate) fn start(command: &mut Command) -> Self {
        // What the shim says stays in a file: a pipe that nobody reads would stop it.
        let mut shim = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (shim.stdin.take(), BufReader::new(shim.stdout.take().unwrap()));
        let mut crowd = Self { shim, input, output, program: 0 };
        let process = crowd.answer().0["process"].as_u64().unwrap();
        crowd.program = process.try_into().unwrap();
        crowd
    }

    /// The shim's process.
    pub(crate) fn shim(&self) -> u32 {
        self.shim.id()
    }

    /// Tells it to do something, and waits until it is done.
    pub(crate) fn does(&mut self, line: &str) -> Report {
        self.begins(line);
        self.answer()
    }

    /// Tells it to do something.
    pub(crate) fn begins(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits until that is done.
    pub(crate) fn answer(&mut self) -> Report {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        Report(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}")))
    }

    /// Kills the shim alone.
    pub(crate) fn kill_shim(&mut self) {
        self.shim.kill().unwrap();
        self.shim.wait().unwrap();
    }

    /// Tells the program that there is no more to do, and waits until it has closed its output.
    pub(crate) fn ends(&mut self) {
        drop(self.input.take());
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.shim.kill();
        let _ = self.shim.wait();
        // It reads that there is no more to do, and ends.
        drop(self.input.take());
    }
}
