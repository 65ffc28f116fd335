//! `procgate istio render`.

use crate::place::{Place, Ran};
use crate::policy::shop;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Instant;

const MODULE: [&str; 4] = [
    "--module",
    "oci://registry.example/procgate:1",
    "--sha256",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

fn render(place: &Place, further: &[&str]) -> Ran {
    let line = ["istio", "render", "--policy", "policy.yaml", "--namespace", "shop", "--out", "out"];
    place.run(&[&line[..], further].concat())
}

#[test]
fn the_policy_and_the_module_stand_in_all_manifests() {
    let place = shop("enforce");
    let ran = render(&place, &MODULE);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("kubectl apply -k out/overlays/audit"), "{ran:?}");
    for file in ["http/http.yaml", "base/network.yaml", "receiver/http.yaml", "traffic-extension/http.yaml"] {
        let text = place.read(format!("out/{file}"));
        assert!(
            text.contains("oci://registry.example/procgate:1") && text.contains(MODULE[3]),
            "{file}: {text}"
        );
        assert!(text.contains("checkout-pays") && !text.contains("${"), "{file}: {text}");
    }
}

/// The objects below a folder, by kind, name and namespace, as kustomize names them by what stands beside them.
fn objects(folder: &Path) -> BTreeSet<String> {
    let yaml = |path: &Path| -> Value {
        fs::read_to_string(path).ok().and_then(|text| serde_saphyr::from_str(&text).ok()).unwrap_or_default()
    };
    let kustomization = yaml(&folder.join("kustomization.yaml"));
    let said = |name: &str| kustomization[name].as_str().unwrap_or_default();
    let mut found = BTreeSet::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let object = if path.is_dir() { Value::Null } else { yaml(&path) };
        if path.is_dir() {
            found.extend(objects(&path));
        } else if let Some(name) = object["metadata"]["name"].as_str() {
            found.insert(format!("{} {name}{} {}", object["kind"], said("nameSuffix"), said("namespace")));
        }
    }
    found
}

#[test]
fn whatever_selects_pods_selects_those_of_the_workload() {
    let place = shop("enforce");
    assert_eq!(render(&place, &[&MODULE[..], &["--workload", "app=checkout"]].concat()).code, 0);
    for file in [
        "base/listeners.yaml",
        "base/log.yaml",
        "base/network.yaml",
        "http/http.yaml",
        "mesh/telemetry.yaml",
        "mtls/tls.yaml",
        "receiver/connections.yaml",
        "receiver/http.yaml",
        "strict/sidecar.yaml",
        "traffic-extension/http.yaml",
    ] {
        let text = place.read(format!("out/{file}"));
        assert!(
            text.contains(r#"elector: {"matchLabels":{"app":"checkout"}}"#)
                || text.contains(r#"Selector: {"labels":{"app":"checkout"}}"#),
            "{file}: {text}"
        );
    }
}

#[test]
fn no_rendering_has_an_object_of_another_one_s() {
    let place = shop("enforce");
    let mut known = BTreeSet::new();
    for (namespace, workload) in [
        ("shop", &[][..]),
        ("other", &[]),
        ("shop", &["app=checkout"]),
        ("other", &["app=checkout"]),
        ("shop", &["tier=checkout"]),
        ("shop", &["app=a_b"]),
        ("shop", &["app=a-b"]),
        ("shop", &["app=", "tier=B"]),
    ] {
        let line = ["istio", "render", "--policy", "policy.yaml", "--out", "out", "--namespace", namespace];
        let workload = workload.iter().flat_map(|label| ["--workload", label]);
        let ran = place.run(&line.into_iter().chain(MODULE).chain(workload).collect::<Vec<_>>());
        assert_eq!(ran.code, 0, "{ran:?}");
        let found = objects(&place.path("out"));
        // The binding is in two folders, of which one is applied.
        assert_eq!(found.len(), 12, "{found:?}");
        let is_name = |name: &str| !name.is_empty() && name.len() < 254 && name == name.to_lowercase();
        assert!(found.iter().all(|object| object.split(' ').nth(1).is_some_and(is_name)), "{found:?}");
        assert!(known.is_disjoint(&found), "{found:?}");
        known.extend(found);
    }
}

#[test]
fn the_same_pods_have_the_same_objects_however_they_are_named() {
    let place = shop("enforce");
    let [first, second] = [["app=a", "tier=b"], ["tier=b", "app=a"]].map(|[one, other]| {
        assert_eq!(
            render(&place, &[&MODULE[..], &["--workload", one, "--workload", other]].concat()).code,
            0
        );
        objects(&place.path("out"))
    });
    assert_eq!(first, second);
}

#[test]
fn a_later_rendering_takes_the_place_of_an_earlier_one() {
    let place = shop("enforce");
    assert_eq!(render(&place, &MODULE).code, 0);
    let first = place.read("out/base/network.yaml");
    assert_eq!(render(&place, &[&MODULE[..], &["--fail", "close"]].concat()).code, 0);
    assert_ne!(place.read("out/base/network.yaml"), first);
}

#[test]
fn a_policy_that_is_not_about_the_namespace_is_told() {
    let place = shop("enforce");
    let text = place.read("policy.yaml");
    let elsewhere = text.replace("{name: checkout, ", "{name: checkout, namespace: pay, ");
    let (no_process, no_key) =
        ("no process of the policy can be in the namespace", "no key of the policy may sign for");
    for (policy, namespace, told) in [
        (&text, "shop", vec![]),
        (&text, "other", vec![no_key]),
        (&text, "istio-system", vec![]),
        (&elsewhere, "shop", vec![no_process]),
        (&elsewhere, "other", vec![no_process, no_key]),
        (&text.split("processes:").next().unwrap().to_owned(), "shop", vec![no_process]),
    ] {
        place.write("policy.yaml", policy.as_bytes());
        let line = ["istio", "render", "--policy", "policy.yaml", "--out", "out", "--namespace", namespace];
        let ran = place.run(&[&line[..], &MODULE].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(told.iter().all(|told| ran.err.contains(told)), "{ran:?}");
        assert_eq!(ran.err.matches("enforce would refuse everything").count(), told.len(), "{ran:?}");
    }
}

#[test]
fn a_folder_with_somebody_s_own_files_stays_as_it_is() {
    let place = shop("enforce");
    assert_eq!(render(&place, &MODULE).code, 0);
    place.write("out/overlays/mine.yaml", b"mine");
    let before = place.read("out/base/network.yaml");
    let ran = render(&place, &[&MODULE[..], &["--fail", "close"]].concat());
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("mine.yaml") && ran.err.contains("choose a folder of its own"), "{ran:?}");
    assert_eq!(place.read("out/base/network.yaml"), before);
}

/// A policy of so many workloads with 20 rules each.
fn mesh(place: &Place, workloads: u32) {
    let digest = "a".repeat(64);
    let key = |account: &str| {
        format!(
            "    - jwk: {{kty: OKP, crv: Ed25519, kid: {account}, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}}\n      \
             scope: spiffe://shop.example/ns/shop/sa/{account}/container/\n"
        )
    };
    let mut parts = [String::new(), String::new(), String::new(), String::new()];
    for number in 0..workloads {
        let account = format!("w{number}");
        parts[0] += &key(&account);
        parts[1] += &format!(
            "  - {{name: {account}, namespace: shop, serviceAccount: {account}, exe: [\"sha256:{digest}\"]}}\n"
        );
        for rule in 0..20 {
            let name = format!("{account}-{rule}");
            parts[2] += &format!("  - {{name: {name}, hosts: [{name}.shop.example]}}\n");
            parts[3] += &format!(
                "  - {{name: {name}, allow: {{from: {{process: {account}}}, to: {{destination: {name}, ports: [443]}}}}}}\n"
            );
        }
    }
    let [keys, processes, destinations, rules] = parts;
    let text = format!(
        "version: 1\nmode: enforce\ntrust:\n  domain: shop.example\n  keys:\n{keys}processes:\n{processes}\
         destinations:\n{destinations}rules:\n{rules}"
    );
    place.write("policy.yaml", text.as_bytes());
}

/// Bytes of a policy of 20 rules, which a proxy gets; and seconds for all of them, for a build without optimization on
/// a machine that does much else (docs/istio.md has what it takes).
const MOST_BYTES: usize = 4_000;
const PATIENCE: u64 = 60;

#[test]
fn what_interrupted_renderings_leave_goes_with_the_next_one() {
    let place = Place::new();
    mesh(&place, 100);
    let line = ["istio", "render", "--policy", "policy.yaml", "--namespace", "shop", "--out", "out"];
    let line = [&line[..], &MODULE, &["--per-workload", "app"]].concat();
    let began = Instant::now();
    assert_eq!(place.run(&line).code, 0);
    let whole = began.elapsed();
    let interrupted = [4, 6, 7].iter().filter(|part| place.interrupt(&line, whole * **part / 8)).count();
    assert!(interrupted > 0, "none of the runs was interrupted");
    assert_eq!(place.run(&line).code, 0);
    assert_eq!(place.names(), ["out", "policy.yaml"]);
}

#[test]
fn each_of_a_thousand_workloads_gets_its_own_part_in_time() {
    let place = Place::new();
    mesh(&place, 1_000);
    let started = Instant::now();
    let ran = render(&place, &[&MODULE[..], &["--per-workload", "app", "--output", "json"]].concat());
    let took = started.elapsed();
    assert!(took.as_secs() < PATIENCE, "{took:?}");
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&told["workloads"], &told["files"]), (&json!(1_000), &json!(3_003)), "{ran:?}");
    let largest = usize::try_from(told["policy_bytes"].as_u64().unwrap()).unwrap();
    assert!(largest < MOST_BYTES, "{ran:?}");
    for (overlay, policies, mode) in
        [("audit", 3, "audit"), ("enforce", 3, "enforce"), ("header-only", 1, "enforce")]
    {
        let one = place.read(format!("out/overlays/{overlay}/workloads/w7.yaml"));
        let named =
            one.contains("name: procgate-http-w7-") && one.contains(r#"{"matchLabels":{"app":"w7"}}"#);
        assert!(named && one.contains("w7-19") && !one.contains("w70") && !one.contains("${"), "{one}");
        assert_eq!(one.matches("w7-19.shop.example").count(), policies, "{one}");
        let text = one.replace('\\', "");
        assert_eq!(text.matches(&format!(r#""mode":"{mode}""#)).count(), policies, "{one}");
        assert!(one.len() < policies * (MOST_BYTES + 4_000) + 4_000, "{overlay}: {}", one.len());
        let gathered = place.read(format!("out/overlays/{overlay}/kustomization.yaml"));
        assert!(gathered.contains("- workloads/w999.yaml\n"), "{gathered}");
    }
}

#[test]
fn a_policy_without_service_accounts_has_no_parts() {
    let place = shop("enforce");
    let ran = render(&place, &[&MODULE[..], &["--per-workload", "app"]].concat());
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.err.contains("give processes their serviceAccount") && !place.path("out").exists(),
        "{ran:?}"
    );
}

#[test]
fn a_mistake_is_named_and_nothing_is_written() {
    let place = shop("enforce");
    place.write("broken.yaml", b"version: 1\nmode: sometimes\n");
    let too_long = format!("app={}", "a".repeat(64));
    let https = "https://registry.example/procgate.wasm";
    let with_module = |further: &[&'static str]| [&MODULE[..], further].concat();
    let mistakes = [
        (vec!["--module", "registry.example/procgate"], "is no URL of a module"),
        (vec!["--module", "ftp://registry.example/procgate"], "oci://, https://, http:// or file:///"),
        (vec!["--module", https], "--sha256"),
        (vec!["--module", https, "--sha256", "abc"], "64 hexadecimal digits"),
        (with_module(&["--namespace", "Shop"]), "is no namespace"),
        (with_module(&["--workload", "checkout"]), "NAME=VALUE"),
        (with_module(&["--workload", "app=a", "--workload", "app=b"]), "is given twice"),
        ([&MODULE[..], &["--workload", &too_long]].concat(), "no label has such a value"),
        (with_module(&["--proxy-image", "istio/proxyv2:1.30"]), "without tag or digest"),
        (with_module(&["--proxy-image", "istio/proxyv2@sha256:ab"]), "without tag or digest"),
        (with_module(&["--proxy-image", "proxyv2"]), "with its registry"),
        (with_module(&["--policy", "broken.yaml"]), "mode"),
    ];
    for (further, told) in mistakes {
        // What is given again takes the place of what the line has.
        let overridden = |flag: &&str| further.contains(flag);
        let base = [("--policy", "policy.yaml"), ("--namespace", "shop"), ("--out", "out")];
        let base =
            base.iter().filter(|(flag, _)| !overridden(flag)).flat_map(|(flag, value)| [*flag, *value]);
        let line: Vec<_> =
            ["istio", "render"].into_iter().chain(base).chain(further.iter().copied()).collect();
        let ran = place.run(&line);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{line:?}: {ran:?}");
        assert!(ran.err.contains(told), "{line:?}: {ran:?}");
        assert!(!place.path("out").exists(), "{line:?}");
    }
}
