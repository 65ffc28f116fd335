//! The project's own manifests, with what an installation fills in.

use serde_json::Value;

/// What is written, in this order: every path below istio-manifests/.
macro_rules! embedded {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../../istio-manifests/", $path)))),+]
    };
}

/// Paths and texts of all templates.
pub(super) const TEMPLATES: &[(&str, &str)] = embedded![
    "admission/audit/binding.yaml",
    "admission/audit/kustomization.yaml",
    "admission/deny/binding.yaml",
    "admission/deny/kustomization.yaml",
    "admission/policy/kustomization.yaml",
    "admission/policy/policy.yaml",
    "base/kustomization.yaml",
    "base/listeners.yaml",
    "base/log.yaml",
    "base/network.yaml",
    "http/http.yaml",
    "http/kustomization.yaml",
    "mesh/kustomization.yaml",
    "mesh/meshconfig.yaml",
    "mesh/telemetry.yaml",
    "mtls/kustomization.yaml",
    "mtls/tls.yaml",
    "overlays/audit/kustomization.yaml",
    "overlays/audit/network.yaml",
    "overlays/enforce/kustomization.yaml",
    "overlays/enforce/network.yaml",
    "overlays/header-only/kustomization.yaml",
    "overlays/receiver/kustomization.yaml",
    "overlays/receiver/network.yaml",
    "overlays/strict/kustomization.yaml",
    "receiver/connections.yaml",
    "receiver/http.yaml",
    "receiver/kustomization.yaml",
    "strict/kustomization.yaml",
    "strict/sidecar.yaml",
    "traffic-extension/http.yaml",
    "traffic-extension/kustomization.yaml",
];

/// A value and the place in the templates that it takes, quotes included: `"${PROCGATE_…}"` becomes JSON, which
/// is YAML.
pub(super) type Parameter = (&'static str, Value);

/// Fills the parameters in; a line whose value is null is left out. What one of them contains is not looked at again.
pub(super) fn fill(template: &str, parameters: &[Parameter]) -> String {
    let nulls: Vec<_> = parameters.iter().filter(|(_, value)| value.is_null()).collect();
    let stays = |line: &&str| nulls.iter().all(|(name, _)| !line.contains(&format!("\"${{{name}}}\"")));
    template.split_inclusive('\n').filter(stays).map(|line| fill_line(line, parameters)).collect()
}

fn fill_line(line: &str, parameters: &[Parameter]) -> String {
    let mut filled = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, from)) = rest.split_once("\"${") {
        filled.push_str(before);
        let Some((name, after)) = from.split_once("}\"") else {
            filled.push_str("\"${");
            rest = from;
            continue;
        };
        match parameters.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => filled.push_str(&value.to_string()),
            None => filled.extend(["\"${", name, "}\""]),
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_that_looks_like_a_parameter_stays_as_it_is() {
        let parameters = [("A", json!("\"${B}\"")), ("B", json!(1))];
        assert_eq!(fill("x: \"${A}\"\ny: \"${B}\"\n", &parameters), "x: \"\\\"${B}\\\"\"\ny: 1\n");
    }

    #[test]
    fn a_line_without_a_value_is_left_out() {
        let parameters = [("A", Value::Null), ("B", json!("\"${A}\""))];
        assert_eq!(fill("x: \"${B}\"\n  y: \"${A}\"\nz: 1\n", &parameters), "x: \"\\\"${A}\\\"\"\nz: 1\n");
    }

    #[test]
    fn every_file_of_the_folder_is_embedded() {
        fn walk(folder: &std::path::Path, found: &mut Vec<String>, root: &std::path::Path) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found, root);
                } else if path.extension().is_some_and(|end| end == "yaml") {
                    found.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
                }
            }
        }
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../istio-manifests");
        let mut found = Vec::new();
        walk(&root, &mut found, &root);
        found.sort();
        let embedded: Vec<_> = TEMPLATES.iter().map(|(path, _)| *path).collect();
        assert_eq!(embedded, found);
    }
}
