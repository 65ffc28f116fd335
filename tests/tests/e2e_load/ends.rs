//! Something ends while there are many connections: the shim, the plugin's VM, Envoy.

use crate::crowd::Crowd;
use crate::stage::{Size, Stage};
use procgate_tests::tools;
use procgate_tests::until::until;
use procgate_tests::way::Way;
use procgate_tests::wire::{Connection, fetch, get};
use rustix::process::{Pid, WaitOptions, getpid, set_child_subreaper, waitpid};

const CRASH: &str = "x-procgate-crash: now\r\n";

/// The program's exit code, when its shim is gone.
fn exit_code(program: u32) -> Option<i32> {
    let pid = Pid::from_raw(program.try_into().unwrap());
    let (_, status) = waitpid(pid, WaitOptions::empty()).unwrap().expect("it waits");
    status.exit_status()
}

#[test]
fn a_shim_that_is_killed_fails_closed_and_its_program_ends_as_it_wants() {
    // Whose parent dies is this process's child then.
    set_child_subreaper(Some(getpid())).unwrap();
    for way in Way::ALL {
        let stage = Stage::start(way);
        let mut crowd = stage.crowd(way);
        assert_eq!(crowd.does("open 200").count("200"), 200, "{way}");
        crowd.begins("rate 500 2");
        std::thread::sleep(std::time::Duration::from_secs(1));
        crowd.kill_shim();
        let report = crowd.answer();
        assert!(report.count("200") > 0 && report.count("200") < 1_000, "{way}: {report}");
        let allowed = stage.decisions("allow");
        let asked = crowd.does("ask");
        // What has a token goes on without the shim, unless the shim is in between.
        assert_eq!(asked.count("200"), if way.is_preface() { 200 } else { 0 }, "{way}: {asked}");
        let after = crowd.does("open 50");
        assert_eq!(after.count("Function not implemented (os error 38)"), 50, "{way}: {after}");
        assert_eq!(stage.decisions("allow"), allowed + asked.count("200"), "{way}");
        assert_eq!(stage.decisions("deny"), 0, "{way}: nothing has arrived without a token");
        crowd.ends();
        assert_eq!(exit_code(crowd.program), Some(0), "{way}");
    }
}

/// Whoever has no identity gets nothing, whatever state the plugin is in.
fn no_stranger_gets_through(stage: &Stage) {
    let mut connection = Connection::open(stage.pod.envoy.address());
    connection.try_send(get("/charge/stranger", ""));
    assert_ne!(connection.read().map(|answer| answer.status), Some(200), "it failed open");
}

fn again_after(crowd: &mut Crowd, what: &str) {
    until(what, || {
        let report = crowd.does("open 10");
        (report.count("200") == 10).then_some(())
    });
}

#[test]
fn a_plugin_that_crashes_under_load_fails_its_requests_and_comes_back() {
    let way = Way::PrefaceByPidfd;
    let stage = Stage::start_with(way, |setup| setup.wasm = tools::wasm_that_crashes());
    let mut crowd = stage.crowd(way);
    assert_eq!(crowd.does("open 100").count("200"), 100);
    crowd.begins("rate 300 3");
    for _ in 0..3 {
        let mut connection = Connection::open(stage.pod.envoy.address());
        connection.try_send(get("/charge/crash", CRASH));
        assert_ne!(connection.read().map(|answer| answer.status), Some(200));
        for _ in 0..20 {
            no_stranger_gets_through(&stage);
        }
    }
    let report = crowd.answer();
    eprintln!("with three crashes: {report}");
    assert!(report.count("200") > 300, "{report}");
    assert_eq!(report.count("200") + report.count("503"), 900, "{report}");
    again_after(&mut crowd, "the plugin to be back");
    let asked = crowd.does("ask");
    assert_eq!(asked.count("200"), asked.total(), "an open connection keeps its identity: {asked}");
    crowd.ends();
}

#[test]
fn an_envoy_that_starts_again_under_load_takes_the_same_program_back() {
    for way in Size::asked_for().ways.iter().copied() {
        let mut stage = Stage::start(way);
        let mut crowd = stage.crowd(way);
        assert_eq!(crowd.does("open 100").count("200"), 100);
        crowd.begins("rate 300 3");
        std::thread::sleep(std::time::Duration::from_secs(1));
        stage.pod.envoy.restart();
        assert_eq!(fetch(stage.pod.envoy.address(), "/charge/stranger").status, 403, "{way}");
        let report = crowd.answer();
        eprintln!("{way}, with an Envoy that starts again: {report}");
        assert!(report.count("200") > 100 && report.total() == 900, "{way}: {report}");
        assert_eq!(crowd.does("ask").count("200"), 0, "{way}: they ended with it");
        again_after(&mut crowd, "Envoy to be back");
        crowd.ends();
    }
}
