//! The images, as `make oci` has left them and pushes them to a real registry, and the node's agent that fetches one.

use crate::Test;
use crate::operations::{APPROVED, expect, objects};
use crate::stage::Stage;
use libtest_mimic::Failed;
use procgate_tests::istio::{Cluster, SERVERS, Visitor, eventually};
use procgate_tests::process::{Running, succeed};
use procgate_tests::skip::skip;
use procgate_tests::tools::project;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("the_agent_fetches_the_image_by_its_digest_and_no_other", fetched),
    ("what_is_pushed_is_for_each_machine_and_says_what_it_was_built_from", pushed),
];

/// What the layouts have of an image: its digest and its tag.
fn image(layout: &str) -> Result<(String, String), Failed> {
    let index: Value = serde_json::from_str(&fs::read_to_string(layouts().join(layout).join("index.json"))?)?;
    let image = &index["manifests"][0];
    let values = [&image["digest"], &image["annotations"]["org.opencontainers.image.ref.name"]];
    let [digest, tag] = values.map(|value| value.as_str().unwrap().to_owned());
    Ok((digest, tag))
}

fn layouts() -> PathBuf {
    std::env::var_os("PROCGATE_OCI").expect("make test-istio says where it is").into()
}

/// Pushes as `make oci REGISTRY=…` does.
fn push(cluster: &Cluster, tag: &str) {
    let mut push = cluster.world.command("scripts/oci-push");
    push.current_dir(project()).env("PROCGATE_PLAIN_HTTP", "1");
    succeed(push.arg(layouts()).arg(tag).arg(format!("{SERVERS}:5000")));
}

/// A manifest or an index that the registry has.
fn manifest(cluster: &Cluster, name: &str, reference: &str) -> Result<Value, Failed> {
    let kinds = "accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";
    let mut get = cluster.world.command("curl");
    get.args(["--silent", "--fail", "-H", kinds]);
    let got = succeed(get.arg(format!("http://{SERVERS}:5000/v2/{name}/manifests/{reference}")));
    Ok(serde_json::from_str(&got.stdout)?)
}

fn pushed(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let _registry = registry(cluster);
    push(cluster, &image("shim")?.1);
    for (layout, name) in [("plugin", "procgate"), ("shim", "procgate-shim")] {
        let digest = image(layout)?.0;
        // This registry has no API for referrers: their list has the digest for its tag (distribution-spec, "Referrers
        // Tag Schema").
        let referrers = manifest(cluster, name, &digest.replace(':', "-"))?;
        let [list] = referrers["manifests"].as_array().unwrap().as_slice() else {
            return Err(format!("one list of what {name} was built from: {referrers}").into());
        };
        assert_eq!(list["artifactType"], "application/vnd.cyclonedx+json");
        let list = manifest(cluster, name, list["digest"].as_str().unwrap())?;
        assert_eq!(list["subject"]["digest"], digest.as_str());
    }
    let (digest, tag) = image("shim")?;
    let index = manifest(cluster, "procgate-shim", &digest)?;
    assert_eq!(index, manifest(cluster, "procgate-shim", &tag)?);
    let images = index["manifests"].as_array().unwrap();
    let machines: Vec<_> = images.iter().map(|image| &image["platform"]["architecture"]).collect();
    if machines.len() == 1 {
        skip("the shim's image for the other architecture, which nothing here builds");
    } else {
        assert_eq!(machines, ["amd64", "arm64"]);
    }
    for image in images {
        let image = manifest(cluster, "procgate-shim", image["digest"].as_str().unwrap())?;
        assert_eq!(image["layers"].as_array().map(Vec::len), Some(1));
    }
    Ok(())
}

fn fetched(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let (digest, tag) = image("plugin")?;
    let _registry = registry(cluster);
    push(cluster, &tag);

    let module = format!("oci://{SERVERS}:5000/procgate:{tag}");
    let wrong = "0".repeat(64);
    {
        let options = ["--module", module.as_str(), "--sha256", &wrong];
        let stage = Stage::start(cluster, objects(cluster, &cluster.policy(), &options));
        expect(&stage, APPROVED, [false; 2], "with another digest")?;
    }
    let options = ["--module", module.as_str(), "--sha256", &digest];
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
        running.must_run("the registry");
        cluster.world.within(|| std::net::TcpStream::connect((SERVERS, 5000)).ok())
    });
    running
}
