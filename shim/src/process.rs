//! Processes and their threads.

/// The process that a thread belongs to (proc_pid_status(5)). Not for each connection: the kernel takes
/// some 10 us to write that file.
pub(crate) fn process_of(thread: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Tgid:")).and_then(|number| number.trim().parse().ok())
}
