//! `procgate man`: a manual page for each verb.

use crate::args::Cli;
use crate::escape::{escape, path_text};
use crate::failure::{Failure, Problem};
use crate::files;
use crate::report::Report;
use clap::{Arg, Command, CommandFactory as _};
use clap_mangen::Man;
use core::fmt;
use serde::Serialize;
use std::path::{Path, PathBuf};

const EXAMPLE: &str = "\
Example:
  procgate man --out /usr/local/share/man/man1";

/// Write a manual page for each verb.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The directory that the pages are written to; pages of the same name are replaced.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// The pages that were written.
#[derive(Debug, Serialize)]
pub(crate) struct Written {
    pages: Vec<String>,
}

/// Writes the pages, each whole or not at all.
pub(crate) fn run(args: &Args) -> Result<Written, Failure> {
    let mut command = Cli::command();
    // Gives each verb its whole name, which is that of its page.
    command.build();
    let mut pages = Vec::new();
    write(command, &args.out, &mut pages)?;
    Ok(Written { pages })
}

fn write(command: Command, directory: &Path, pages: &mut Vec<String>) -> Result<(), Problem> {
    for verb in command.get_subcommands().cloned() {
        write(verb, directory, pages)?;
    }
    let several = several(&command);
    let page = Man::new(command);
    let path = directory.join(page.get_filename());
    let mut text = Vec::new();
    page.render(&mut text).map_err(|error| Problem::new(error).in_file(&path))?;
    let text = several.iter().fold(String::from_utf8_lossy(&text).into_owned(), |text, name| {
        [">", "]"].iter().fold(text, |text, end| {
            let one = format!("\\fI{name}\\fR{end}");
            text.replace(&one, &format!("{one}..."))
        })
    });
    files::write_whole(&path, &text)?;
    pages.push(path_text(&path));
    Ok(())
}

/// The values without an option of which there may be several. `--help` has dots behind them, and the pages' writer
/// leaves them out.
fn several(command: &Command) -> Vec<String> {
    let may_be_several = |arg: &&Arg| arg.get_num_args().is_some_and(|count| count.max_values() > 1);
    let names = command.get_positionals().filter(may_be_several).filter_map(Arg::get_value_names);
    names.map(|names| names.join(" ")).collect()
}

impl Report for Written {}

impl fmt::Display for Written {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pages.iter().try_for_each(|page| writeln!(out, "{}", escape(page)))
    }
}
