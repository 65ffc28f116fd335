//! The in-pod launcher.
fn main() {}
