//! `procgate completions`: what a shell needs to complete this command's verbs and options.

use crate::args::Cli;
use crate::failure::Failure;
use crate::report::Report;
use clap::CommandFactory as _;
use clap_complete::Shell;
use core::fmt;
use serde::{Serialize, Serializer};

const EXAMPLE: &str = "\
Examples:
  procgate completions bash >/etc/bash_completion.d/procgate
  procgate completions zsh >\"${fpath[1]}/_procgate\"
  procgate completions fish >~/.config/fish/completions/procgate.fish";

/// Print what a shell needs to complete verbs, options and their values.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The shell to print for.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// The script, made of the same definitions that the command line is read with.
#[derive(Debug, Serialize)]
pub(crate) struct Script {
    #[serde(serialize_with = "as_text")]
    shell: Shell,
    script: String,
}

/// Makes the script.
pub(crate) fn run(args: &Args) -> Result<Script, Failure> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    Ok(Script { shell: args.shell, script: String::from_utf8_lossy(&script).into_owned() })
}

impl Report for Script {}

impl fmt::Display for Script {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.script)
    }
}

fn as_text<S: Serializer>(shell: &Shell, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(shell)
}
