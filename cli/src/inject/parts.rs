//! What is put into a pod: volumes, an init container, variables.

use super::container::Container;
use super::names::{self, FILES, FOLDER, INSTALLER, SHIM_VOLUME};
use super::pod::Pod;
use super::settings::Settings;
use crate::failure::Problem;
use crate::yaml::{Fault, Value};

/// Everybody in the container may read it: what is not secret.
const READABLE: u64 = 0o444;
/// The user of the init container, as in the shim's image.
const NOBODY: u64 = 65_532;

/// What the shim is told: what the manifest knows by its value, what only the cluster knows by the downward API.
pub(super) fn variables<'a>(
    container: &Container<'_>,
    settings: &Settings,
    labels: &str,
    user: Option<&str>,
) -> Vec<(&'a str, (&'a str, Value))> {
    let literal = |text: &str| ("value", Value::from(text));
    let field =
        |path: &str| ("valueFrom", Value::map([("fieldRef", Value::map([("fieldPath", path.into())]))]));
    let mut all = vec![
        ("PROCGATE_KEY", literal(&format!("{FILES}/key.jwk"))),
        ("PROCGATE_TRUST_DOMAIN", literal(settings.trust_domain.name())),
        ("PROCGATE_NAMESPACE", field("metadata.namespace")),
        ("PROCGATE_SERVICE_ACCOUNT", field("spec.serviceAccountName")),
        ("PROCGATE_CONTAINER", literal(container.name)),
        ("PROCGATE_CARRIER", literal(settings.carrier.name())),
    ];
    if settings.code_list.is_some() {
        all.push(("PROCGATE_CODE_LIST", literal(&format!("{FILES}/code.list"))));
    }
    if !labels.is_empty() {
        all.push(("PROCGATE_LABELS", literal(labels)));
    }
    if let Some(user) = user {
        all.extend([("PROCGATE_USER", literal(user)), ("PROCGATE_STRICT", literal("true"))]);
    }
    all
}

/// The key and the code list of one container, in a volume that it alone mounts.
pub(super) fn key_volume(
    container: &Container<'_>,
    pod: &Pod<'_>,
    settings: &Settings,
    mode: u64,
) -> Result<(String, Value), Fault> {
    let fault = |problem| Fault { line: container.node.line, problem };
    let name = names::key_volume(container.name).ok_or_else(|| {
        fault(
            Problem::new(format!("the name {} is too long for a volume's", container.name))
                .next("shorten it"),
        )
    })?;
    let (workload, container) = (pod.object.name.as_str(), container.name);
    if workload.is_empty() {
        let problem = Problem::new(format!("a {} without a name", pod.object.kind));
        return Err(fault(problem.next("give it one: its key's Secret is called after it")));
    }
    let source = |kind: &str, field: &str, object: String, key: String, path: &str, mode: u64| {
        let item = Value::map([("key", key.into()), ("path", path.into()), ("mode", mode.into())]);
        Value::map([(kind, Value::map([(field, object.into()), ("items", Value::List(vec![item]))]))])
    };
    let secret = settings.key_secret.fill(workload, container).map_err(fault)?;
    let mut sources = vec![source("secret", "name", secret, format!("{container}.jwk"), "key.jwk", mode)];
    if let Some(pattern) = &settings.code_list {
        let map = pattern.fill(workload, container).map_err(fault)?;
        sources.push(source("configMap", "name", map, format!("{container}.list"), "code.list", READABLE));
    }
    let projected = Value::map([("sources", Value::List(sources))]);
    let volume = Value::map([("name", name.as_str().into()), ("projected", projected)]);
    Ok((name, volume))
}

pub(super) fn shim_volume(settings: &Settings) -> Value {
    let source = if settings.image_volume {
        (
            "image",
            Value::map([
                ("reference", settings.image.as_str().into()),
                ("pullPolicy", "IfNotPresent".into()),
            ]),
        )
    } else {
        ("emptyDir", Value::map([("sizeLimit", "32Mi".into())]))
    };
    Value::map([("name", SHIM_VOLUME.into()), source])
}

/// The init container that puts the shim into its volume, with what the Pod Security Standard `restricted` asks for.
pub(super) fn installer(settings: &Settings) -> Value {
    let security = Value::map([
        ("runAsUser", NOBODY.into()),
        ("runAsGroup", NOBODY.into()),
        ("runAsNonRoot", true.into()),
        ("readOnlyRootFilesystem", true.into()),
        ("allowPrivilegeEscalation", false.into()),
        ("capabilities", Value::map([("drop", Value::texts(["ALL"]))])),
        ("seccompProfile", Value::map([("type", "RuntimeDefault".into())])),
    ]);
    let amount = |cpu: &str, memory: &str| Value::map([("cpu", cpu.into()), ("memory", memory.into())]);
    Value::map([
        ("name", INSTALLER.into()),
        ("image", settings.image.as_str().into()),
        ("command", Value::texts(["/procgate-shim", "install", FOLDER])),
        ("resources", Value::map([("requests", amount("10m", "16Mi")), ("limits", amount("200m", "64Mi"))])),
        ("securityContext", security),
        (
            "volumeMounts",
            Value::List(vec![Value::map([("name", SHIM_VOLUME.into()), ("mountPath", FOLDER.into())])]),
        ),
    ])
}
