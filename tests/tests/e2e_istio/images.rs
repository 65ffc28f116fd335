//! The plugin's image, as `make oci` has left it, in a real registry, and the node's agent that fetches it.

use crate::Test;
use crate::operations::{APPROVED, expect, objects};
use crate::stage::Stage;
use libtest_mimic::Failed;
use procgate_tests::istio::{Cluster, SERVERS, Visitor, eventually};
use procgate_tests::process::{Running, succeed};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) const TESTS: &[(&str, Test)] =
    &[("the_agent_fetches_the_image_by_its_digest_and_no_other", fetched)];

fn fetched(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let layout = PathBuf::from(std::env::var_os("PROCGATE_OCI").expect("make test-istio says where it is"));
    let index: Value = serde_json::from_str(&fs::read_to_string(layout.join("plugin/index.json"))?)?;
    let image = &index["manifests"][0];
    let (digest, tag) = (&image["digest"], &image["annotations"]["org.opencontainers.image.ref.name"]);
    let [digest, tag] = [digest, tag].map(|value| value.as_str().unwrap());

    let _registry = registry(cluster);
    let mut push = cluster.world.command("skopeo");
    push.args(["copy", "--dest-tls-verify=false", &format!("oci:{}/plugin:{tag}", layout.display())]);
    succeed(push.arg(format!("docker://{SERVERS}:5000/procgate:{tag}")));

    let module = format!("oci://{SERVERS}:5000/procgate:{tag}");
    let wrong = "0".repeat(64);
    {
        let options = ["--module", module.as_str(), "--sha256", &wrong];
        let stage = Stage::start(cluster, objects(cluster, &cluster.policy(), &options));
        expect(&stage, APPROVED, [false; 2], "with another digest")?;
    }
    let options = ["--module", module.as_str(), "--sha256", digest];
    let stage = Stage::start(cluster, objects(cluster, &cluster.policy(), &options));
    expect(&stage, APPROVED, [true; 2], "fetched by digest")?;
    expect(&stage, Visitor::Neighbour, [false; 2], "fetched by digest")
}

fn registry(cluster: &Cluster) -> Running {
    let data = cluster.folder().join("registry");
    fs::create_dir_all(&data).unwrap();
    let config = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{SERVERS}:5000'}}\n",
        data.display()
    );
    let mut serve = cluster.world.command("docker-registry");
    let mut running = Running::start(serve.arg("serve").arg(cluster.file(&config)));
    eventually("the registry", || {
        let ended = running.ended();
        assert!(ended.is_none(), "the registry ended: {}", ended.unwrap_or_default());
        cluster.world.within(|| std::net::TcpStream::connect((SERVERS, 5000)).ok())
    });
    running
}
