//! What the doctor says of a running Envoy, and of a running shim.

use crate::doctor::{Examination, examine};
use procgate_tests::envoy::{Envoy, THREADS};
use procgate_tests::pod::{Confinement, Pod, folder};
use procgate_tests::process::{Running, run};
use procgate_tests::program::Program;
use procgate_tests::proxy::Proxy;
use procgate_tests::tokens::Key;
use procgate_tests::tools;
use procgate_tests::until::until;
use procgate_tests::way::Way;
use procgate_tests::wire::{get, token_line};
use serde_json::json;
use std::path::Path;
use std::process::Command;

fn ask(envoy: &Envoy, more: &[&str]) -> Examination {
    let address = envoy.admin_address().to_string();
    examine(&[&["--admin", &address][..], more].concat())
}

#[test]
fn a_proxy_at_work_is_found_to_be_well() {
    let proxy = Proxy::start();
    proxy.envoy.await_policy(&proxy.policy(), THREADS);
    assert_eq!(ask(&proxy.envoy, &[]).ids("warning"), ["decisions"], "nothing has come through yet");
    assert_eq!(proxy.approved("/charge/1").status, 200);
    assert_eq!(proxy.unidentified("/charge/1").status, 403);
    let examination = ask(&proxy.envoy, &[]);
    assert_eq!((examination.ids("warning"), examination.ids("error")), (vec![], vec![]), "{examination:?}");
    let ok = examination.ids("ok");
    for id in ["server", "clocks", "coverage", "policy", "policy-in-force", "decisions", "admin", "source"] {
        assert!(ok.contains(&id), "{id}: {ok:?}");
    }
}

#[test]
fn a_policy_that_was_refused_is_noticed_and_a_good_one_after_it_is_in_force() {
    let mut proxy = Proxy::start();
    let mut policy = proxy.policy();
    policy["version"] = json!(2);
    proxy.envoy.write_policy(&policy);
    until("the refusal", || (proxy.envoy.rejected_policies() > 0).then_some(()));
    let refused = ask(&proxy.envoy, &[]);
    assert!(refused.ids("warning").contains(&"rejected"), "{refused:?}");
    policy["version"] = json!(1);
    policy["rules"][0]["name"] = json!("another");
    proxy.envoy.write_policy(&policy);
    proxy.envoy.await_policy(&policy, THREADS);
    let in_force = until("nobody to hold the policy before", || {
        let examination = ask(&proxy.envoy, &[]);
        (!examination.ids("warning").contains(&"policy-in-force")).then_some(examination)
    });
    assert!(in_force.ids("error").is_empty(), "{in_force:?}");
}

#[test]
fn after_a_crash_the_count_of_workers_is_said_to_be_unsure() {
    let proxy = Proxy::start_with(|setup| setup.wasm = tools::wasm_that_crashes());
    proxy.envoy.await_policy(&proxy.policy(), THREADS);
    assert_eq!(proxy.approved_with("/charge/crash", "x-procgate-crash: now\r\n").status, 503);
    until("the worker that crashed to be back", || {
        let _ = proxy.approved("/charge/1");
        let examination = ask(&proxy.envoy, &[]);
        assert_eq!(examination.ids("error"), Vec::<&str>::new(), "{examination:?}");
        let unsure = ["crashes", "policy-in-force"];
        unsure.iter().all(|id| examination.ids("warning").contains(id)).then_some(())
    });
}

#[test]
fn tokens_that_do_not_fit_the_set_up_are_pointed_out() {
    let proxy = Proxy::start();
    let (mut connection, _) = proxy.connect();
    let token = Key::new("unknown").mint(&proxy.claims(&connection));
    let line = token_line(&token);
    assert_eq!(connection.ask(get("/charge/1", &line)).status, 403);
    let examination = ask(&proxy.envoy, &[]);
    assert_eq!(examination.ids("warning"), ["reasons"], "{examination:?}");
}

#[test]
fn what_is_no_admin_interface_is_refused_in_words() {
    let proxy = Proxy::start();
    for address in ["127.0.0.1:1".to_owned(), proxy.envoy.address().to_string(), "no host".to_owned()] {
        let finished = run(Command::new(tools::cli()).args(["doctor", "--admin", &address]));
        assert_eq!(finished.status.code(), Some(2), "{finished}");
        assert!(finished.stderr.starts_with("procgate: error: http://"), "{finished}");
    }
}

#[test]
fn a_running_shim_is_held_against_the_policy() {
    let folder = folder();
    let sleep = Program::like(Path::new("/usr/bin/sleep"), folder.path(), "checkout");
    let stranger = Key::new("stranger");
    stranger.write_to(folder.path());
    let pod = Pod::start(folder, &[&sleep]);
    let found = |mut shim: Command| {
        let mut running = Running::start(shim.arg(&sleep.path).arg("60"));
        until("the shim", || running.stderr().contains("procgate-shim").then_some(()));
        let examination = ask(&pod.envoy, &["--shim", &running.id().to_string()]);
        [examination.level("key-scope"), examination.level("carrier")]
    };
    let same = Confinement::SameUser;
    let level = |text: &str| Some(text.to_owned());
    assert_eq!(found(pod.shim(&sleep, same, &[])), [level("ok"), level("ok")]);
    assert_eq!(found(pod.shim_with(&stranger, &sleep, same, &[])), [level("error"), level("ok")]);
    assert_eq!(found(pod.shim_by(Way::PrefaceByPidfd, &sleep, same, &[])), [level("ok"), level("error")]);
}
