//! The edits that put the shim into one pod.

use super::container::Container;
use super::custody::{self, Arrangement, Custody};
use super::draft::{Draft, End};
use super::findings::Remark;
use super::names::{self, FILES, FOLDER, INJECTED, INSTALLER, SHIM_VOLUME};
use super::parts::{installer, key_volume, shim_volume, variables};
use super::pod::Pod;
use super::program::{Program, program};
use super::record::{Injected, Record};
use super::selection::Selection;
use super::settings::Settings;
use crate::failure::Problem;
use crate::yaml::{Edit, Fault, Node, Value};
use procgate_identity::Labels;
use std::collections::BTreeMap;

/// What is to be done with a pod.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) edits: Vec<Edit>,
    pub(super) notes: Vec<Remark<'a>>,
    pub(super) warnings: Vec<Remark<'a>>,
}

/// Plans it for the chosen containers.
pub(super) fn plan<'a>(
    pod: &Pod<'a>,
    selection: &Selection<'a>,
    settings: &Settings,
) -> Result<Plan<'a>, Vec<Fault>> {
    let mut plan = Plan { edits: Vec::new(), notes: Vec::new(), warnings: Vec::new() };
    let mut record = Record::new();
    let mut volumes = vec![shim_volume(settings)];
    let mut faults: Vec<Fault> = taken(pod).into_iter().collect();
    let labels = labels(pod, settings).unwrap_or_else(|fault| {
        faults.push(fault);
        String::new()
    });
    for container in &selection.chosen {
        match of_container(container, pod, settings, &labels) {
            Ok(done) => {
                let own = done.own.iter().map(|(name, node)| {
                    let text = format!(
                        "says {name} itself, and that counts: what the options say of it is left out"
                    );
                    container.remark_at(node.line, text)
                });
                plan.warnings.extend(own);
                plan.edits.extend(done.edits);
                plan.notes.push(container.remark(done.arrangement.note));
                plan.warnings
                    .extend(done.arrangement.warnings.into_iter().map(|text| container.remark(text)));
                volumes.push(done.volume);
                record.containers.insert(container.name.to_owned(), done.injected);
            }
            Err(fault) => faults.push(fault),
        }
    }
    match of_pod(pod, settings, volumes, record) {
        Ok(edits) => plan.edits.extend(edits),
        Err(fault) => faults.push(fault),
    }
    if faults.is_empty() { Ok(plan) } else { Err(faults) }
}

fn of_pod(
    pod: &Pod<'_>,
    settings: &Settings,
    volumes: Vec<Value>,
    mut record: Record,
) -> Result<Vec<Edit>, Fault> {
    let mut draft = Draft::new(pod.path.clone(), pod.node);
    draft.extend("spec.volumes", volumes, End::Back)?;
    if !settings.image_volume {
        draft.extend("spec.initContainers", vec![installer(settings)], End::Front)?;
    }
    draft.annotate(INJECTED, |changes| {
        record.pod = changes.clone();
        record.text()
    })
}

/// One container's part.
struct Done<'a> {
    /// Variables that its own manifest says.
    own: Vec<(&'a str, &'a Node<'a>)>,
    edits: Vec<Edit>,
    injected: Injected,
    volume: Value,
    arrangement: Arrangement,
}

fn of_container<'a>(
    container: &Container<'a>,
    pod: &Pod<'a>,
    settings: &Settings,
    labels: &str,
) -> Result<Done<'a>, Fault> {
    let mut draft = Draft::new(container.path.clone(), container.node);
    let prefix = names::prefix();
    let mut told = BTreeMap::new();
    match program(container, &pod.object.name, settings)? {
        Program::Written => {
            let words = prefix.iter().map(|word| (*word).into()).collect();
            draft.extend("command", words, End::Front)?;
        }
        Program::Told { command, args } => {
            let command = prefix.iter().map(ToString::to_string).chain(command).collect();
            told.insert("command".to_owned(), command);
            told.extend(args.map(|args| ("args".to_owned(), args)));
            for (field, words) in &told {
                draft.set(field, Value::texts(words))?;
            }
        }
    }
    let arrangement = custody::arrange(container, pod, settings, &mut draft)?;
    let env = variables(container, settings, labels, arrangement.user.as_deref());
    let own: Vec<_> = env.iter().filter_map(|(name, _)| Some((*name, container.variable(name)?))).collect();
    if settings.custody == Custody::Root {
        own.iter().try_for_each(|(name, node)| guard(container, name, node))?;
    }
    let env: Vec<_> =
        env.into_iter().filter(|(name, _)| own.iter().all(|(other, _)| other != name)).collect();
    let names = env.iter().map(|(name, _)| (*name).to_owned()).collect();
    let item =
        |(name, (field, value)): (&str, (&str, Value))| Value::map([("name", name.into()), (field, value)]);
    draft.extend("env", env.into_iter().map(item).collect(), End::Back)?;
    let (name, volume) = key_volume(container, pod, settings, arrangement.mode)?;
    let mounts = [(SHIM_VOLUME, FOLDER), (&name, FILES)];
    let mount = |(name, path): &(&str, &str)| {
        Value::map([("name", (*name).into()), ("mountPath", (*path).into()), ("readOnly", true.into())])
    };
    draft.extend("volumeMounts", mounts.iter().map(mount).collect(), End::Back)?;
    let capabilities = arrangement.capabilities.clone();
    let (edits, changes) = draft.finish();
    Ok(Done {
        own,
        edits,
        injected: Injected { changes, words: told, env: names, capabilities },
        volume,
        arrangement,
    })
}

/// Refuses a variable with which the manifest would undo root's custody.
fn guard(container: &Container<'_>, name: &str, node: &Node<'_>) -> Result<(), Fault> {
    if !["PROCGATE_KEY", "PROCGATE_USER", "PROCGATE_STRICT"].contains(&name) {
        return Ok(());
    }
    let what = format!("--custody root: container {} says {name} itself", container.name);
    let next = "leave it out of its env: who reads the key depends on it";
    Err(Fault { line: node.line, problem: Problem::new(what).next(next) })
}

/// The labels to sign: those of the command line, and those of the pod that it names.
fn labels(pod: &Pod<'_>, settings: &Settings) -> Result<String, Fault> {
    let fault = |problem: Problem| Fault { line: pod.node.line, problem };
    let mut labels = settings.labels.clone();
    for name in &settings.pod_labels {
        let value = pod.label(name).and_then(Node::text);
        let value = value.ok_or_else(|| {
            let problem = Problem::new(format!("the pod of {} has no label {name}", pod.object));
            fault(problem.next("give it one, or leave --pod-label out"))
        })?;
        labels.push((name.clone(), value.to_owned()));
    }
    Labels::from_pairs(labels.clone())
        .map_err(|error| fault(Problem::new(error).at(pod.object.to_string())))?;
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Ok(pairs.join(","))
}

/// A name that the pod uses for something else.
fn taken(pod: &Pod<'_>) -> Option<Fault> {
    let named = |list: &str| pod.node.items_at(list).iter();
    let ours = |item: &&Node<'_>| {
        item.text_at("name")
            .is_some_and(|name| name == SHIM_VOLUME || name == INSTALLER || name.starts_with("procgate-key-"))
    };
    let node = named("spec.volumes").chain(named("spec.initContainers")).find(ours)?;
    let name = node.text_at("name").unwrap_or_default();
    let problem =
        Problem::new(format!("{} has {name} already, and not the annotation {INJECTED}", pod.object));
    let next = "take the manifest from before it was injected, or call that otherwise";
    Some(Fault { line: node.line, problem: problem.next(next) })
}
