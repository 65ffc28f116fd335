//! What is told of pods that the shim, or the mesh, does not reach.

use super::{injected_with, one, pod};

#[test]
fn containers_at_a_place_that_no_kind_is_known_for_are_told() {
    for (text, line) in [
        (
            "kind: Workflow\nmetadata: {name: w}\nspec:\n  templates:\n  - container: {image: x, command: [a]}\n",
            5,
        ),
        (
            "kind: JobSet\nmetadata: {name: w}\nspec:\n  replicatedJobs:\n  - template:\n      spec:\n        template:\n          spec:\n            containers:\n            - name: a\n",
            10,
        ),
        ("kind: Thing\nmetadata: {name: w}\nspec: {podTemplate: {spec: {containers: [{name: a}]}}}\n", 3),
        ("kind: Prometheus\nmetadata: {name: w}\nspec:\n  containers: [{name: a, image: x}]\n", 4),
        ("kind: Thing\nmetadata: {name: w}\nspec: {job: {initContainers: [{image: x}]}}\n", 3),
        // Beside those that its kind has.
        (
            "kind: Rollout\nmetadata: {name: w}\nspec:\n  template: {spec: {containers: [{name: a, command: [a]}]}}\n  other: {spec: {containers: [{name: b}]}}\n",
            5,
        ),
    ] {
        let ran = injected_with(text, &[]);
        let kind = text.lines().next().unwrap().trim_start_matches("kind: ");
        let told = format!("line {line} ({kind} w): containers where this kind is not known to have any");
        assert!(ran.err.contains(&told), "{text}: {}", ran.err);
        assert_eq!(ran.err.matches("not known to have any").count(), 1, "{}", ran.err);
        assert!(!ran.out.contains("/opt/procgate") || kind == "Rollout", "{}", ran.out);
    }
    for innocent in [
        one("command: [a]"),
        pod("{initContainers: [{name: i, command: [i]}], containers: [{name: a, command: [a]}]}"),
        "kind: Thing\nspec: {containers: [], container: main, other: {containers: [a, b]}}\n".to_owned(),
        "kind: CustomResourceDefinition\nspec: {properties: {containers: {items: {properties: {name: {type: string}}}}}}\n"
            .to_owned(),
    ] {
        let ran = injected_with(&innocent, &[]);
        assert!(!ran.err.contains("not known to have any"), "{}", ran.err);
    }
}

#[test]
fn a_debugger_that_is_in_a_pod_already_is_told() {
    let ran =
        injected_with(&pod("{containers: [{name: a, command: [a]}], ephemeralContainers: [{name: d}]}"), &[]);
    assert!(ran.err.contains("line 3 (Pod checkout): ephemeral containers stay as they are"), "{}", ran.err);
}

/// A pod with something in its metadata and in its container's variables.
fn meshed(metadata: &str, env: &str) -> String {
    format!(
        "kind: Pod\nmetadata:\n  name: w\n  {metadata}\nspec:\n  containers: [{{name: a, command: [a], env: [{env}]}}]\n"
    )
}

#[test]
fn what_goes_around_the_proxy_is_told_with_the_exemption_that_fits() {
    let prefix = "traffic.sidecar.istio.io";
    for (name, value, exemption) in [
        (
            "excludeOutboundPorts",
            "5432, 6379",
            "PROCGATE_EXEMPT: 0.0.0.0/0:5432,[::/0]:5432,0.0.0.0/0:6379,[::/0]:6379 in",
        ),
        ("excludeOutboundIPRanges", "10.0.0.0/8,fd00::/8", "PROCGATE_EXEMPT: 10.0.0.0/8,fd00::/8 in"),
        ("includeOutboundIPRanges", "10.0.0.0/8", "PROCGATE_EXEMPT, with the addresses"),
        ("includeOutboundIPRanges", "", "PROCGATE_EXEMPT, with the addresses"),
        ("excludeInterfaces", "eth1", "PROCGATE_EXEMPT, with the addresses"),
    ] {
        let metadata = format!("annotations: {{{prefix}/{name}: \"{value}\"}}");
        let ran = injected_with(&meshed(&metadata, ""), &[]);
        let told = format!("line 4 (Pod w): some connections go around the proxy ({prefix}/{name})");
        assert!(ran.err.contains(&told) && ran.err.contains(exemption), "{}", ran.err);
        let ran = injected_with(&meshed(&metadata, "{name: PROCGATE_EXEMPT, value: 10.0.0.0/8}"), &[]);
        assert!(!ran.err.contains("go around the proxy"), "{}", ran.err);
    }
    for harmless in
        ["excludeOutboundPorts: \"\"", "includeOutboundIPRanges: \"*\"", "excludeInboundPorts: \"80\""]
    {
        let ran = injected_with(&meshed(&format!("annotations: {{{prefix}/{harmless}}}"), ""), &[]);
        assert!(!ran.err.contains("go around the proxy"), "{}", ran.err);
    }
}

#[test]
fn a_pod_that_no_proxy_is_put_into_is_told() {
    let inject = |value: &str| format!("{{sidecar.istio.io/inject: \"{value}\"}}");
    let told = |metadata: &str| {
        injected_with(&meshed(metadata, ""), &[]).err.contains("line 4 (Pod w): no proxy takes")
    };
    assert!(told(&format!("labels: {}", inject("false"))));
    assert!(told(&format!("annotations: {}", inject("false"))));
    assert!(told("annotations: {sidecar.istio.io/interceptionMode: NONE}"));
    assert!(!told(&format!("annotations: {}", inject("true"))));
    assert!(!told("annotations: {sidecar.istio.io/interceptionMode: REDIRECT}"));
    let both = format!("labels: {}\n  annotations: {}", inject("true"), inject("false"));
    assert!(!told(&both), "the label counts");
}
