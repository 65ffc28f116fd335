//! etcd and Kubernetes' API server, with a user who may do everything and no controllers.

use super::cluster::SERVERS;
use super::eventually;
use crate::netns::Namespace;
use crate::process::{Running, run, succeed};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What kubectl and istiod are told to find the API server by.
pub(super) fn kubeconfig(folder: &Path) -> PathBuf {
    folder.join("kubeconfig.json")
}

/// etcd and the API server.
pub(super) fn start(tools: &Path, world: &Namespace, folder: &Path) -> [Running; 2] {
    let data = folder.join("kubernetes");
    fs::create_dir(&data).unwrap();
    succeed(Command::new("openssl").args(["genrsa", "-out", "accounts.key", "2048"]).current_dir(&data));
    fs::write(data.join("tokens"), "admin,admin,admin,system:masters\n").unwrap();
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": "https://127.0.0.1:6443", "insecure-skip-tls-verify": true}}],
        "users": [{"name": "test", "user": {"token": "admin"}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    });
    fs::write(kubeconfig(folder), config.to_string()).unwrap();
    let mut etcd = world.command(&tools.join("etcd").to_string_lossy());
    etcd.args(["--data-dir", "etcd", "--unsafe-no-fsync", "--log-level", "warn"]);
    let mut server = world.command(&tools.join("kube-apiserver").to_string_lossy());
    server.args(["--etcd-servers", "http://127.0.0.1:2379", "--bind-address", "127.0.0.1"]);
    server.args([
        "--advertise-address",
        &SERVERS.to_string(),
        "--secure-port",
        "6443",
        "--cert-dir",
        "certificates",
    ]);
    server.args(["--service-account-issuer", "https://kubernetes.default.svc"]);
    server.args([
        "--service-account-key-file",
        "accounts.key",
        "--service-account-signing-key-file",
        "accounts.key",
    ]);
    server.args(["--service-cluster-ip-range", "10.66.1.0/24", "--token-auth-file", "tokens"]);
    server.arg("--allow-privileged");
    // No controller makes the accounts' objects that this would wait for.
    server.args(["--authorization-mode", "AlwaysAllow", "--disable-admission-plugins", "ServiceAccount"]);
    let mut running = [etcd, server].map(|mut command| Running::start(command.current_dir(&data)));
    eventually("the API server", || {
        running.iter_mut().for_each(|server| server.must_run("etcd or the API server"));
        let mut ready = kubectl(tools, world, folder);
        run(ready.args(["get", "--raw", "/readyz", "--request-timeout", "1s"])).status.success().then_some(())
    });
    running
}

/// kubectl, to be followed by what it is to do.
pub(super) fn kubectl(tools: &Path, world: &Namespace, folder: &Path) -> Command {
    let mut command = world.command(&tools.join("kubectl").to_string_lossy());
    command.arg("--kubeconfig").arg(kubeconfig(folder)).current_dir(folder);
    command
}
