//! What a kubelet and its runtime make of a container in a pod's spec, without either: its volumes, its user, its
//! variables and its command, in a mount namespace of its own. Only root may do that.

use crate::netns::Namespace;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A pod that runs nowhere but here.
#[derive(Debug)]
pub struct Kubelet<'a> {
    /// The pod's network.
    pub network: &'a Namespace,
    /// The pod's spec.
    pub spec: Value,
    /// What the downward API knows of it, by field path.
    pub fields: BTreeMap<&'static str, &'static str>,
    volumes: TempDir,
}

/// What a container's image is.
#[derive(Clone, Copy, Debug)]
pub enum Image<'a> {
    /// All that this machine has; /opt and /run are empty.
    ThisMachine,
    /// This program at the root, and nothing else.
    Only(&'a Path),
}

/// Mounts each SOURCE TARGET OPTION below a root, and becomes the command behind `--`.
const START: &str = r#"
root=$1; shift
if [ -z "$root" ]; then
  mount -t tmpfs none /opt; mount -t tmpfs none /run
else
  mkdir -p "$root/proc"; mount --rbind /proc "$root/proc"
fi
while [ "$1" != -- ]; do
  mkdir -p "$root$2"; mount --bind "$1" "$root$2"; mount -o "remount,bind,$3" "$root$2"; shift 3
done
shift
exec "$@""#;

impl<'a> Kubelet<'a> {
    /// Makes the volumes of a pod's spec. Files of Secrets and ConfigMaps are found by `object/key`.
    ///
    /// # Panics
    /// Where the spec has something that is not known here.
    #[must_use]
    pub fn new(network: &'a Namespace, spec: Value, files: &BTreeMap<&str, PathBuf>) -> Self {
        let volumes = crate::pod::folder();
        for volume in spec["volumes"].as_array().unwrap() {
            let folder = volumes.path().join(volume["name"].as_str().unwrap());
            fs::create_dir(&folder).unwrap();
            if volume["emptyDir"].is_object() {
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
                continue;
            }
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
            for source in volume["projected"]["sources"].as_array().expect("a volume of a known kind") {
                let source = source.get("secret").or_else(|| source.get("configMap")).unwrap();
                for item in source["items"].as_array().unwrap() {
                    let text = |value: &Value| value.as_str().unwrap().to_owned();
                    let from = format!("{}/{}", text(&source["name"]), text(&item["key"]));
                    let path = folder.join(text(&item["path"]));
                    fs::copy(files.get(from.as_str()).unwrap_or_else(|| panic!("no {from}")), &path).unwrap();
                    let mode = u32::try_from(item["mode"].as_u64().unwrap()).unwrap();
                    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
                }
            }
        }
        Self { network, spec, fields: BTreeMap::new(), volumes }
    }

    /// The container of this name, with further arguments.
    ///
    /// # Panics
    /// Where there is none, or it wants something that is not known here.
    #[must_use]
    pub fn container(&self, name: &str, image: Image<'_>) -> Command {
        let lists = [&self.spec["initContainers"], &self.spec["containers"]];
        let all = lists.into_iter().filter_map(Value::as_array).flatten();
        let container = all.clone().find(|item| item["name"] == name).expect("a container of that name");
        let mut command = self.network.command("unshare");
        command.args(["--mount", "--propagation", "private", "--", "sh", "-euc", START, "sh"]);
        let root = self.root(name, image);
        command.arg(&root);
        for mount in container["volumeMounts"].as_array().into_iter().flatten() {
            command.arg(self.volumes.path().join(mount["name"].as_str().unwrap()));
            command.arg(mount["mountPath"].as_str().unwrap());
            command.arg(if mount["readOnly"] == true { "ro" } else { "rw" });
        }
        command.args([
            "--",
            "env",
            "-i",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ]);
        command.args(container["env"].as_array().into_iter().flatten().map(|entry| self.variable(entry)));
        match image {
            Image::ThisMachine => command.args(self.confinement(container)),
            // There is nothing in it that could confine. A user who is not root has no capability.
            Image::Only(_) => {
                let (user, group) = self.user(container);
                command
                    .args(["chroot".to_owned(), format!("--userspec={user}:{group}"), "--groups=".into()])
                    .arg(root)
            }
        };
        command.args(words(&container["command"])).args(words(&container["args"]));
        command
    }

    fn root(&self, name: &str, image: Image<'_>) -> PathBuf {
        let Image::Only(program) = image else { return PathBuf::new() };
        let root = self.volumes.path().join(format!("root of {name}"));
        fs::create_dir(&root).unwrap();
        fs::copy(program, root.join(program.file_name().unwrap())).unwrap();
        root
    }

    /// A field of the security context: the container's own, or else the pod's.
    fn security(&self, container: &Value, name: &str) -> Value {
        let own = &container["securityContext"][name];
        if own.is_null() { self.spec["securityContext"][name].clone() } else { own.clone() }
    }

    /// Its user and group. An image whose container says neither is root's.
    fn user(&self, container: &Value) -> (u64, u64) {
        let number = |name: &str| self.security(container, name).as_u64().unwrap_or_default();
        let user = number("runAsUser");
        let refused = user == 0 && self.security(container, "runAsNonRoot") == true;
        assert!(!refused, "the kubelet refuses to start it as root");
        (user, number("runAsGroup"))
    }

    /// User, group, capabilities and new privileges, as the security context says.
    fn confinement(&self, container: &Value) -> Vec<String> {
        let (user, group) = self.user(container);
        let mut words = ["setpriv", "--clear-groups"].map(String::from).to_vec();
        words.extend([format!("--reuid={user}"), format!("--regid={group}")]);
        if self.security(container, "allowPrivilegeEscalation") == false {
            words.push("--no-new-privs".into());
        }
        let capabilities = &container["securityContext"]["capabilities"];
        if self::words(&capabilities["drop"]) == ["ALL"] {
            let added = self::words(&capabilities["add"]);
            let added = added.iter().map(|name| format!(",+{}", name.to_lowercase()));
            words.push(format!("--bounding-set=-all{}", added.collect::<String>()));
        }
        words
    }

    fn variable(&self, entry: &Value) -> String {
        let name = entry["name"].as_str().unwrap();
        let field = || self.fields[entry["valueFrom"]["fieldRef"]["fieldPath"].as_str().unwrap()];
        format!("{name}={}", entry["value"].as_str().unwrap_or_else(field))
    }
}

fn words(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().map(|word| word.as_str().unwrap().to_owned()).collect()
}
