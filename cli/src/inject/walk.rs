//! One document after the other.

use super::findings::{Findings, Remark};
use super::object::{Object, objects};
use super::pod::pod;
use super::report::Manifests;
use super::selection::select;
use super::settings::Settings;
use super::strange;
use super::undo::undo;
use super::{hazards, plan};
use crate::failure::{Failure, Problem};
use crate::yaml::{Document, Edit, Fault, Node, documents, edited};
use std::collections::HashMap;

/// What is done with each document.
pub(super) trait Work {
    /// The text in its place.
    fn document(&mut self, text: &str, root: &Node<'_>, place: &Place<'_>) -> Result<String, Vec<Fault>>;
}

/// Where a document is.
#[derive(Debug)]
pub(super) struct Place<'a> {
    file: &'a str,
    document: Document<'a>,
}

impl Place<'_> {
    /// A line of the document, as people look for it.
    fn line(&self, line: usize) -> String {
        let Self { file, document } = self;
        let line = document.line.saturating_add(line).saturating_sub(1);
        format!("{file}: document {}, line {line}", document.number)
    }
}

/// Does the work in all documents of a stream. What is wrong anywhere leaves nothing done.
pub(super) fn walk(file: &str, stream: &str, work: &mut impl Work) -> Result<String, Failure> {
    let mut whole = String::with_capacity(stream.len());
    let mut problems: Vec<Problem> = Vec::new();
    for document in documents(stream) {
        let place = Place { file, document };
        let done = match Node::read(document.text) {
            _ if document.is_empty() => Ok(document.text.to_owned()),
            Ok(Some(root)) => work.document(document.text, &root, &place),
            Ok(None) => Ok(document.text.to_owned()),
            Err(fault) => Err(vec![fault]),
        };
        match done {
            Ok(text) => whole.push_str(&text),
            Err(faults) => {
                problems.extend(faults.into_iter().map(|fault| fault.problem.at(place.line(fault.line))));
            }
        }
    }
    if problems.is_empty() { Ok(whole) } else { Err(problems.into()) }
}

/// What takes the shim out of a document's pods, and how many had it.
fn undone(root: &Node<'_>) -> Result<(Vec<Edit>, usize), Vec<Fault>> {
    let mut edits = Vec::new();
    let mut workloads: usize = 0;
    for (path, node, object) in objects(root) {
        if let Some(pod) = pod(&path, node, object).map_err(|fault| vec![fault])? {
            let of_pod = undo(&pod).map_err(|fault| vec![fault])?;
            workloads = workloads.saturating_add(usize::from(!of_pod.is_empty()));
            edits.extend(of_pod);
        }
    }
    Ok((edits, workloads))
}

fn edit(text: &str, root: &Node<'_>, edits: &[Edit]) -> Result<String, Vec<Fault>> {
    edited(text, root, edits).map_err(|problem| vec![Fault { line: root.line, problem }])
}

/// Takes the shim out.
#[derive(Debug, Default)]
pub(super) struct Undoing {
    documents: usize,
    workloads: usize,
}

impl Work for Undoing {
    fn document(&mut self, text: &str, root: &Node<'_>, _: &Place<'_>) -> Result<String, Vec<Fault>> {
        let (edits, workloads) = undone(root)?;
        self.documents = self.documents.saturating_add(1);
        self.workloads = self.workloads.saturating_add(workloads);
        edit(text, root, &edits)
    }
}

impl Undoing {
    pub(super) fn report(self, text: String) -> Manifests {
        let Self { documents, workloads } = self;
        Manifests { documents, workloads, ..Manifests::new("uninjected", text) }
    }
}

/// Puts the shim in.
#[derive(Debug)]
pub(super) struct Injecting<'a> {
    settings: &'a Settings,
    documents: usize,
    workloads: usize,
    containers: usize,
    notes: Findings,
    warnings: Findings,
    /// Where each object was first.
    known: HashMap<Object, String>,
}

impl Work for Injecting<'_> {
    fn document(&mut self, text: &str, root: &Node<'_>, place: &Place<'_>) -> Result<String, Vec<Fault>> {
        self.documents = self.documents.saturating_add(1);
        let (before, _) = undone(root)?;
        if before.is_empty() {
            return self.inject(text, root, place);
        }
        let clean = edit(text, root, &before)?;
        let root = Node::read(&clean).map_err(|fault| vec![fault])?;
        root.map_or(Ok(clean.clone()), |root| self.inject(&clean, &root, place))
    }
}

impl<'a> Injecting<'a> {
    pub(super) fn new(settings: &'a Settings) -> Self {
        let (notes, warnings) = (Findings::default(), Findings::default());
        Self { settings, documents: 0, workloads: 0, containers: 0, notes, warnings, known: HashMap::new() }
    }

    fn inject(&mut self, text: &str, root: &Node<'_>, place: &Place<'_>) -> Result<String, Vec<Fault>> {
        let (mut edits, mut faults) = (Vec::new(), Vec::new());
        for (path, node, object) in objects(root) {
            self.note_twice(&object, node, place);
            self.note_strange(&object, node, place);
            match self.edits(&path, node, object, place) {
                Ok(more) => edits.extend(more),
                Err(more) => faults.extend(more),
            }
        }
        if faults.is_empty() { edit(text, root, &edits) } else { Err(faults) }
    }

    fn edits(
        &mut self,
        path: &crate::yaml::Path,
        node: &Node<'_>,
        object: Object,
        place: &Place<'_>,
    ) -> Result<Vec<Edit>, Vec<Fault>> {
        let one = |fault| vec![fault];
        let Some(pod) = pod(path, node, object).map_err(one)? else { return Ok(Vec::new()) };
        let Some(selection) = select(&pod).map_err(one)? else {
            self.notes.add(
                format!("{} ({})", place.line(node.line), pod.object),
                "stays as it is: its annotation says so",
            );
            return Ok(Vec::new());
        };
        let at = |remark: &Remark<'_>| {
            let container = remark.container.map(|name| format!(", container {name}")).unwrap_or_default();
            format!("{} ({}{container})", place.line(remark.line), pod.object)
        };
        for (container, reason) in &selection.left {
            self.notes.add(at(&container.remark("")), *reason);
        }
        if selection.chosen.is_empty() {
            return Ok(Vec::new());
        }
        hazards::refuse(&pod, &selection).map_err(one)?;
        let plan = plan::plan(&pod, &selection, self.settings)?;
        for remark in hazards::warnings(&pod, &selection).into_iter().chain(plan.warnings) {
            self.warnings.add(at(&remark), remark.text);
        }
        let beside = selection.chosen.iter().filter_map(hazards::note).chain(hazards::guests(&pod));
        for remark in plan.notes.into_iter().chain(beside) {
            self.notes.add(at(&remark), remark.text);
        }
        self.workloads = self.workloads.saturating_add(1);
        self.containers = self.containers.saturating_add(selection.chosen.len());
        Ok(plan.edits)
    }

    /// Containers that stay as they are, since nobody knows here whose they are.
    fn note_strange(&mut self, object: &Object, node: &Node<'_>, place: &Place<'_>) {
        for containers in strange::containers(node, &object.kind) {
            self.warnings.add(
                format!("{} ({object})", place.line(containers.line)),
                "containers where this kind is not known to have any: they start without the shim, and what they connect \
                 to sees no identity; put it in by hand, as it comes out for a Pod with the same containers",
            );
        }
    }

    /// The same object twice: whoever applies both gets the second.
    fn note_twice(&mut self, object: &Object, node: &Node<'_>, place: &Place<'_>) {
        let here = place.line(node.line);
        if object.name.is_empty() {
            return;
        }
        if let Some(first) = self.known.get(object) {
            self.warnings.add(
                here,
                format!("{object} is there already, at {first}: whoever applies both has the later one"),
            );
        } else {
            self.known.insert(object.clone(), here);
        }
    }

    pub(super) fn report(self, text: String) -> Manifests {
        let Self { documents, workloads, containers, notes, warnings, .. } = self;
        let mut warnings = warnings.lines();
        if workloads == 0 {
            warnings.push(
                "nothing has containers to start under the shim: the manifests are as they were".into(),
            );
        }
        let containers = Some(containers);
        Manifests {
            documents,
            workloads,
            containers,
            notes: notes.lines(),
            warnings,
            ..Manifests::new("injected", text)
        }
    }
}
