//! What is done to a mesh that runs: changes of mode, policy, key and module, and parts of it that are away.

use crate::Test;
use crate::rows::row;
use crate::stage::{Stage, built};
use libtest_mimic::Failed;
use procgate_tests::istio::{Cluster, SERVERS, Visitor, answered, eventually};
use procgate_tests::process::{Running, resident_kilobytes, run};
use procgate_tests::tokens::{Key, SCOPE};
use procgate_tests::tools;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::sync::Arc;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("from_audit_to_enforce_no_connection_is_dropped", enforced_while_it_runs),
    ("a_new_policy_holds_and_a_bad_one_leaves_it_in_place", policies),
    ("keys_are_rotated_without_a_refusal", rotation),
    ("a_new_module_takes_over_and_the_old_one_comes_back", modules),
    ("without_istiod_the_policy_stays_in_force", istiod_away),
    ("a_module_that_cannot_be_fetched_lets_nobody_through", module_away),
    ("memory", memory),
];

/// Objects for a policy and a module, by the overlay enforce.
pub(crate) fn objects(cluster: &Cluster, policy: &Value, options: &[&str]) -> String {
    let options = [&["--workload", "app=checkout"], options].concat();
    cluster.build(&cluster.render(policy, &options).join("overlays/enforce"))
}

/// Whether a visitor gets an answer from a server that the mesh does not list, and whether from an HTTP service.
fn gets_through(stage: &Stage, visitor: Visitor) -> [bool; 2] {
    let asked = ["unlisted_tcp", "http_service"].map(row);
    asked.map(|row| answered(&stage.pod.ask(row.to.parse().unwrap(), row.arguments, visitor)))
}

pub(crate) const APPROVED: Visitor = Visitor::Approved("proxy-v2");

pub(crate) fn expect(stage: &Stage, visitor: Visitor, promised: [bool; 2], when: &str) -> Result<(), Failed> {
    let got = gets_through(stage, visitor);
    if got == promised { Ok(()) } else { Err(format!("{when}: {visitor:?} {got:?}").into()) }
}

/// Until a visitor gets through to both, or to neither.
fn until_all(stage: &Stage, visitor: Visitor, through: bool, what: &str) {
    eventually(what, || (gets_through(stage, visitor) == [through; 2]).then_some(()));
}

/// The policy without the rule that lets through what is not HTTP.
fn without_servers(cluster: &Cluster) -> Value {
    let mut policy = cluster.policy();
    policy["rules"].as_array_mut().unwrap().retain(|rule| rule["name"] != "curl-uses-servers");
    policy
}

/// The approved program, which asks over one connection, many times a second, until this is dropped.
struct Steady(Running);

impl Steady {
    fn start(stage: &Stage) -> Self {
        let mut curl = stage.pod.approved("proxy-v2");
        // To standard error, which is not kept back.
        let told = "%{stderr}%{http_code} %{num_connects}\n";
        curl.args(["-sS", "--noproxy", "*", "--rate", "40/s", "-o", "/dev/null", "-w", told]);
        curl.args(["-H", "host: web.shop.svc.cluster.local", "http://10.66.1.10/charge/[1-100000]"]);
        let mut client = Self(Running::start(&mut curl));
        eventually("the first answer", || client.0.stderr().contains("200 1\n").then_some(()));
        client
    }

    /// It has been answered to the last, on the connection of its first request.
    fn undisturbed(mut self) -> Result<(), Failed> {
        if let Some(end) = self.0.ended() {
            return Err(format!("it has ended: {end}").into());
        }
        let told = self.0.stderr();
        let answers = told.lines().filter(|line| line.len() == 5 && line.as_bytes()[3] == b' ');
        let others: Vec<_> = answers.filter(|line| *line != "200 0").collect();
        if others == ["200 1"] { Ok(()) } else { Err(format!("{others:?}\n{told}").into()) }
    }
}

impl Drop for Steady {
    fn drop(&mut self) {
        // The shim hands that on to its program; killed, it could not.
        let shim = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        let _ = shim.map(|shim| kill_process(shim, Signal::TERM));
        eventually("the program to end", || self.0.ended());
    }
}

fn enforced_while_it_runs(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let stage = Stage::of(cluster, "overlays/audit");
    until_all(&stage, Visitor::Neighbour, true, "audit to let everybody through");
    let client = Steady::start(&stage);
    cluster.apply(&built(cluster, "overlays/enforce"));
    until_all(&stage, Visitor::Neighbour, false, "the neighbour to be refused");
    expect(&stage, APPROVED, [true; 2], "enforced")?;
    client.undisturbed()
}

fn policies(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let mut stage = Stage::of(cluster, "overlays/enforce");
    expect(&stage, APPROVED, [true; 2], "at first")?;
    let client = Steady::start(&stage);
    let stricter = without_servers(cluster);
    let module = cluster.module();
    let good = objects(cluster, &stricter, &["--module", &module]);
    cluster.apply(&good);
    eventually("the new policy", || (gets_through(&stage, APPROVED) == [false, true]).then_some(()));
    // As somebody who edits the manifests by hand would break it.
    let bad =
        good.replace("\\\"version\\\":1,", "\\\"version\\\":99,").replace("version: 1\n", "version: 99\n");
    assert_ne!(good, bad);
    cluster.apply(&bad);
    eventually("the plugin's complaint", || stage.pod.log().contains("configuration refused").then_some(()));
    expect(&stage, APPROVED, [false, true], "with a bad policy")?;
    expect(&stage, Visitor::Neighbour, [false; 2], "with a bad policy")?;
    client.undisturbed()
}

fn rotation(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let stage = Stage::of(cluster, "overlays/enforce");
    let client = Steady::start(&stage);
    let next = Key::new("2026-12");
    next.write_to(cluster.folder());
    let module = cluster.module();
    let trusting = |keys: Value| {
        let mut policy = cluster.policy();
        policy["trust"]["keys"] = keys;
        objects(cluster, &policy, &["--module", &module])
    };
    let http = row("http_service");
    let asks = |key: &Key| {
        let mut shim = stage.pod.shim(key, "proxy-v2");
        shim.arg(&cluster.curl.path).args(["-sS", "--max-time", "10", "--noproxy", "*"]).args(http.arguments);
        answered(&run(&mut shim))
    };
    assert!(asks(&cluster.key) && !asks(&next), "the next key is not trusted yet");
    cluster.apply(&trusting(json!([cluster.key.trusted_for(SCOPE), next.trusted_for(SCOPE)])));
    eventually("the next key to be trusted", || asks(&next).then_some(()));
    if !asks(&cluster.key) {
        return Err("both keys are trusted".into());
    }
    client.undisturbed()?;
    cluster.apply(&trusting(json!([next.trusted_for(SCOPE)])));
    eventually("the old key to be refused", || (!asks(&cluster.key)).then_some(()));
    if asks(&next) { Ok(()) } else { Err("the next key is trusted".into()) }
}

fn modules(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let stage = Stage::of(cluster, "overlays/enforce");
    let client = Steady::start(&stage);
    let next = cluster.folder().join("procgate-next.wasm");
    fs::copy(tools::wasm_that_crashes(), &next)?;
    let stricter = without_servers(cluster);
    let module = format!("file://{}", next.display());
    cluster.apply(&objects(cluster, &stricter, &["--module", &module]));
    eventually("the next module with its policy", || {
        (gets_through(&stage, APPROVED) == [false, true]).then_some(())
    });
    if !stage.pod.admin("/config_dump").contains("procgate-next.wasm") {
        return Err("the next module is not what runs".into());
    }
    expect(&stage, Visitor::Neighbour, [false; 2], "after the update")?;
    cluster.apply(&stage.built);
    until_all(&stage, APPROVED, true, "the old module with its policy");
    expect(&stage, Visitor::Neighbour, [false; 2], "rolled back")?;
    client.undisturbed()
}

fn istiod_away(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let stage = Stage::of(cluster, "overlays/enforce");
    cluster.stop_istiod();
    let during = expect(&stage, APPROVED, [true; 2], "without istiod")
        .and_then(|()| expect(&stage, Visitor::Neighbour, [false; 2], "without istiod"));
    cluster.start_istiod();
    during?;
    cluster.apply(&built(cluster, "overlays/audit"));
    until_all(&stage, Visitor::Neighbour, true, "what istiod serves when it is back");
    Ok(())
}

fn module_away(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let (url, sha256) = remote_module();
    let remote = ["--module", url.as_str(), "--sha256", &sha256];
    let stage = Stage::start(cluster, objects(cluster, &cluster.policy(), &remote));
    for visitor in [APPROVED, Visitor::Neighbour] {
        expect(&stage, visitor, [false; 2], "without a module")?;
    }
    let server = serve_module(cluster);
    // Whatever is pushed next has the agent try again.
    cluster.apply(&objects(cluster, &relabelled(cluster), &remote));
    until_all(&stage, APPROVED, true, "the module to be fetched");
    expect(&stage, Visitor::Neighbour, [false; 2], "with the module")?;
    // A policy needs no server once the node has the module.
    drop(server);
    let stricter = without_servers(cluster);
    cluster.apply(&objects(cluster, &stricter, &remote));
    eventually("the new policy", || (gets_through(&stage, APPROVED) == [false, true]).then_some(()));
    // A module that is nowhere lets nobody through in its place.
    let nowhere = format!("http://{SERVERS}:8099/next.wasm");
    cluster.apply(&objects(cluster, &cluster.policy(), &["--module", &nowhere, "--sha256", &"0".repeat(64)]));
    until_all(&stage, APPROVED, false, "the update to arrive");
    expect(&stage, Visitor::Neighbour, [false; 2], "with an update that cannot be fetched")
}

/// The same policy, told apart by a rule's name.
fn relabelled(cluster: &Cluster) -> Value {
    let mut policy = cluster.policy();
    policy["rules"][0]["name"] = "curl-charges-still".into();
    policy
}

/// Where [`serve_module`] has the module, and its digest.
fn remote_module() -> (String, String) {
    let sha256 = procgate_tests::program::digest(&tools::wasm()).to_string();
    (format!("http://{SERVERS}:8099/procgate.wasm"), sha256.trim_start_matches("sha256:").to_owned())
}

fn serve_module(cluster: &Cluster) -> Running {
    let served = cluster.folder().join("served");
    fs::create_dir_all(&served).unwrap();
    fs::copy(tools::wasm(), served.join("procgate.wasm")).unwrap();
    let mut python = cluster.world.command("python3");
    python.args(["-m", "http.server", "8099", "--bind", &SERVERS.to_string(), "--directory"]).arg(&served);
    let server = Running::start(&mut python);
    eventually("the server", || cluster.world.within(|| std::net::TcpStream::connect((SERVERS, 8099)).ok()));
    server
}

/// The bar of three plugins that share a VM, as they do where the node's agent has fetched their module.
fn memory(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let without = {
        let stage = Stage::of(cluster, "mtls");
        resident_kilobytes(stage.pod.envoy().unwrap())
    };
    let _server = serve_module(cluster);
    let (url, sha256) = remote_module();
    let remote = ["--module", url.as_str(), "--sha256", &sha256];
    let stage = Stage::start(cluster, objects(cluster, &cluster.policy(), &remote));
    expect(&stage, APPROVED, [true; 2], "measured")?;
    let with = resident_kilobytes(stage.pod.envoy().unwrap());
    println!("Envoy of a sidecar with two workers: {without} kB, with the plugins {with} kB");
    // One for each worker, one for the main thread, and the one that they were made from.
    let stats = stage.pod.admin("/stats?usedonly&filter=wasm.runtime.v8.active");
    if stats.trim() != "wasm.envoy.wasm.runtime.v8.active: 4" {
        return Err(format!("the plugins share no VM: {stats}").into());
    }
    let added = with.saturating_sub(without);
    if added < 40 * 1_024 { Ok(()) } else { Err(format!("the plugins take {added} kB").into()) }
}
