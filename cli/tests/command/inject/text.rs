//! What becomes of the text.

use super::{CHART, IMAGE, OPTIONS, injected, injected_with, one, refused, run, uninjected, value};
use crate::image::Layout;
use crate::place::Place;
use serde_json::json;

#[test]
fn all_that_was_there_stays_to_the_letter_and_in_its_order() {
    let text = injected(CHART);
    let mut lines = text.lines();
    for line in CHART.lines().filter(|line| !line.contains("/app/server")) {
        assert!(lines.any(|other| other == line), "{line:?} is not there, or not in its place:\n{text}");
    }
    assert!(text.contains(r#"["/opt/procgate/procgate-shim", "run", "--", "/app/server"]"#), "{text}");
}

#[test]
fn done_twice_it_is_as_done_once_and_undone_as_it_was() {
    let once = injected(CHART);
    assert_eq!(injected(&once), once);
    assert_eq!(uninjected(&once), CHART);
    assert_eq!(uninjected(CHART), CHART);
}

#[test]
fn another_image_takes_the_place_of_the_one_before() {
    let other = IMAGE.replace("aaaa", "bbbb");
    let again = |text: &str| run(&Place::new(), "inject", text, &["--image-volume"]).out;
    let newer = injected(CHART).replace(IMAGE, &other);
    assert_ne!(newer, injected(CHART));
    assert_eq!(injected(&newer), injected(CHART));
    assert_eq!(injected(&again(CHART)), injected(CHART));
    assert_eq!(uninjected(&again(CHART)), CHART);
}

#[test]
fn every_kind_with_pods_is_changed_where_its_pods_are_and_no_other() {
    let spec = "spec: {containers: [{name: app, command: [a]}]}";
    let kinds = ["Deployment", "StatefulSet", "DaemonSet", "Job", "ReplicaSet", "Rollout", "Service"];
    let mut changed: Vec<(String, &str)> = kinds
        .map(|kind| {
            (
                format!("kind: {kind}\nmetadata: {{name: w}}\nspec: {{template: {{{spec}}}}}\n"),
                "/spec/template/spec",
            )
        })
        .into();
    changed.push((format!("kind: Pod\nmetadata: {{name: w}}\n{spec}\n"), "/spec"));
    changed.push((
        format!("kind: PodTemplate\nmetadata: {{name: w}}\ntemplate: {{{spec}}}\n"),
        "/template/spec",
    ));
    let cron = format!(
        "{{kind: CronJob, metadata: {{name: w}}, spec: {{jobTemplate: {{spec: {{template: {{{spec}}}}}}}}}}}\n"
    );
    changed.push((
        format!("kind: List\nitems:\n- {cron}- {cron}"),
        "/items/1/spec/jobTemplate/spec/template/spec",
    ));
    changed.push((format!("kind: PodList\nitems: [{{metadata: {{name: w}}, {spec}}}]\n"), "/items/0/spec"));
    changed.push((cron, "/spec/jobTemplate/spec/template/spec"));
    for (text, place) in &changed {
        let once = injected(text);
        let command = value(&once).pointer(&format!("{place}/containers/0/command")).cloned();
        assert_eq!(command, Some(json!(["/opt/procgate/procgate-shim", "run", "--", "a"])), "{once}");
        assert_eq!(injected(&once), once);
        assert_eq!(uninjected(&once), *text);
    }
    for text in [
        "kind: Service\nspec: {ports: [{port: 80}]}\n",
        // Its pods are those of a Deployment that it names.
        "kind: Rollout\nmetadata: {name: w}\nspec: {workloadRef: {kind: Deployment, name: w}}\n",
        "a: [1,  2]\n",
        "- x\n",
        "text\n",
        "# only\n",
        "",
    ] {
        let ran = injected_with(text, &[]);
        assert_eq!(ran.out, text);
        assert!(ran.err.contains("nothing has containers"), "{ran:?}");
    }
}

/// However its tools write it: with two spaces or none, as JSON on one line or on many, with Windows' line breaks, and
/// without one at the end.
#[test]
fn every_way_to_write_an_object_is_kept() {
    let yaml = CHART.trim_start_matches("---\n");
    let document = value(yaml);
    let texts = [
        CHART.replace('\n', "\r\n"),
        CHART.replace("      volumes:\n      # nothing yet\n", ""),
        CHART.trim_end().trim_end_matches("# nothing yet").trim_end().to_owned(),
        format!("{CHART}---\n{CHART}...\n"),
        format!("\u{feff}{yaml}"),
        document.to_string(),
        serde_json::to_string_pretty(&document).unwrap() + "\n",
        "kind: Pod\nmetadata:\n  name: w\nspec:\n  containers:\n  - command:\n    - a\n    env: []\n    name: app\n  - args: [x]\n    command: [b]\n    name: b\n    volumeMounts: null\n  initContainers: []\n  volumes: ~".into(),
        "kind: Pod\nmetadata:\n  name: w\n  annotations: {}\nspec:\n  containers:\n  -\n    name: app\n    command: [a]\n  initContainers:\n  # first of all\n  - name: i\n    image: x\n".into(),
        "kind: Pod\nmetadata: {name: w}\nspec:\n  containers:\n  - name: app\n    command: [x]\n    env:\n    - name: a\n      value: |\n        x".into(),
        "kind: Pod\nmetadata: {name: w}\nspec:\n  containers:\n  # the first-class one\n  - # - really\n    name: app\n    command: # how\n    # why\n    - a # what\n    - |+\n      text\n\n\n    # tail\n    env:\n\n    - name: X\n      value: >-\n        a\n    # after\n  # end\n".into(),
        "kind: Pod\nmetadata: {name: w,\n  labels: {}}\nspec: {\n  containers: [\n    {name: app, command: [\n      \"a\",\n      'b',\n    ], env: []},\n  ],\n}\n".into(),
    ];
    for text in &texts {
        let once = injected(text);
        assert_eq!(injected(&once), once);
        let first = |text: &str| value(text.trim_start_matches("---").split("\n---").next().unwrap());
        assert_eq!(first(&uninjected(&once)), first(text), "{once}");
        assert!(text.contains("null") || text.contains('~') || uninjected(&once) == *text, "{text}");
        let newlines = |text: &str| (text.matches("\r\n").count(), text.matches('\n').count());
        let (windows, all) = newlines(&once);
        assert!(windows == 0 || windows == all, "{once:?}");
    }
}

/// What `kubectl get` has of it: all in the order of the alphabet, in one style, with more in it.
#[test]
fn an_object_that_was_written_anew_is_restored_too() {
    let original = value(CHART.trim_start_matches("---\n"));
    let mut injected_object = value(injected(CHART).trim_start_matches("---\n"));
    assert_eq!(value(&uninjected(&injected_object.to_string())), original);
    let pretty = serde_json::to_string_pretty(&injected_object).unwrap();
    assert_eq!(value(&uninjected(&pretty)), original);
    // A volume and a mount that somebody added stay.
    let more = json!({"name": "more", "emptyDir": {}});
    injected_object["spec"]["template"]["spec"]["volumes"].as_array_mut().unwrap().push(more.clone());
    let restored = value(&uninjected(&injected_object.to_string()));
    assert_eq!(restored["spec"]["template"]["spec"]["volumes"], json!([more]));
}

#[test]
fn what_is_shared_by_an_alias_is_not_changed_behind_its_back() {
    let text = "kind: Pod\nmetadata: {name: w}\nspec:\n  containers:\n  - name: a\n    command: &c [x]\n  - name: b\n    command: [y]\n    args: *c\n";
    assert!(refused(text, &[]).contains("cannot be edited"));
    let text = "kind: Pod\nmetadata: {name: w, labels: &l {a: b}}\nspec: {nodeSelector: *l, containers: [{name: a, command: [x]}]}\n";
    assert_eq!(uninjected(&injected(text)), text);
}

#[test]
fn a_command_that_was_changed_since_is_not_guessed_at() {
    let text =
        injected(&one("command: [a]")).replace("\"/opt/procgate/procgate-shim\", \"run\"", "\"/bin/other\"");
    let ran = run(&Place::new(), "uninject", &text, &[]);
    assert!(ran.refused().contains("was changed since it was injected"), "{ran:?}");
}

#[test]
fn a_told_command_or_arguments_that_were_changed_since_are_not_lost() {
    let told = injected_with(&one("image: x"), &["--entrypoint", "app=/app/server --port 80"]).out;
    let ran = run(&Place::new(), "uninject", &told.replace("\"80\"", "\"81\""), &[]);
    assert!(ran.refused().contains("command of app was changed since it was injected"), "{ran:?}");
    let place = Place::new();
    let layout = Layout(&place, "image");
    let config = json!({"config": {"Entrypoint": ["/entry"], "Cmd": ["--old"]}});
    layout.index(&[layout.configured(&config, &[], None)]);
    let told = run(&place, "inject", &one("image: x"), &["--image-config", "app=image"]).out;
    let ran = run(&place, "uninject", &told.replace("\"--old\"", "\"--new\""), &[]);
    assert!(ran.refused().contains("args of app was changed since it was injected"), "{ran:?}");
    assert_eq!(uninjected(&told), one("image: x"));
}

#[test]
fn what_came_into_a_security_context_since_stays() {
    let root = ["--custody", "root", "--user", "app=1000:1000"];
    for context in ["", ", securityContext: null"] {
        let text = one(&format!("command: [a]{context}"));
        let mut object = value(&injected_with(&text, &root).out);
        object["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] = json!(true);
        let left = json!({"readOnlyRootFilesystem": true});
        let restored = value(&uninjected(&object.to_string()));
        assert_eq!(restored["spec"]["containers"][0]["securityContext"], left);
        let again = value(&injected_with(&object.to_string(), &[]).out);
        assert_eq!(again["spec"]["containers"][0]["securityContext"], left);
    }
}

#[test]
fn the_result_goes_to_a_file_or_into_json_with_what_was_said() {
    let place = Place::new();
    let text = format!("{}---\n{}", one("command: [a]"), one("command: [a]"));
    place.write("in.yaml", text.as_bytes());
    let line = [&["inject", "in.yaml"], &OPTIONS[..]].concat();
    let ran = place.run(&[&line[..], &["--out", "out.yaml"]].concat());
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "injected: 2 containers of 2 workloads, in 2 documents\nwritten to out.yaml\n")
    );
    assert!(ran.err.contains("warning: in.yaml: document 2, line 5: Pod checkout is there already, at in.yaml: document 1, line 1"), "{}", ran.err);
    assert_eq!(place.read("out.yaml"), place.run(&line).out);
    let report = place.run(&[&line[..], &["--output", "json"]].concat()).json();
    assert_eq!(report["manifests"], place.read("out.yaml"));
    assert_eq!((&report["containers"], &report["workloads"]), (&json!(2), &json!(2)));
    assert!(
        report["warnings"].as_array().unwrap().len() == 2 && !report["notes"].as_array().unwrap().is_empty()
    );
}

#[test]
fn a_user_that_somebody_has_changed_since_stays() {
    let root = ["--custody", "root", "--user", "app=1000:1000"];
    for before in ["", ", securityContext: {runAsUser: 1000, runAsNonRoot: true}"] {
        let mut object = value(&injected_with(&one(&format!("command: [a]{before}")), &root).out);
        object["spec"]["containers"][0]["securityContext"]["runAsUser"] = json!(2000);
        let restored = value(&uninjected(&object.to_string()));
        let context = &restored["spec"]["containers"][0]["securityContext"];
        assert_eq!(context["runAsUser"], 2000);
        assert_eq!(context.get("runAsNonRoot"), (!before.is_empty()).then_some(&json!(true)));
    }
}

/// 500 services and 200 workloads, as one stream and as one list.
#[test]
fn a_large_mesh_takes_seconds() {
    let service =
        |number| format!("---\nkind: Service\nmetadata:\n  name: s{number}\nspec:\n  ports:\n  - port: 80\n");
    let workload = |number| CHART.replace("name: checkout\n", &format!("name: checkout-{number}\n"));
    let stream: String = (0..500).map(service).chain((0..200).map(workload)).collect();
    let items = |text: &str| {
        text.trim_start_matches("---\n").lines().map(|line| format!("  {line}\n")).collect::<String>()
    };
    let item = |text: String| format!("-\n{}", items(&text));
    let list: String = ["kind: List\nitems:\n".to_owned()]
        .into_iter()
        .chain((0..200).map(|number| item(workload(number))))
        .collect();
    let place = Place::new();
    for text in [stream, list] {
        place.write("in.yaml", text.as_bytes());
        let took = place.run_measured(&[&["inject", "in.yaml"], &OPTIONS[..]].concat(), "out.yaml", 0);
        println!("{} bytes in {took} s", text.len());
        let once = place.read("out.yaml");
        assert_eq!(once.matches("name: procgate-install").count(), 200);
        assert!(took < 10.0, "{took} s");
        assert_eq!(uninjected(&once), text);
    }
}

#[test]
fn a_file_of_fifty_megabytes_is_read_and_a_larger_one_refused() {
    let place = Place::new();
    let line = format!("  x: {}\n", "y".repeat(1_000));
    let lines: String = (0..1_000).map(|number| line.replace("x:", &format!("x{number}:"))).collect();
    let filler = format!("kind: ConfigMap\ndata:\n{lines}---\n");
    let mut text = filler.repeat(50);
    text.push_str(&one("command: [a]"));
    assert!(text.len() > 50_000_000);
    place.write("in.yaml", text.as_bytes());
    let took = place.run_measured(&[&["inject", "in.yaml"], &OPTIONS[..]].concat(), "out.yaml", 0);
    println!("{} bytes in {took} s", text.len());
    assert!(place.read("out.yaml").starts_with(&filler));
    place.write("in.yaml", filler.repeat(70).as_bytes());
    let ran = place.run(&[&["inject", "in.yaml"], &OPTIONS[..]].concat());
    assert!(ran.refused().contains("longer than"), "{ran:?}");
}
