//! A pod whose connections are redirected to its proxy, but for those of the proxy's own user.

use crate::stage::{RECEIVER, SENDER, curl, parameters, speaks_tls, uri};
use procgate_policy::{Direction, Record};
use procgate_tests::certificates::{Authority, Certificate};
use procgate_tests::envoy::{Envoy, Redirected, Setup};
use procgate_tests::mesh::{OUTBOUND, POD, PROXY, SERVERS, redirect};
use procgate_tests::netns::Namespace;
use procgate_tests::pod::{folder, policy, run_as_checkout};
use procgate_tests::process::{Finished, run};
use procgate_tests::program::Program;
use procgate_tests::skip::is_root_for;
use procgate_tests::tokens::Key;
use procgate_tests::tools;
use procgate_tests::upstream::Upstream;
use procgate_tests::wire::HOST;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// Where the receiver's proxy listens.
const PORT: u16 = 8_443;
/// Where the cluster of tcp.yaml begins that goes on to where a program wanted to go.
const ORIGINAL: &str = "  - name: original\n    type: ORIGINAL_DST\n";

struct Pod {
    receiver: Envoy,
    upstream: Upstream,
    approved: Program,
    own: Certificate,
    key: PathBuf,
    sender: Envoy,
    pod: Namespace,
    _world: Namespace,
    _folder: TempDir,
}

impl Pod {
    /// Nothing where this user may not make one; in CI a missing program fails.
    fn start() -> Option<Self> {
        if !is_root_for("a pod of network namespaces") {
            return None;
        }
        let (pod, world) = (Namespace::new(), Namespace::new());
        pod.join(POD, &world, SERVERS);
        redirect(&pod)?;
        let (folder, key) = (folder(), Key::new("2026-11"));
        let approved = Program::like(&tools::client("curl")?, folder.path(), "checkout");
        let authority = Authority::new(folder.path());
        let policy = policy("enforce", &[&key], &[&approved]);
        let upstream = world.within(Upstream::start);

        let mut setup = Setup::new(&policy, upstream.address());
        setup.kind = "receiver";
        setup.parameters = parameters(&certificate(&authority, "receiver", RECEIVER), &authority);
        setup.redirected = Some(Redirected { to: (SERVERS, PORT).into(), user: PROXY });
        let receiver = world.within(|| Envoy::start(setup));

        let mut forwarding = policy;
        forwarding["forward"] = true.into();
        let own = certificate(&authority, "sender", SENDER);
        let mut setup = Setup::new(&forwarding, (SERVERS, PORT).into());
        setup.kind = "tcp";
        setup.redirected = Some(Redirected { to: ([127, 0, 0, 1], OUTBOUND).into(), user: PROXY });
        setup.amendments.push(speaks_tls(ORIGINAL, &own, &authority));
        let sender = pod.within(|| Envoy::start(setup));
        let key = key.write_to(folder.path());
        Some(Self { receiver, upstream, approved, own, key, sender, pod, _world: world, _folder: folder })
    }

    /// The approved program under the shim asks over plaintext HTTP; the proxies make TLS of it.
    fn approved(&self) -> Finished {
        let mut shim = self.pod.command(&tools::shim().to_string_lossy());
        shim.args(run_as_checkout(&self.key, &self.approved));
        shim.args(["--carrier", "proxy-v2", "--"]).arg(&self.approved.path);
        run(asking(&mut shim, "http"))
    }

    /// A program with the proxy's user and certificate.
    fn rogue(&self, scheme: &str) -> Finished {
        let mut rogue = self.pod.command("setpriv");
        let user = PROXY.to_string();
        rogue.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--"]);
        rogue.args(std::iter::once(curl().get_program()).chain(curl().get_args()));
        rogue.arg("--cert").arg(&self.own.chain).arg("--key").arg(&self.own.key);
        run(asking(&mut rogue, scheme))
    }

    /// Waits for the receiver's record of this reason.
    fn receiver_finds(&self, reason: &str) {
        let fits =
            |record: &Record<'_>| (record.direction, record.reason.code()) == (Direction::Inbound, reason);
        let _ = self.receiver.record(reason, fits);
    }
}

/// A certificate whose key the proxy's user can read, as it has to.
fn certificate(authority: &Authority, name: &str, principal: &str) -> Certificate {
    let certificate = authority.certificate(name, [uri(principal)]);
    fs::set_permissions(&certificate.key, fs::Permissions::from_mode(0o644)).unwrap();
    certificate
}

fn asking<'c>(curl: &'c mut Command, scheme: &str) -> &'c mut Command {
    curl.args(["-sS", "--max-time", "20", "--noproxy", "*", "-H", &format!("host: {HOST}")]);
    curl.arg(format!("{scheme}://{SERVERS}:{PORT}/charge/1"))
}

#[test]
fn a_rogue_with_the_proxy_s_user_gets_around_its_proxy_and_is_refused_at_the_receiver() {
    let Some(pod) = Pod::start() else { return };
    let approved = pod.approved();
    assert!(approved.status.success() && approved.stdout.contains("\"/charge/1\""), "{approved}");
    pod.receiver_finds("allowed");
    let seen_by_the_sender = pod.sender.records().len();

    let rogue = pod.rogue("https");
    assert!(rogue.stdout.contains("no-identity"), "{rogue}");
    pod.receiver_finds("no-identity");
    let plaintext = pod.rogue("http");
    assert!(!plaintext.status.success(), "{plaintext}");

    assert_eq!(pod.upstream.requests(), 1);
    assert_eq!(pod.sender.records().len(), seen_by_the_sender);
}
