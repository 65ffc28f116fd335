//! `procgate token`: make a token by hand, and read one.

mod claimed;
pub(crate) mod inspect;
pub(crate) mod mint;

/// Make a token by hand, or say what one claims and whether that holds.
#[derive(Debug, clap::Subcommand)]
#[command(name = "token")]
pub(crate) enum Verb {
    Mint(Box<mint::Args>),
    Inspect(inspect::Args),
}
