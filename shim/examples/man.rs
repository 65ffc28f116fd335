//! Writes the manual pages of `procgate-shim` to a directory: `cargo run --example man -- DIR`. Not a verb of the
//! shim itself: whatever runs in each pod stays small.

use std::io::{Error, Result};

fn main() -> Result<()> {
    let directory = std::env::args_os().nth(1).ok_or_else(|| Error::other("name the directory: man DIR"))?;
    clap_mangen::generate_to(procgate_shim::command(), directory)
}
