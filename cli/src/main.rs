//! The `procgate` command: keys, digests and tokens at hand, and what a policy says about them.
//!
//! A verb is a file (or a folder): its arguments as they were parsed, what they resolve to, the
//! work, and a result that knows itself as text and as JSON. [`report::show`] alone prints.

mod args;
mod clock;
mod completions;
mod digest;
mod doctor;
mod escape;
mod failure;
mod files;
mod graph;
mod inject;
mod istio;
mod keygen;
mod man;
mod policy;
mod process;
mod progress;
mod records;
mod report;
mod token;
mod words;
mod yaml;

use args::{Cli, Output, Verb};
use clap::Parser as _;
use report::{Outcome, show};
use std::ffi::OsString;
use std::process::ExitCode;

// Policies and logs are a great many small texts.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match Cli::try_parse_from(&arguments) {
        Ok(cli) => run(cli).into(),
        Err(error) => refuse(&error, Output::of_raw(&arguments)).into(),
    }
}

fn run(Cli { output, verb }: Cli) -> Outcome {
    if let Some(lacking) = lacking(output, &verb) {
        let place = format!("--output {output:?}").to_lowercase();
        let problem = failure::Problem::new(lacking).at(place).next("write text or json");
        return report::fail(&problem.into(), output);
    }
    match verb {
        Verb::Keygen(args) => show(keygen::run(args), output),
        Verb::Digest(args) => show(digest::run(args), output),
        Verb::Token(token::Verb::Mint(args)) => show(token::mint::run(*args), output),
        Verb::Token(token::Verb::Inspect(args)) => show(token::inspect::run(args), output),
        Verb::Policy(policy::Verb::Lint(args)) => show(policy::lint::run(args), output),
        Verb::Policy(policy::Verb::Simulate(args)) => show(policy::simulate::run(args), output),
        Verb::Policy(policy::Verb::Test(args)) => show(policy::test::run(args), output),
        Verb::Policy(policy::Verb::Diff(args)) => show(policy::diff::run(args), output),
        Verb::Policy(policy::Verb::Learn(args)) => show(policy::learn::run(*args), output),
        Verb::Policy(policy::Verb::Pin(args)) => show(policy::pin::run(args), output),
        Verb::Policy(policy::Verb::Explain(args)) => show(policy::explain::run(*args), output),
        Verb::Doctor(args) => show(doctor::run(args), output),
        Verb::Graph(args) => show(graph::run(args), output),
        Verb::Inject(args) => show(inject::run(&args), output),
        Verb::Uninject(args) => show(inject::uninject::run(&args), output),
        Verb::Istio(istio::Verb::Render(args)) => show(istio::render::run(&args), output),
        Verb::Completions(args) => show(completions::run(&args), output),
        Verb::Man(args) => show(man::run(&args), output),
    }
}

/// What a form of output needs that this verb does not have.
fn lacking(output: Output, verb: &Verb) -> Option<&'static str> {
    match (output, verb) {
        (Output::Text | Output::Json, _)
        | (Output::Sarif, Verb::Policy(policy::Verb::Lint(_)))
        | (Output::Junit, Verb::Policy(policy::Verb::Test(_))) => None,
        (Output::Sarif, _) => Some("only `policy lint` has findings in files"),
        (Output::Junit, _) => Some("only `policy test` has cases"),
    }
}

/// Help and version are answers; anything else that clap has to say is a mistake on the line.
fn refuse(error: &clap::Error, output: Output) -> Outcome {
    let answer = !error.use_stderr();
    if answer || error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // Where nobody listens there is nobody to tell.
        let _ = error.print();
        return if answer { Outcome::Fine } else { Outcome::BadInput };
    }
    let problem = failure::Problem::new(args::complaint(error));
    report::fail(&problem.next("`--help` shows how it is written").into(), output)
}
