//! The command line. Every verb's own arguments stand in the verb's file.

use crate::{completions, digest, doctor, graph, inject, istio, keygen, man, policy, token};
use clap::error::{ContextKind, ContextValue};
use clap::{Parser, Subcommand, ValueEnum};

const EXIT_CODES: &str = "\
Exit codes:
  0  done, nothing to complain about
  1  done, with findings: a refused token, a denied connection, a lint finding, a difference
  2  not done: a mistake on the command line or in an input";

/// Say which process may reach what, and see why it may or may not.
#[derive(Debug, Parser)]
#[command(name = "procgate", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// How to print the result, and errors with it.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORM", display_order = 100)]
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Text for people, JSON for programs, or a format of code review or CI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    #[default]
    Text,
    Json,
    /// Findings of `policy lint` for code review.
    Sarif,
    /// Cases of `policy test` for a report in CI.
    Junit,
}

impl Output {
    /// The form asked for on a command line that could not be read as a whole.
    pub(crate) fn of_raw(arguments: &[std::ffi::OsString]) -> Self {
        let json = arguments.iter().any(|word| word == "--output=json")
            || arguments.array_windows().any(|[option, form]| option == "--output" && form == "json");
        if json { Self::Json } else { Self::Text }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Keygen(keygen::Args),
    Digest(digest::Args),
    #[command(subcommand)]
    Token(token::Verb),
    #[command(subcommand)]
    Policy(policy::Verb),
    Doctor(doctor::Args),
    Graph(graph::Args),
    Inject(Box<inject::Args>),
    Uninject(inject::uninject::Args),
    #[command(subcommand)]
    Istio(istio::Verb),
    Completions(completions::Args),
    Man(man::Args),
}

/// What clap found wrong, on one line: its first paragraph and its tips, without the usage.
pub(crate) fn complaint(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let mut paragraphs = text.split("\n\n").map(str::trim);
    let first = paragraphs.next().into_iter();
    let told = first.chain(paragraphs.filter(|paragraph| paragraph.starts_with("tip:")));
    let told = told.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
    match error.get(ContextKind::InvalidArg) {
        // Which is no way to give it to an option.
        Some(ContextValue::String(word)) => {
            let alone = format!("use '-- {word}'");
            told.replace(&alone, &format!("{alone}, or as an option's, '--OPTION={word}'"))
        }
        _ => told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Command, CommandFactory as _};

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_shows_an_example() {
        fn check(command: &Command) {
            let mut verbs = command.get_subcommands().peekable();
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let leaf = verbs.peek().is_none();
            assert!(!leaf || help.contains("\n  procgate "), "{}: {help}", command.get_name());
            verbs.for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn how_an_option_gets_a_value_that_begins_like_one_is_told() {
        let line = ["procgate", "policy", "learn", "--merge", "p", "l", "--rare", "-1"];
        let told = complaint(&Cli::try_parse_from(line).unwrap_err());
        assert!(told.ends_with("use '-- -1', or as an option's, '--OPTION=-1'"), "{told}");
    }

    #[test]
    fn errors_are_json_where_json_was_asked_for() {
        let raw = |line: &str| Output::of_raw(&line.split(' ').map(Into::into).collect::<Vec<_>>());
        assert_eq!(raw("procgate keygen --output json"), Output::Json);
        assert_eq!(raw("procgate --output=json nonsense"), Output::Json);
        assert_eq!(raw("procgate --output text json"), Output::Text);
        assert_eq!(raw("procgate"), Output::Text);
    }
}
