//! Being a good first process: pass signals on, bury the dead, end as the program ends.

use crate::sys::signals::{self, Arrived};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait};
use std::process::ExitCode;

/// What a shell adds to the number of a deadly signal.
const SIGNALLED: i32 = 128;

/// Waits for the program, and answers with its exit code.
pub(crate) fn supervise(program: Pid) -> ExitCode {
    loop {
        if let Some(code) = bury(program) {
            return ExitCode::from(code);
        }
        // Real-time signals and interruptions are nothing to pass on.
        if let Ok(arrived) = signals::wait() {
            pass_on(program, arrived);
        }
    }
}

/// Collects every process that has ended; the program's exit code if it was among them.
fn bury(program: Pid) -> Option<u8> {
    let mut code = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid == program {
            code = Some(exit_code(status));
        }
    }
    code
}

fn exit_code(status: WaitStatus) -> u8 {
    let code = status.exit_status();
    let code = code.or_else(|| status.terminating_signal().and_then(|signal| SIGNALLED.checked_add(signal)));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

fn pass_on(program: Pid, arrived: Arrived) {
    // About the shim itself: its children, and a log that nobody reads any more.
    let own = matches!(arrived.signal, Signal::CHILD | Signal::PIPE);
    // The terminal has told the program itself.
    if !own && !arrived.from_terminal {
        let _ = kill_process(program, arrived.signal);
    }
}
