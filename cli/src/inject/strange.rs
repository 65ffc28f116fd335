//! Containers at places that no kind is known to have them: what runs there starts without a shim.

use super::object::pod_of;
use super::pod::list;
use crate::yaml::{Kind, Node};
use core::ptr;

const LISTS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// The outermost of them in an object, but for those of the pod that its kind has.
pub(super) fn containers<'a>(object: &'a Node<'a>, kind: &str) -> Vec<&'a Node<'a>> {
    let pod = pod_of(kind, object);
    let own = LISTS.map(|name| list(pod?, name));
    let mut found = Vec::new();
    search(object, &mut found);
    found.retain(|node| !own.iter().flatten().any(|list| ptr::eq(*node, *list)));
    found
}

fn search<'a>(node: &'a Node<'a>, found: &mut Vec<&'a Node<'a>>) {
    node.items().iter().for_each(|item| search(item, found));
    for field in node.fields() {
        match (&*field.name, &field.value.kind) {
            (name, Kind::List { items, .. })
                if LISTS.contains(&name) && items.iter().any(|item| is_container(item)) =>
            {
                found.push(&field.value);
            }
            ("container", Kind::Map { .. }) if is_container(&field.value) => found.push(&field.value),
            _ => search(&field.value, found),
        }
    }
}

/// Workflows name no container, and some operators add to one that they have the image of.
fn is_container(node: &Node<'_>) -> bool {
    ["name", "image"].iter().any(|name| node.text_at(name).is_some())
}
