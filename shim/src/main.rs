//! `procgate-shim`: see the library beside this file.

use std::process::ExitCode;

fn main() -> ExitCode {
    procgate_shim::main()
}
