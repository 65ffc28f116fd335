//! YAML and JSON documents of others, changed in place: what is not meant stays to the letter, comments included.
//!
//! A document is read as a tree whose nodes know where they stand ([`Node`]). Who wants something else of it says so
//! as [`Edit`]s, and [`edited`] makes them in the text. The result is read again by another reader, and has to be
//! what the same edits make of the values.

mod check;
mod edit;
mod node;
mod page;
mod read;
mod removal;
mod splice;
mod stream;
mod value;

pub(crate) use edit::{Edit, Path};
pub(crate) use node::{Kind, Node};
pub(crate) use read::{Fault, unfilled};
pub(crate) use splice::edited;
pub(crate) use stream::{Document, documents};
pub(crate) use value::Value;
