//! The in-pod launcher: `procgate-shim run … -- program args…`.
//!
//! A connection's way: the kernel asks [`trap`] about a `connect`, [`attest`] says who calls, [`forward`]
//! dials the destination, [`mint`] makes the token for that connection, and [`inject`] puts it into the
//! first request. Everything else is copied blindly.

mod ask;
mod attest;
mod check;
mod custody;
mod destinations;
mod failure;
mod forward;
pub mod inject;
mod install;
mod launch;
mod mint;
mod options;
mod problems;
mod process;
mod program;
mod run;
mod source_ports;
mod supervise;
mod sys;
mod trap;

use clap::{CommandFactory as _, Parser as _};
use options::{Arguments, Verb};
use std::process::ExitCode;

/// The command line's definition, for what is made of it: manual pages.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

/// The whole program. Exit codes are those of `docker run`: 125 for a failure of the shim's own, 126 for
/// a program that cannot be executed, 127 for one that is not there, else the program's.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(failure::OWN) } else { ExitCode::SUCCESS };
        }
    };
    let outcome = match arguments.verb {
        Verb::Run(options) => run::run(options),
        Verb::Check(options) => Ok(check::check(options)),
        Verb::Token(options) => ask::ask(&options),
        Verb::Install { folder } => install::install(&folder),
        Verb::Probe { address } => check::probe(address),
    };
    outcome.unwrap_or_else(|failure| {
        problems::say(&format!("error: {failure}"));
        ExitCode::from(failure.code)
    })
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn each_verb_s_page_has_its_options() {
        let mut command = command();
        command.build();
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let mut page = Vec::new();
            clap_mangen::Man::new(verb.clone()).render(&mut page).unwrap();
            let page = String::from_utf8(page).unwrap().replace("\\-", "-");
            let options = verb.get_arguments().filter_map(|argument| argument.get_long());
            let missing: Vec<_> = options.filter(|option| !page.contains(&format!("--{option}"))).collect();
            assert!(missing.is_empty() && page.contains("procgate-shim"), "{missing:?}\n{page}");
        }
    }
}
