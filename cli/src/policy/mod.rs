//! `procgate policy`: look a policy over, compare it with another, test it, ask what it says, hold it against
//! recorded decisions, and learn from them.

mod cases;
mod cut;
pub(crate) mod diff;
pub(crate) mod document;
pub(crate) mod explain;
mod flags;
mod junit;
pub(crate) mod learn;
mod lines;
pub(crate) mod lint;
mod patch;
pub(crate) mod pin;
mod proposal;
mod question;
mod recorded;
mod replay;
pub(crate) mod simulate;
mod speaker;
mod spoken;
mod suffix;
pub(crate) mod test;
mod vouch;

/// Look a policy over, compare and test it, and ask what it says about connections.
#[derive(Debug, clap::Subcommand)]
#[command(name = "policy")]
pub(crate) enum Verb {
    Lint(lint::Args),
    Test(test::Args),
    Diff(diff::Args),
    Simulate(simulate::Args),
    Learn(Box<learn::Args>),
    Pin(pin::Args),
    Explain(Box<explain::Args>),
}
