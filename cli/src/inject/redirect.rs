//! What a pod says of the mesh's redirect rules: where they do not lead to a proxy, nobody takes the token off.

use super::findings::Remark;
use super::pod::Pod;
use super::selection::Selection;
use crate::yaml::Node;

const SIDECAR: &str = "sidecar.istio.io/inject";
const MODE: &str = "sidecar.istio.io/interceptionMode";
/// What leaves destinations out, and the value with which it does not.
const EXCLUDING: [(&str, &str); 4] = [
    (PORTS, ""),
    (RANGES, ""),
    ("traffic.sidecar.istio.io/includeOutboundIPRanges", "*"),
    ("traffic.sidecar.istio.io/excludeInterfaces", ""),
];
const PORTS: &str = "traffic.sidecar.istio.io/excludeOutboundPorts";
const RANGES: &str = "traffic.sidecar.istio.io/excludeOutboundIPRanges";

/// What there is to say of it.
pub(super) fn warnings<'a>(pod: &Pod<'a>, selection: &Selection<'a>) -> Vec<Remark<'a>> {
    let mut remarks = Vec::new();
    let mut at = |node: &Node<'_>, text: String| {
        remarks.push(Remark { line: node.line, container: None, text });
    };
    // The label counts where there are both.
    let inject =
        pod.label(SIDECAR).or_else(|| pod.annotation(SIDECAR)).filter(|node| node.text() == Some("false"));
    let mode = pod.annotation(MODE).filter(|node| node.text() == Some("NONE"));
    for (name, node) in [(SIDECAR, inject), (MODE, mode)] {
        let Some(node) = node else { continue };
        let text = format!(
            "no proxy takes this pod's connections ({name}), and its servers would read the token as payload; leave the pod \
             as it is, with the annotation procgate.dev/inject: \"false\""
        );
        at(node, text);
    }
    if selection.chosen.iter().all(|container| container.variable("PROCGATE_EXEMPT").is_some()) {
        return remarks;
    }
    for (name, harmless) in EXCLUDING {
        let Some(node) = pod.annotation(name) else { continue };
        let value = node.text().unwrap_or_default();
        if value == harmless {
            continue;
        }
        let exempt = exempt(name, value);
        let text = format!(
            "some connections go around the proxy ({name}), and their servers would read the token as payload; let the \
             containers have {exempt} in their env"
        );
        at(node, text);
    }
    remarks
}

/// The variable with which the shim leaves alone what this annotation excludes.
fn exempt(name: &str, value: &str) -> String {
    let parts = |each: fn(&str) -> String| {
        let parts: Vec<_> = value.split(',').map(|part| each(part.trim())).collect();
        format!("PROCGATE_EXEMPT: {}", parts.join(","))
    };
    match name {
        PORTS => parts(|port| format!("0.0.0.0/0:{port},[::/0]:{port}")),
        RANGES => parts(str::to_owned),
        _ => "PROCGATE_EXEMPT, with the addresses of these, such as 10.0.0.0/8 or 10.0.0.0/8:443,".to_owned(),
    }
}
