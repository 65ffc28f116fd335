//! What goes: fields and items, with their lines or with a comma.

use super::edit::Step;
use super::node::{Kind, Node};
use super::page::{Page, extents};
use core::ops::Range;
use std::collections::BTreeSet;

impl Page<'_> {
    /// What goes along with these fields or items of a collection. Nothing where no collection would be left.
    pub(super) fn removed(&self, node: &Node<'_>, steps: &BTreeSet<Step>) -> Option<Vec<Range<usize>>> {
        let goes = |index: &usize| match &node.kind {
            Kind::List { .. } => steps.contains(&Step::Item(*index)),
            Kind::Map { fields, .. } => {
                fields.get(*index).is_some_and(|field| steps.contains(&Step::Field(field.name.to_string())))
            }
            Kind::Scalar { .. } | Kind::Alias => false,
        };
        let mut parts = extents(node);
        if let Kind::List { flow: false, .. } = node.kind {
            for part in &mut parts {
                part.start = self.dash_of(part.start)?;
            }
        }
        let going: Vec<usize> = (0..parts.len()).filter(goes).collect();
        let runs = going.chunk_by(|one, next| one.saturating_add(1) == *next);
        let range = |run: &[usize]| {
            let (first, last) = (*run.first()?, *run.last()?);
            let before = first.checked_sub(1).and_then(|index| parts.get(index));
            let next = parts.get(last.saturating_add(1));
            let run = parts.get(first)?.start..parts.get(last)?.end;
            if node.is_flow() { Some(with_comma(run, before, next)) } else { self.with_lines(run, next) }
        };
        runs.map(range).collect()
    }

    /// Fields or items in block style. The first one of an item shares its line with the item's dash.
    fn with_lines(&self, run: Range<usize>, next: Option<&Range<usize>>) -> Option<Range<usize>> {
        let line = self.line_of(run.start);
        let own_line = self.text.get(line..run.start)?.trim().is_empty();
        if !own_line {
            return next.map(|next| run.start..next.start);
        }
        Some(line..self.line_behind(run.end))
    }
}

/// Parts of a flow collection.
fn with_comma(run: Range<usize>, before: Option<&Range<usize>>, next: Option<&Range<usize>>) -> Range<usize> {
    match (before, next) {
        (_, Some(next)) => run.start..next.start,
        (Some(before), None) => before.end..run.end,
        (None, None) => run,
    }
}
