//! All code in a container image: an OCI image layout, or what `docker save` writes.
//!
//! Nothing is unpacked. Layers are read from the first to the last, as a runtime applies them, into a tree that
//! knows of each file only what the list needs. An image may come from anybody: whatever of it is held is
//! bounded, and no path in it is ever opened.

mod compression;
mod layer;
mod manifest;
mod rootfs;
mod start;
mod store;

pub(super) use manifest::Platform;
pub(crate) use start::Start;

use super::listing::Found;
use crate::failure::Problem;
use crate::progress::Progress;
use core::cell::Cell;
use rootfs::Rootfs;
use std::path::Path;
use store::Store;

/// Bytes of all layers together, unpacked. Images with models in them have some tens of GB; the bound is for
/// those that unpack without end.
const MAX_UNPACKED: u64 = 256 << 30;

/// Reads the image at `path`. Of several, the one for this platform.
pub(super) fn search(path: &Path, platform: Option<&Platform>) -> Result<Found, Problem> {
    let store = Store::open(path)?;
    let layers = manifest::parts(&store, platform).map_err(|problem| problem.in_file(path))?.layers;
    let mut rootfs = Rootfs::default();
    let left = Cell::new(MAX_UNPACKED);
    let (mut progress, mut files) = (Progress::of("files"), 0_u64);
    let mut count = || {
        files = files.saturating_add(1);
        progress.show(files);
    };
    for (number, blob) in layers.iter().enumerate() {
        layer::apply(&store, blob, &mut rootfs, &left, &mut count).map_err(|error| {
            let place = format!("{}: layer {} ({blob})", path.display(), number.saturating_add(1));
            Problem::new(error).at(place).next("make or fetch the image anew")
        })?;
    }
    progress.finish(files);
    Ok(rootfs.found())
}
