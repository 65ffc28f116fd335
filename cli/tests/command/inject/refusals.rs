//! What is told, and what is refused.

use super::{IMAGE, OPTIONS, injected_with, one, pod, refused};
use crate::place::Place;

#[test]
fn what_makes_the_promise_smaller_is_told_and_what_breaks_it_refused() {
    let with = |spec: &str, container: &str| {
        pod(&format!("{{{spec}, containers: [{{name: app, command: [a], {container}}}]}}"))
    };
    for (spec, container, what) in [
        ("shareProcessNamespace: true", "", "share their processes"),
        ("hostPID: On", "", "all processes of the node"),
        ("x: 1", "securityContext: {capabilities: {add: [cap_net_raw]}}", "has NET_RAW"),
        ("runtimeClassName: gvisor", "", "another runtime"),
        ("x: 1", "securityContext: {privileged: true}", "is privileged"),
        ("x: 1", "securityContext: {capabilities: {add: [CAP_SYS_PTRACE]}}", "has SYS_PTRACE"),
        ("x: 1", "securityContext: {runAsUser: 1337}", "the proxy's own"),
        ("x: 1", "securityContext: {seccompProfile: {type: Localhost}}", "seccomp profile of its own"),
        ("x: 1", "readinessProbe: {exec: {command: [b]}}", "exec probe"),
        ("x: 1", "lifecycle: {preStop: {exec: {command: [b]}}}", "exec probe or hook"),
    ] {
        let ran = injected_with(&with(spec, container), &[]);
        let line =
            ran.err.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {}", ran.err));
        assert!(line.contains("document 1, line 3 (Pod checkout"), "{line}");
        assert!(!injected_with(&with("x: 1", "tty: true"), &[]).err.contains(what));
    }
    for (spec, what) in [
        ("hostNetwork: true", "hostNetwork"),
        ("hostNetwork: yes", "hostNetwork"),
        ("os: {name: windows}", "Windows"),
        ("nodeSelector: {kubernetes.io/os: windows}", "Windows"),
        ("nodeSelector: {beta.kubernetes.io/os: windows}", "Windows"),
        (
            "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: \
             [{key: zone, operator: In, values: [a]}, {key: kubernetes.io/os, operator: In, values: [windows]}]}]}}}",
            "Windows",
        ),
        ("securityContext: {windowsOptions: {runAsUserName: a}}", "Windows"),
    ] {
        let line = refused(&with(spec, "tty: true"), &[]);
        assert!(line.contains(what) && line.contains("procgate.dev/inject: \"false\""), "{line}");
    }
}

#[test]
fn what_readers_differ_about_is_refused_where_it_decides() {
    for (spec, container, what) in [
        ("hostNetwork: !!bool \"true\"", "", "spec.hostNetwork is neither true nor false"),
        ("hostNetwork: \"true\"", "", "spec.hostNetwork is neither true nor false"),
        ("hostPID: 1", "", "spec.hostPID is neither"),
        ("shareProcessNamespace: \"on\"", "", "spec.shareProcessNamespace is neither"),
        ("x: 1", "securityContext: {privileged: !!bool \"true\"}", "securityContext.privileged is neither"),
        ("x: 1", "securityContext: {runAsUser: !!int \"1337\"}", "runAsUser is no number"),
        ("securityContext: {fsGroup: 0x539}", "", "fsGroup is no number"),
    ] {
        let line = refused(
            &pod(&format!("{{{spec}, containers: [{{name: app, command: [a], {container}}}]}}")),
            &[],
        );
        assert!(line.contains("document 1, line 3") && line.contains(what), "{line}");
    }
    let null = "{hostNetwork: null, securityContext: {fsGroup: ~}, containers: [{name: app, command: [a]}]}";
    injected_with(&pod(null), &[]);
    let windows = "securityContext: {windowsOptions: {}}";
    assert!(refused(&one(&format!("command: [a], {windows}")), &[]).contains("Windows"));
}

#[test]
fn a_template_in_quotes_is_refused_where_a_name_or_a_program_should_be() {
    let template = "\"{{ .Values.x }}\"";
    for (metadata, spec, container) in [
        (format!("namespace: {template}"), String::new(), String::new()),
        (format!("labels: {{tier: {template}}}"), String::new(), String::new()),
        (String::new(), format!("serviceAccountName: {template},"), String::new()),
        (String::new(), String::new(), format!("image: {template}, command: [a]")),
        (String::new(), String::new(), format!("command: [{template}]")),
        (String::new(), String::new(), format!("command: [a]}}, {{name: {template}, command: [a]")),
    ] {
        let text = format!(
            "kind: Pod\nmetadata: {{name: w, {metadata}}}\nspec: {{{spec} containers: [{{name: a, {container}}}]}}\n"
        );
        let line = refused(&text, &[]);
        assert!(line.contains("a template that nobody has filled in"), "{text}: {line}");
        let at = text.lines().position(|line| line.contains("{{")).unwrap() + 1;
        assert!(line.contains(&format!("document 1, line {at}: ")), "{line}");
    }
    injected_with(
        "kind: Pod\nmetadata: {name: w, annotations: {vault.hashicorp.com/agent-inject-template-a: \"{{ with secret }}\"}}\n\
         spec: {containers: [{name: a, command: [a, \"--format={{.Name}}\"], args: [\"{{.ID}}\"], env: [{name: T, value: \"{{.X}}\"}]}]}\n",
        &[],
    );
}

#[test]
fn bad_input_is_refused_with_its_place_and_nothing_is_written() {
    let place = Place::new();
    let fine = one("command: [a]");
    for (text, line, what) in [
        (
            "kind: Deployment\nmetadata:\n  name: {{ .Release.Name }}\n",
            3,
            "a template that nobody has filled in",
        ),
        (
            "kind: Pod\nmetadata:\n  name: '{{ x }}'\nspec: {containers: [{name: a, command: [x]}]}\n",
            3,
            "a template that nobody has filled in",
        ),
        ("{{- if .Values.x }}\nkind: Pod\n{{- end }}\n", 1, "a template that nobody has filled in"),
        ("kind: Pod\nspec:\n\tcontainers: []\n", 3, "indent with spaces"),
        ("kind: Pod\nkind: Pod\n", 2, "the field \"kind\" is there twice"),
        (
            "kind: Pod\nspec: {containers: [{name: a, command: [x]}, {name: a}]}\n",
            2,
            "two containers are called a",
        ),
        ("kind: Pod\nspec: {containers: [{command: [x]}]}\n", 2, "a container without a name"),
        (
            "kind: Deployment\nmetadata: {name: w}\nspec: {template: {}}\n",
            1,
            "has no containers where its kind has them",
        ),
        ("kind: Pod\nspec: {containers: [}\n", 2, "not YAML"),
        ("kind: Pod\nspec: {containers: [{name: a\n", 2, "not YAML"),
        ("kind: Pod\nx: &c {name: a}\nspec: {containers: [*c]}\n", 3, "a container that is no mapping"),
        ("kind: Pod\nspec: {containers: [{name: a, <<: {command: [x]}}]}\n", 2, "a merged key"),
        (
            "kind: Pod\nmetadata: {name: w}\nspec: {containers: [{name: a, command: [x], env: {A: b}}]}\n",
            3,
            "env is not what its name says",
        ),
        (
            "kind: Pod\nmetadata: {name: w}\nspec: {containers: [{name: a, command: [x], env: [&e {name: A}]}, {name: b, command: &c [x], env: *e, args: *c}]}\n",
            3,
            "env is an alias",
        ),
        (
            "kind: Pod\nmetadata: {name: w}\nspec: {containers: [{name: a, command: [x]}], volumes: [{name: procgate-shim}]}\n",
            3,
            "has procgate-shim already",
        ),
        (
            "kind: Pod\nmetadata: {name: w, annotations: {procgate.dev/injected: x}}\nspec: {containers: [{name: a, command: [x]}]}\n",
            2,
            "none that is known here",
        ),
        ("kind: Pod\nspec: {containers: [{name: a, command: [x]}]}\n", 2, "a Pod without a name"),
    ] {
        let stream = format!("{fine}---\n{text}");
        place.write("in.yaml", stream.as_bytes());
        place.write("out.yaml", b"as it was");
        let ran = place.run(&[&["inject", "in.yaml", "--out", "out.yaml"], &OPTIONS[..]].concat());
        let said = ran.refused();
        let at = format!("in.yaml: document 2, line {}: ", fine.lines().count() + 1 + line);
        assert!(said.starts_with(&at) && said.contains(what), "{text}: {said}");
        assert_eq!(place.read("out.yaml"), "as it was");
        assert_eq!(place.names(), ["in.yaml", "out.yaml"]);
    }
}

#[test]
fn nothing_is_merged_into_a_pod_unseen() {
    let container = "containers: [{name: a, command: [x]}]";
    for text in [
        format!("x: &b {{hostNetwork: true}}\nkind: Pod\nspec: {{<<: *b, {container}}}\n"),
        format!(
            "kind: Pod\nmetadata: {{annotations: {{<<: {{procgate.dev/inject: \"false\"}}}}}}\nspec: {{{container}}}\n"
        ),
        "kind: Pod\n\nspec: {containers: [{name: a, securityContext: {<<: {privileged: true}}}]}\n"
            .to_owned(),
    ] {
        let line = refused(&text, &[]);
        let at = text.lines().position(|line| line.contains("<<")).unwrap() + 1;
        assert!(line.contains(&format!("line {at}: Pod")) && line.contains("a merged key"), "{line}");
    }
}

#[test]
fn nothing_that_decides_is_taken_from_elsewhere_unseen() {
    for (text, told) in [
        ("x: &t true\nkind: Pod\nspec: {hostNetwork: *t, CONTAINER}\n", "an alias for hostNetwork"),
        (
            "x: &a {procgate.dev/inject: \"false\"}\nkind: Pod\nmetadata: {annotations: *a}\nspec: {CONTAINER}\n",
            "an alias for annotations",
        ),
        (
            "x: &s {privileged: true}\nkind: Pod\nspec: {securityContext: *s, CONTAINER}\n",
            "an alias for securityContext",
        ),
        (
            "x: &c ALL\nkind: Pod\nspec: {containers: [{name: a, command: [x], securityContext: {capabilities: {add: [*c]}}}]}\n",
            "an alias for add",
        ),
    ] {
        let line = refused(&text.replace("CONTAINER", "containers: [{name: a, command: [x]}]"), &[]);
        assert!(line.contains(told), "{line}");
    }
}

#[test]
fn an_image_without_a_digest_and_other_slips_of_the_line_are_refused() {
    let place = Place::new();
    let line = |more: &[&str]| {
        place
            .run_with_input(&[&["inject", "--trust-domain", "shop.example"], more].concat(), b"")
            .refused()
            .to_owned()
    };
    assert!(line(&["--shim-image", "shim:1"]).contains("is not pinned"));
    for (option, value) in [
        ("--label", "x"),
        ("--label", "a=b,c"),
        ("--key-secret", "Keys"),
        ("--key-secret", "{pod}"),
        ("--user", "app=root"),
        ("--user", "1000"),
    ] {
        assert!(line(&["--shim-image", IMAGE, option, value]).starts_with(&format!("{option} {value}: ")));
    }
    let long = "w".repeat(250);
    let named =
        format!("kind: Pod\nmetadata: {{name: {long}}}\nspec: {{containers: [{{name: a, command: [a]}}]}}\n");
    for (option, pattern) in
        [("--key-secret", "procgate-{workload}"), ("--code-list", "{workload}-{container}-x")]
    {
        let line = refused(&named, &[option, pattern]);
        assert!(
            line.contains("document 1, line 3") && line.contains("253 letters of an object's name"),
            "{line}"
        );
    }
    assert!(refused(&one("command: [a]"), &["--pod-label", "tier"]).contains("has no label tier"));
    let ran = place.run_with_input(&["inject", "--trust-domain", "a b", "--shim-image", IMAGE], b"");
    assert!(ran.refused().starts_with("--trust-domain a b: "));
}

#[test]
fn a_hostile_document_is_refused_within_bounds() {
    let bomb: String = (1..9)
        .map(|level| format!("b{level}: &b{level} [{}]\n", format!("*b{},", level - 1).repeat(10)))
        .collect();
    for (text, what) in [
        (format!("a: {}\n", "[".repeat(5_000)), "recursion limit"),
        (format!("kind: X\nitems:\n{}", "- a: b\n".repeat(400_000)), "more than 1000000 values"),
        (format!("b0: &b0 [x]\n{bomb}{}", one("command: [a]")), "cannot be edited"),
    ] {
        let line = refused(&text, &[]);
        assert!(line.contains(what), "{line}");
    }
}
