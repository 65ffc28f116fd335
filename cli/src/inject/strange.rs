//! Containers at places that no kind is known to have them: what runs there starts without a shim.

use super::object::template;
use super::pod::list;
use crate::yaml::{Kind, Node};
use core::ptr;

/// The outermost of them in an object, but for those of the pod that its kind has.
pub(super) fn containers<'a>(object: &'a Node<'a>, kind: &str) -> Vec<&'a Node<'a>> {
    let pod = if template(kind).is_empty() { Some(object) } else { object.at(template(kind)) };
    let own = ["containers", "initContainers", "ephemeralContainers"].map(|name| list(pod?, name));
    let mut found = Vec::new();
    search(object, &mut |node| {
        let is_own = own.iter().flatten().any(|list| ptr::eq(node, *list));
        if !is_own {
            found.push(node);
        }
    });
    found
}

fn search<'a>(node: &'a Node<'a>, visit: &mut impl FnMut(&'a Node<'a>)) {
    node.items().iter().for_each(|item| search(item, visit));
    for field in node.fields() {
        match (&*field.name, &field.value.kind) {
            ("containers" | "initContainers" | "ephemeralContainers", Kind::List { items, .. })
                if items.iter().any(|item| is_container(item)) =>
            {
                visit(&field.value);
            }
            ("container", Kind::Map { .. }) if is_container(&field.value) => visit(&field.value),
            _ => search(&field.value, visit),
        }
    }
}

/// Workflows name no container, and some operators add to one that they have the image of.
fn is_container(node: &Node<'_>) -> bool {
    ["name", "image"].iter().any(|name| node.text_at(name).is_some())
}
