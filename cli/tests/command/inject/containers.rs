//! What becomes of containers, and of which.

use super::{CHART, IMAGE, OPTIONS, injected, injected_with, named, one, refused, uninjected, value};
use crate::image::Layout;
use crate::place::Place;
use serde_json::{Value, json};

#[test]
fn the_container_starts_its_program_under_the_shim_with_a_key_that_it_alone_mounts() {
    let document =
        value(&injected_with(CHART, &["--pod-label", "segment", "--code-list", "code-{workload}"]).out);
    let spec = &document["spec"]["template"]["spec"];
    let app = named(&spec["containers"], "app");
    assert_eq!(app["command"], json!(["/opt/procgate/procgate-shim", "run", "--", "/app/server"]));
    assert_eq!(app["args"], json!(["--port", "8080"]));
    let field = |path: &str| json!({"fieldRef": {"fieldPath": path}});
    for (name, expected) in [
        ("PROCGATE_KEY", json!("/run/procgate/key.jwk")),
        ("PROCGATE_CODE_LIST", json!("/run/procgate/code.list")),
        ("PROCGATE_TRUST_DOMAIN", json!("shop.example")),
        ("PROCGATE_NAMESPACE", field("metadata.namespace")),
        ("PROCGATE_SERVICE_ACCOUNT", field("spec.serviceAccountName")),
        ("PROCGATE_CONTAINER", json!("app")),
        ("PROCGATE_CARRIER", json!("proxy-v2")),
        ("PROCGATE_LABELS", json!("segment=pci")),
    ] {
        let variable = named(&app["env"], name);
        assert_eq!(*variable.get("value").unwrap_or(&variable["valueFrom"]), expected, "{name}");
    }
    assert_eq!(named(&app["env"], "LEVEL")["value"], "info");
    assert_eq!(app["securityContext"], json!({}), "nothing is needed");
    assert_eq!(
        named(&app["volumeMounts"], "procgate-shim"),
        &json!({"name": "procgate-shim", "mountPath": "/opt/procgate", "readOnly": true})
    );
    for container in ["app", "reporter"] {
        let mounts = named(&spec["containers"], container)["volumeMounts"].as_array().unwrap();
        let mounted: Vec<_> = mounts.iter().map(|mount| mount["name"].as_str().unwrap()).collect();
        assert_eq!(mounted, ["procgate-shim", &format!("procgate-key-{container}")]);
        let volume = named(&spec["volumes"], &format!("procgate-key-{container}"));
        let item = json!({"key": format!("{container}.jwk"), "path": "key.jwk", "mode": 0o444});
        let list = json!({"key": format!("{container}.list"), "path": "code.list", "mode": 0o444});
        assert_eq!(
            volume["projected"]["sources"],
            json!([
                {"secret": {"name": "procgate-checkout", "items": [item]}},
                {"configMap": {"name": "code-checkout", "items": [list]}},
            ])
        );
    }
    let installer = &spec["initContainers"][0];
    assert_eq!(installer["command"], json!(["/procgate-shim", "install", "/opt/procgate"]));
    assert_eq!(installer["image"], IMAGE);
    assert_eq!(installer["volumeMounts"], json!([{"name": "procgate-shim", "mountPath": "/opt/procgate"}]));
    assert!(named(&spec["volumes"], "procgate-shim")["emptyDir"].is_object());
}

#[test]
fn an_image_volume_takes_the_place_of_the_init_container() {
    let document = value(&injected_with(&one("command: [a]"), &["--image-volume"]).out);
    let volume = named(&document["spec"]["volumes"], "procgate-shim");
    assert_eq!(volume["image"], json!({"reference": IMAGE, "pullPolicy": "IfNotPresent"}));
    assert!(document["spec"].get("initContainers").is_none());
}

#[test]
fn a_container_without_a_command_is_told_its_program_or_refused() {
    let text = "kind: Pod\nmetadata: {name: w}\nspec:\n  containers:\n  - name: app\n    image: x\n";
    let line = refused(text, &[]);
    assert!(line.starts_with("standard input: document 1, line 5: container app has no command"), "{line}");
    assert!(line.contains("--entrypoint app=") && line.contains("--image-config app=PATH"), "{line}");
    for words in ["/app/server --port 80", r#"["/app/server", "--port", "80"]"#] {
        for place in ["app", "w/app"] {
            let ran = injected_with(text, &["--entrypoint", &format!("{place}={words}")]);
            let app = value(&ran.out)["spec"]["containers"][0].clone();
            assert_eq!(
                app["command"],
                json!(["/opt/procgate/procgate-shim", "run", "--", "/app/server", "--port", "80"])
            );
            assert_eq!(app.get("args"), None);
            assert_eq!(uninjected(&ran.out), text);
        }
    }
    for (option, what) in
        [("other=a", "no such container"), ("app='a b'", "quotes"), ("a", "names no container")]
    {
        let line = refused(text, &["--entrypoint", "app=a", "--entrypoint", option]);
        assert!(line.contains(what), "{line}");
    }
}

#[test]
fn an_image_tells_what_it_runs() {
    let place = Place::new();
    let layout = Layout(&place, "image");
    let start = |entrypoint: Value, cmd: Value| {
        let config = json!({"config": {"Entrypoint": entrypoint, "Cmd": cmd, "User": "1000:1000"}});
        layout.index(&[layout.configured(&config, &[], None)]);
    };
    let run = |text: &str| {
        place.run_with_input(
            &[&["inject"], &OPTIONS[..], &["--image-config", "app=image", "--custody", "root"]].concat(),
            text.as_bytes(),
        )
    };
    let app = |text: &str| {
        let ran = run(text);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(uninjected(&ran.out), text);
        let app = value(&ran.out)["spec"]["containers"][0].clone();
        let words = app["command"].as_array().unwrap();
        assert_eq!(words[..3], [json!("/opt/procgate/procgate-shim"), json!("run"), json!("--")]);
        assert_eq!(named(&app["env"], "PROCGATE_USER")["value"], "1000:1000");
        (json!(words[3..]), app["args"].clone())
    };
    start(json!(["/entry", "$(x)", "$$y"]), json!(["-p", "80"]));
    // Kubernetes makes one $ of two, and looks for no variable in what comes after.
    assert_eq!(app(&one("image: x")), (json!(["/entry", "$$(x)", "$$$$y"]), json!(["-p", "80"])));
    assert_eq!(app(&one("args: [mine]")), (json!(["/entry", "$$(x)", "$$$$y"]), json!(["mine"])));
    assert_eq!(app(&one("args: []")), (json!(["/entry", "$$(x)", "$$$$y"]), json!(["-p", "80"])));
    start(Value::Null, json!(["/cmd"]));
    assert_eq!(app(&one("image: x")), (json!([]), json!(["/cmd"])));
    start(Value::Null, Value::Null);
    assert!(run(&one("image: x")).refused().contains("neither ENTRYPOINT nor CMD"));
    assert!(
        refused(&one("image: x"), &["--image-config", "app=/nowhere"])
            .contains("--image-config app=/nowhere")
    );
}

#[test]
fn annotations_of_the_pod_choose_its_containers() {
    let text = |annotations: &str| {
        format!(
            "kind: Pod\nmetadata: {{name: w, annotations: {{{annotations}}}}}\nspec:\n  initContainers:\n  - {{name: \
             migrate, command: [m]}}\n  - {{name: logs, command: [l], restartPolicy: Always}}\n  - {{name: istio-proxy, \
             command: [p]}}\n  containers:\n  - {{name: app, command: [a]}}\n  - {{name: b, command: [b]}}\n  - {{name: \
             ready, command: [/x/procgate-shim, run]}}\n"
        )
    };
    let chosen = |annotations: &str| {
        let ran = injected_with(&text(annotations), &[]);
        let spec = value(&ran.out)["spec"].clone();
        let all: Vec<Value> = ["initContainers", "containers"]
            .iter()
            .flat_map(|list| spec[list].as_array().unwrap().clone())
            .collect();
        let names = all.iter().filter(|item| item["command"][0] == "/opt/procgate/procgate-shim");
        (names.map(|item| item["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>(), ran.err)
    };
    let (names, said) = chosen("");
    assert_eq!(names, ["app", "b"]);
    for line in [
        "line 5 (Pod w, container migrate); standard input: document 1, line 6 (Pod w, container logs): is an init container",
        "istio-proxy): is the mesh's own",
        "ready): starts a shim",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert_eq!(chosen(r#"procgate.dev/containers: "app, migrate,logs""#).0, ["migrate", "logs", "app"]);
    assert_eq!(chosen(r#"procgate.dev/inject: "true""#).0, ["app", "b"]);
    let untouched = text(r#"procgate.dev/inject: "false""#);
    let ran = injected_with(&untouched, &[]);
    assert_eq!(ran.out, untouched);
    assert!(ran.err.contains("stays as it is"), "{}", ran.err);
    for (annotation, what) in [
        ("procgate.dev/inject: false", "neither \"true\" nor \"false\""),
        ("procgate.dev/inject: \"no\"", "neither \"true\" nor \"false\""),
        (
            "procgate.dev/containers: \"app,nobody\"",
            "has no such container: it has migrate, logs, istio-proxy, app",
        ),
        ("procgate.dev/containers: istio-proxy", "the mesh's own"),
    ] {
        let line = refused(&text(annotation), &[]);
        assert!(line.contains(what) && line.contains("document 1, line 2"), "{line}");
    }
}

#[test]
fn a_native_sidecar_gets_its_shim_before_it_starts() {
    let text = "kind: Pod\nmetadata: {name: w, annotations: {procgate.dev/containers: \"logs\"}}\nspec:\n  initContainers:\n  - {name: logs, command: [l], restartPolicy: Always}\n  containers: [{name: app}]\n";
    let spec = value(&injected(text))["spec"].clone();
    let names: Vec<_> =
        spec["initContainers"].as_array().unwrap().iter().map(|item| item["name"].clone()).collect();
    assert_eq!(names, ["procgate-install", "logs"]);
    assert_eq!(spec["containers"], json!([{"name": "app"}]));
}

#[test]
fn what_a_container_s_own_manifest_says_counts() {
    let text = one("command: [a], env: [{name: PROCGATE_CARRIER, value: header}]");
    let ran = injected_with(&text, &[]);
    let once = ran.out;
    assert_eq!(once.matches("PROCGATE_CARRIER").count(), 1);
    assert_eq!(ran.err.matches("says PROCGATE_CARRIER itself").count(), 1, "{}", ran.err);
    assert!(!injected_with(&one("command: [a]"), &[]).err.contains("itself, and that counts"));
    assert_eq!(uninjected(&once), text);
}
