//! What somebody sees who waits for long work, and that its memory goes by flows and not by records.

use crate::image::{Part, layer, layout};
use crate::logs::{access_log, later, record};
use crate::place::Place;
use crate::policy::shop;
use procgate_policy::Record;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Child, ChildStdin, Stdio};
use std::time::Duration;

/// What reads logs, from standard input.
const READERS: [&[&str]; 4] = [
    &["policy", "learn", "--partial", "summary.ndjson", "-"],
    &["policy", "simulate", "policy.yaml", "-"],
    &["policy", "lint", "policy.yaml", "--logs", "-"],
    &["graph", "--out", "graph.html", "-"],
];

fn begin(place: &Place, line: &[&str], err: impl Into<Stdio>) -> (Child, ChildStdin) {
    let mut child = place.command(line).stdin(Stdio::piped()).stderr(err).spawn().unwrap();
    let input = child.stdin.take().unwrap();
    (child, input)
}

/// More records than lie between two looks at the clock, and again as many when it is time to show something.
fn feed_slowly(mut input: ChildStdin) {
    let records = access_log(&vec![record(); 5_000]);
    input.write_all(records.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(400));
    input.write_all(records.as_bytes()).unwrap();
}

/// Both ends of a terminal.
fn terminal() -> (File, File) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let theirs = File::options().read(true).write(true).open(OsStr::from_bytes(name.to_bytes())).unwrap();
    (ours.into(), theirs)
}

/// Holds what somebody sees of this command at a terminal to the form of progress; the last sum begins like this.
fn watched(place: &Place, line: &[&str], feed: impl FnOnce(ChildStdin), sum: &str) {
    let (mut ours, theirs) = terminal();
    let (mut child, input) = begin(place, line, theirs);
    feed(input);
    child.wait().unwrap();
    let mut seen = Vec::new();
    // One read may bring a part. Once nobody has the other end, and all is read, the terminal says so by an error.
    let ended = ours.read_to_end(&mut seen).unwrap_err();
    assert_eq!(ended.raw_os_error(), Some(rustix::io::Errno::IO.raw_os_error()));
    let seen = String::from_utf8_lossy(&seen);
    let sums: Vec<_> = seen.split("\r\u{1b}[K").skip(1).collect();
    assert!(sums.len() >= 2, "{line:?}: {seen:?}");
    assert!(sums[0].ends_with(" a second\r"), "{line:?}: {seen:?}");
    assert!(sums[sums.len() - 1].starts_with(sum), "{line:?}: {seen:?}");
    assert!(seen.ends_with(" a second\r\n"), "{line:?}: {seen:?}");
}

#[test]
fn progress_is_shown_on_a_terminal_and_the_rate_in_the_end() {
    let place = shop("audit");
    for line in READERS {
        watched(&place, line, feed_slowly, "10000 records in ");
    }
}

#[test]
fn so_it_is_where_summaries_are_combined() {
    let place = shop("audit");
    place.write("access.log", access_log(&[record()]).as_bytes());
    assert_eq!(place.run(&["policy", "learn", "--partial", "s.ndjson", "access.log"]).code, 0);
    let summary = place.read("s.ndjson");
    let feed = |mut input: ChildStdin| {
        for _ in 0..2 {
            input.write_all(summary.repeat(100).as_bytes()).unwrap();
            std::thread::sleep(Duration::from_millis(400));
        }
    };
    let line = ["policy", "learn", "--combine", "--partial", "all.ndjson", "-"];
    // A summary of one record has a line for its flow, and one for its hour.
    watched(&place, &line, feed, "400 lines of summaries in ");
}

#[test]
fn so_it_is_where_trees_and_images_are_digested() {
    let place = Place::new();
    let elf = [b"\x7fELF".as_slice(), &[0; 60]].concat();
    for name in ["a", "b", "c"] {
        let path = place.write(format!("tree/{name}"), &elf);
        File::options().write(true).open(path).unwrap().set_len(256 << 20).unwrap();
    }
    watched(&place, &["digest", "--tree", "tree"], drop, "3 files in ");
    let contents = [&elf[..], &vec![0; 64 << 20]].concat();
    let parts = ["a", "b", "c"].map(|name| Part::File(name, &contents, 0o755));
    layout(&place, &[layer(&parts)]);
    watched(&place, &["digest", "--image", "image"], drop, "3 files in ");
}

#[test]
fn a_pipe_gets_no_progress() {
    let place = shop("audit");
    for line in READERS {
        let (child, input) = begin(&place, line, Stdio::piped());
        feed_slowly(input);
        let err = child.wait_with_output().unwrap().stderr;
        assert_eq!(String::from_utf8_lossy(&err), "", "{line:?}");
    }
}

/// Kilobytes that a process had at most.
fn peak(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

/// So many records of 200 flows, each with an id and a path of its own.
fn varied(from: u64, to: u64) -> String {
    let records: Vec<Record<'_>> = (from..to)
        .map(|number| Record {
            id: format!("{number:x}").into(),
            host: Some(format!("host-{}.shop.example", number % 200).into()),
            path: Some(format!("/charge/{number}").into()),
            ..later(record(), number / 50)
        })
        .collect();
    access_log(&records)
}

#[test]
fn memory_does_not_grow_with_the_number_of_records() {
    let place = shop("audit");
    for line in &READERS[..3] {
        let (mut child, mut input) = begin(&place, line, Stdio::null());
        let mut peaks = Vec::new();
        for round in 0..5 {
            input.write_all(varied(round * 8_000, (round + 1) * 8_000).as_bytes()).unwrap();
            peaks.push(peak(&child));
        }
        drop(input);
        assert!(child.wait().unwrap().code().is_some_and(|code| code < 2));
        // What the first round did not need: 24 bytes of 32,000 further records would be more.
        assert!(peaks[4] < peaks[0] + 768, "{line:?}: {peaks:?} kB");
    }
}
