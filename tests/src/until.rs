//! Waiting for something to happen, never for time to pass.

use std::time::{Duration, Instant};

/// How long to wait for what normally takes milliseconds: generous, for a machine that is busy.
pub const SOON: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(5);

/// Asks until there is an answer.
///
/// # Panics
/// Says what was waited for when [`SOON`] is over.
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    until_within(SOON, what, ask)
}

/// The same for what may take longer.
///
/// # Panics
/// Says what was waited for when the time is over.
pub fn until_within<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} in vain for {what}");
        std::thread::sleep(PAUSE);
    }
}
