//! The `procgate` command.
fn main() {}
