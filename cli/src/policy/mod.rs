//! `procgate policy`: look a policy over, and ask what it says.

mod conditions;
pub(crate) mod document;
pub(crate) mod explain;
pub(crate) mod lint;
mod speaker;

/// Look a policy over, or ask what it says about a connection.
#[derive(Debug, clap::Subcommand)]
#[command(name = "policy")]
pub(crate) enum Verb {
    Lint(lint::Args),
    Explain(Box<explain::Args>),
}
