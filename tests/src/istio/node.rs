//! What a node does for a pod: redirect rules, secrets, and Istio's agent, which starts Envoy. No kubelet runs here.

use super::cluster::{Cluster, ISTIOD, SERVERS};
use super::eventually;
use super::mesh_config::merged;
use crate::netns::Namespace;
use crate::process::{run, succeed};
use crate::tokens::DOMAIN;
use crate::tools;
use serde_json::json;
use std::fs::{self, Permissions};
use std::net::Ipv4Addr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::Command;

/// The proxy's user.
pub const PROXY: u32 = 1337;

/// How connections that come in get to the proxy; those that go out are redirected either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interception {
    /// Its address is put in place of the pod's own.
    Redirect,
    /// They keep both addresses.
    Tproxy,
}

impl Interception {
    /// As Istio calls it.
    const fn mode(self) -> &'static str {
        match self {
            Self::Redirect => "REDIRECT",
            Self::Tproxy => "TPROXY",
        }
    }

    /// Who the proxy is, as injection has it. For TPROXY that is root with one capability and the proxy's group: its
    /// connections to the program would go around in a circle by the rules for the proxy's user.
    const fn user(self) -> u32 {
        match self {
            Self::Redirect => PROXY,
            Self::Tproxy => 0,
        }
    }

    /// What setpriv makes it with.
    pub(super) fn proxy(self) -> Vec<String> {
        let (user, group) = (self.user(), PROXY);
        let mut proxy = vec![format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".into()];
        if self == Self::Tproxy {
            proxy.extend(["--bounding-set", "--inh-caps"].map(|set| format!("{set}=-all,+net_admin")));
        }
        proxy
    }
}

/// A pod as its node knows it.
#[derive(Debug)]
pub(super) struct Pod<'p> {
    pub(super) cluster: &'p Cluster,
    pub(super) network: &'p Namespace,
    /// The label `app`, and the service account.
    pub(super) app: &'p str,
    pub(super) address: Ipv4Addr,
    pub(super) interception: Interception,
    /// Its files.
    pub(super) folder: PathBuf,
}

/// /var/lib is the agent's own: it keeps modules there, and the proxy's user may not look for Envoy in somebody's cache
/// (mesh.yaml says where it finds it). istiod has a name, as its certificate says.
const OWN_PLACE: &str = "mount -t tmpfs tmpfs /var/lib && install -d -m 775 -g 1337 /var/lib/istio/data &&
    touch /var/lib/envoy && mount --bind \"$0\" /var/lib/envoy && mount --bind hosts /etc/hosts && exec \"$@\"";

impl Pod<'_> {
    pub(super) fn name(&self) -> String {
        format!("{}-1", self.app)
    }

    /// Puts the redirect rules in place, as Istio's init container does.
    pub(super) fn redirect(&self) {
        let agent = self.cluster.tools.join("pilot-agent");
        let mut rules = self.network.command(&agent.to_string_lossy());
        rules.args(["istio-iptables", "-p", "15001", "-z", "15006", "-u", &PROXY.to_string()]);
        rules.args(["-m", self.interception.mode()]);
        succeed(rules.args(["-i", "*", "-x", "", "-b", "*", "-d", "15090,15021,15020"]));
    }

    /// Tells the API server of the pod, as its node would once it runs.
    pub(super) fn admit(&self) {
        let Self { cluster, app, address, .. } = self;
        let name = self.name();
        let labels = json!({"app": app, "security.istio.io/tlsMode": "istio"});
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": app, "namespace": "shop"}});
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop", "labels": labels},
            "spec": {"serviceAccountName": app, "nodeName": "node-1", "containers": [{"name": "app", "image": "app"}]},
        });
        cluster.apply(&account.to_string());
        cluster.apply(&pod.to_string());
        let status = json!({"status": {
            "phase": "Running", "podIP": address, "podIPs": [{"ip": address}],
            "conditions": [{"type": "Ready", "status": "True"}],
        }});
        let mut patch = cluster.kubectl();
        patch.args(["-n", "shop", "patch", "pod", &name, "--subresource", "status", "--type", "merge", "-p"]);
        succeed(patch.arg(status.to_string()));
    }

    /// The account's token and the authority's certificate, where a node mounts them, and what else the agent reads.
    pub(super) fn place_files(&self) {
        let Self { cluster, app, folder, .. } = self;
        let _ = fs::remove_dir_all(folder);
        let (tokens, authority) =
            (folder.join("var/run/secrets/tokens"), folder.join("var/run/secrets/istio"));
        for place in [&tokens, &authority, &folder.join("certificates")] {
            fs::create_dir_all(place).unwrap();
        }
        let mut asking = cluster.kubectl();
        let token =
            succeed(asking.args(["-n", "shop", "create", "token", app, "--audience", "istio-ca"])).stdout;
        fs::write(tokens.join("istio-token"), token.trim_end()).unwrap();
        fs::write(authority.join("root-cert.pem"), root_certificate(cluster)).unwrap();
        // All names that Envoy may ask for.
        let hosts = format!("127.0.0.1 localhost\n{SERVERS} istiod.istio-system.svc unknown.example\n");
        fs::write(folder.join("hosts"), hosts).unwrap();
        let template = fs::read(cluster.tools.join("envoy-bootstrap.json")).unwrap();
        fs::write(folder.join("bootstrap-template.json"), template).unwrap();
        let user = self.interception.user();
        succeed(Command::new("chown").args(["-R", &format!("{user}:{PROXY}")]).arg(folder));
        let log = cluster.access_log();
        fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        fs::set_permissions(&log, Permissions::from_mode(0o660)).unwrap();
        chown(log, Some(PROXY), Some(PROXY)).unwrap();
    }

    /// Istio's agent, which starts Envoy.
    pub(super) fn agent(&self) -> Command {
        let Self { cluster, network, app, address, interception, folder } = self;
        let mut command = network.command("unshare");
        command.args(["--mount", "--", "sh", "-c", OWN_PLACE]).arg(tools::envoy());
        command.arg("setpriv").args(interception.proxy()).arg("--");
        command.arg(cluster.tools.join("pilot-agent")).args(["proxy", "sidecar", "--templateFile"]);
        command.args(["bootstrap-template.json", "--domain", "shop.svc.cluster.local"]);
        command.args(["--proxyLogLevel", "warning", "--proxyComponentLogLevel", "wasm:info"]);
        let config = merged(cluster.proxy_config(), &json!({"configPath": folder.join("config")}));
        for (name, value) in [
            ("POD_NAME", &*self.name()),
            ("POD_NAMESPACE", "shop"),
            ("SERVICE_ACCOUNT", app),
            ("INSTANCE_IP", &address.to_string()),
            ("HOST_IP", &address.to_string()),
            ("TRUST_DOMAIN", DOMAIN),
            ("ISTIO_META_CLUSTER_ID", "Kubernetes"),
            ("ISTIO_META_INTERCEPTION_MODE", interception.mode()),
            ("ISTIO_META_WORKLOAD_NAME", app),
            ("ISTIO_METAJSON_LABELS", &json!({"app": app}).to_string()),
            ("PROXY_CONFIG", &config.to_string()),
            ("CA_ADDR", ISTIOD),
            ("PILOT_CERT_PROVIDER", "istiod"),
            ("TERMINATION_DRAIN_DURATION_SECONDS", "1"),
            // That of the tests has no certificate.
            ("WASM_INSECURE_REGISTRIES", &format!("{SERVERS}:5000")),
        ] {
            command.env(name, value);
        }
        command.env("OUTPUT_CERTS", folder.join("certificates")).env("HOME", folder).current_dir(folder);
        command
    }
}

/// What proves istiod to the agent, once istiod has said it.
fn root_certificate(cluster: &Cluster) -> String {
    eventually("istiod's certificate", || {
        let mut get = cluster.kubectl();
        get.args(["-n", "shop", "get", "configmap", "istio-ca-root-cert"]);
        let got = run(get.args(["-o", r"jsonpath={.data.root-cert\.pem}"]));
        (got.status.success() && !got.stdout.is_empty()).then_some(got.stdout)
    })
}
