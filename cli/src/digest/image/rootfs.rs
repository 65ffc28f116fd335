//! The files of an image, as far as they have been put together.

use crate::digest::content::Content;
use crate::digest::listing::{Entry, Found};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Files, folders and links of all layers. The largest images have some 500,000.
const MAX_NODES: usize = 2_000_000;
/// Folders inside one another, as in a tree on disk.
const MAX_DEPTH: usize = 200;
/// Bytes of a path, as the kernel takes it (PATH_MAX).
const MAX_PATH: usize = 4_096;
/// Symbolic links on the way to one file, as the kernel follows them (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// What a path leads to.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Folder,
    File(Content),
    /// A symbolic link, with what is written in it.
    Link(Vec<u8>),
    /// A device, a pipe.
    Other,
}

/// The tree, root first.
#[derive(Debug)]
pub(super) struct Rootfs {
    nodes: Vec<Node>,
    layer: u32,
}

#[derive(Debug)]
struct Node {
    kind: Kind,
    /// The last layer that had anything to do with it.
    layer: u32,
    names: BTreeMap<Vec<u8>, usize>,
}

/// The root's place.
const ROOT: usize = 0;

impl Default for Rootfs {
    fn default() -> Self {
        Self { nodes: vec![Node { kind: Kind::Folder, layer: 0, names: BTreeMap::new() }], layer: 0 }
    }
}

impl Rootfs {
    /// What comes from now on is of the next layer.
    pub(super) fn begin_layer(&mut self) {
        self.layer = self.layer.saturating_add(1);
        if let Some(root) = self.nodes.get_mut(ROOT) {
            root.layer = self.layer;
        }
    }

    /// Puts something in its place. A folder that is there already keeps what is in it; anything else gives way.
    pub(super) fn put(&mut self, path: &[u8], kind: Kind) -> io::Result<()> {
        let (parent, Some(name)) = self.folder_of(path)? else { return Ok(()) };
        let known = self.child(parent, name);
        if let Some(node) = known.and_then(|place| self.nodes.get_mut(place))
            && matches!((&node.kind, &kind), (Kind::Folder, Kind::Folder))
        {
            node.layer = self.layer;
            return Ok(());
        }
        self.add(parent, name, kind).map(|_| ())
    }

    /// What a hard link to this path is.
    pub(super) fn linked(&mut self, target: &[u8]) -> io::Result<Kind> {
        let (parent, name) = self.folder_of(target)?;
        let node = name.and_then(|name| self.child(parent, name)).and_then(|place| self.nodes.get(place));
        match node.map(|node| &node.kind) {
            Some(kind @ (Kind::File(_) | Kind::Link(_) | Kind::Other)) => Ok(kind.clone()),
            Some(Kind::Folder) | None => Err(bad(target, "is linked to and not there")),
        }
    }

    /// Takes out what earlier layers have of this name beside the path.
    pub(super) fn remove(&mut self, path: &[u8], name: &[u8]) -> io::Result<()> {
        let (parent, _) = self.folder_of(path)?;
        if let Some(place) = self.child(parent, name)
            && !self.forget(place, 0)
            && let Some(parent) = self.nodes.get_mut(parent)
        {
            parent.names.remove(name);
        }
        Ok(())
    }

    /// Takes out all that earlier layers have in the folder that the path is in.
    pub(super) fn empty_folder_of(&mut self, path: &[u8]) -> io::Result<()> {
        let (parent, _) = self.folder_of(path)?;
        self.forget(parent, 0);
        Ok(())
    }

    /// Takes out what earlier layers have at a place and below; whether anything of this layer is there.
    fn forget(&mut self, place: usize, depth: usize) -> bool {
        let Some(node) = self.nodes.get(place).filter(|node| node.layer == self.layer && depth <= MAX_DEPTH)
        else {
            return false;
        };
        let names: Vec<_> = node.names.iter().map(|(name, place)| (name.clone(), *place)).collect();
        for (name, below) in names {
            if !self.forget(below, depth.saturating_add(1))
                && let Some(node) = self.nodes.get_mut(place)
            {
                node.names.remove(&name);
            }
        }
        true
    }

    fn child(&self, parent: usize, name: &[u8]) -> Option<usize> {
        self.nodes.get(parent).and_then(|node| node.names.get(name)).copied()
    }

    fn add(&mut self, parent: usize, name: &[u8], kind: Kind) -> io::Result<usize> {
        let place = self.nodes.len();
        if place >= MAX_NODES {
            return Err(io::Error::other(format!("more than {MAX_NODES} files")));
        }
        self.nodes.push(Node { kind, layer: self.layer, names: BTreeMap::new() });
        if let Some(parent) = self.nodes.get_mut(parent) {
            parent.names.insert(name.to_owned(), place);
        }
        Ok(place)
    }

    /// The folder that a path is in, made where it is not there, and the path's last name; none of the root.
    ///
    /// Links on the way are followed within the image. What would lead out of it stays at its root, as for a
    /// process in it; a path that says so itself is refused.
    fn folder_of<'p>(&mut self, path: &'p [u8]) -> io::Result<(usize, Option<&'p [u8]>)> {
        let mut names: Vec<&[u8]> = parts(path).collect();
        if path.len() > MAX_PATH || names.len() > MAX_DEPTH {
            return Err(bad(path, "is longer than any path"));
        }
        if names.contains(&&b".."[..]) {
            return Err(bad(path, "leads out of its folder with .."));
        }
        let last = names.pop();
        let mut links = 0;
        let mut way = vec![ROOT];
        for name in names {
            self.enter(&mut way, name, &mut links, path)?;
        }
        Ok((way.last().copied().unwrap_or(ROOT), last))
    }

    fn enter(&mut self, way: &mut Vec<usize>, name: &[u8], links: &mut usize, path: &[u8]) -> io::Result<()> {
        if way.len() > MAX_DEPTH {
            return Err(bad(path, "is longer than any path"));
        }
        let parent = way.last().copied().unwrap_or(ROOT);
        let place = match self.child(parent, name) {
            Some(place) => place,
            None => self.add(parent, name, Kind::Folder)?,
        };
        let layer = self.layer;
        let Some(node) = self.nodes.get_mut(place) else { return Err(bad(path, "leads nowhere")) };
        match &node.kind {
            Kind::Folder => {
                node.layer = layer;
                way.push(place);
            }
            Kind::Link(target) => {
                *links = links.saturating_add(1);
                if *links > MAX_LINKS {
                    return Err(bad(path, "goes round in symbolic links"));
                }
                let target = target.clone();
                if target.starts_with(b"/") {
                    way.truncate(1);
                }
                for name in parts(&target) {
                    match name {
                        b".." if way.len() > 1 => drop(way.pop()),
                        b".." => {}
                        name => self.enter(way, name, links, path)?,
                    }
                }
            }
            Kind::File(_) | Kind::Other => return Err(bad(path, "goes through a file")),
        }
        Ok(())
    }

    /// All code in the tree.
    pub(super) fn found(&self) -> Found {
        let mut found = Found::default();
        self.collect(ROOT, &PathBuf::from("/"), 0, &mut found);
        found
    }

    fn collect(&self, place: usize, path: &Path, depth: usize, found: &mut Found) {
        let Some(node) = self.nodes.get(place).filter(|_| depth <= MAX_DEPTH) else { return };
        match node.kind {
            Kind::File(Content::Elf(digest)) => found.code.push(Entry { digest, path: path.into() }),
            Kind::File(Content::Script(digest)) => found.scripts.push(Entry { digest, path: path.into() }),
            Kind::File(Content::Neither) | Kind::Folder | Kind::Link(_) | Kind::Other => {}
        }
        for (name, below) in &node.names {
            self.collect(*below, &path.join(OsStr::from_bytes(name)), depth.saturating_add(1), found);
        }
    }
}

/// The names of a path.
fn parts(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".")
}

fn bad(path: &[u8], what: &str) -> io::Error {
    let path: String = String::from_utf8_lossy(path).chars().take(MAX_PATH).collect();
    io::Error::other(format!("{path:?} {what}"))
}
