//! What injection puts into a pod is called so, and found again by these names.

/// Where the shim is in a container that starts it.
pub(super) const FOLDER: &str = "/opt/procgate";
/// The shim itself; its image and `procgate-shim install` call it so.
pub(super) const SHIM: &str = "/opt/procgate/procgate-shim";
/// Where the container's key and code list are.
pub(super) const FILES: &str = "/run/procgate";
/// The volume with the shim.
pub(super) const SHIM_VOLUME: &str = "procgate-shim";
/// The init container that puts it there.
pub(super) const INSTALLER: &str = "procgate-install";

/// "true" or "false", of a pod: all of it.
pub(super) const INJECT: &str = "procgate.dev/inject";
/// Of a pod: exactly these containers, divided by commas, init containers too.
pub(super) const CONTAINERS: &str = "procgate.dev/containers";
/// Of an injected pod: what was there before.
pub(super) const INJECTED: &str = "procgate.dev/injected";

/// What Istio puts into a pod itself.
pub(super) const MESH: [&str; 3] = ["istio-proxy", "istio-init", "istio-validation"];

/// Letters of a volume's name (RFC 1123 label).
const MAX_NAME: usize = 63;

/// The words in front of a program's own.
pub(super) fn prefix() -> [&'static str; 3] {
    [SHIM, "run", "--"]
}

/// The volume with a container's key; nothing for a name that is too long for one.
pub(super) fn key_volume(container: &str) -> Option<String> {
    let name = format!("procgate-key-{container}");
    (name.len() <= MAX_NAME).then_some(name)
}
