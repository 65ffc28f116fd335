//! `procgate digest`: the digests that a policy pins, of files, of an image, of a file tree, of a process.

mod content;
mod image;
mod listing;
mod maps;
mod process;
mod tree;

use crate::failure::{Failure, Problem};
use crate::files;
use image::Platform;
pub(crate) use image::Start;
use listing::{Entry, Found, Listing};
use std::path::PathBuf;

const EXAMPLE: &str = "\
Examples:
  procgate digest /usr/bin/curl                        for exe: in a policy
  procgate digest --image image.tar --code-list code.list  for the shim's --code-list and code:
  procgate digest --tree / --code-list code.list       the same, within the image
  procgate digest --pid 4711                           what a process runs now

An image is an OCI layout (a folder, or a tar archive of one) or what `docker save` writes; nothing \
of it is unpacked. The code list of an image or a tree holds every ELF file, executable or not, since a shared library need not \
be executable to be mapped. Scripts are data to the interpreter that reads them: they are shown as \
comments, for script: in a policy, and are not on the list. The list of a process holds what is \
mapped at this moment; libraries that it loads later are not on it, so prefer the image.";

/// Take digests: of files, of all code in an image or a file tree, of a running process.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Files, each digested as it is.
    #[arg(value_name = "FILE", required_unless_present_any = ["image", "tree", "pid"])]
    files: Vec<PathBuf>,
    /// A container image, OCI layout or from `docker save`: the code list of all ELF files in it.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["files", "tree", "pid"])]
    image: Option<PathBuf>,
    /// Which of several images to read, for example linux/arm64 [default: the one for this machine].
    #[arg(long, value_name = "OS/ARCHITECTURE", requires = "image")]
    platform: Option<Platform>,
    /// A file tree, such as an unpacked image: the code list of all ELF files in it.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["files", "pid"])]
    tree: Option<PathBuf>,
    /// A running process: its executable and the code list of all it has mapped executable.
    #[arg(long, value_name = "PID", conflicts_with = "files", value_parser = clap::value_parser!(u32).range(1..))]
    pid: Option<u32>,
    /// Write the code list to this file, whole or not at all, instead of printing it.
    #[arg(long, value_name = "FILE")]
    code_list: Option<PathBuf>,
    /// Leave out what cannot be read, with a warning, instead of failing.
    #[arg(long)]
    ignore_unreadable: bool,
}

/// What is to be digested.
enum Source {
    Files(Vec<PathBuf>),
    Image(PathBuf, Option<Platform>),
    Tree(PathBuf),
    Process(u32),
}

impl Source {
    fn of(args: &mut Args) -> Self {
        match (args.image.take(), args.tree.take(), args.pid) {
            (Some(image), ..) => Self::Image(image, args.platform.take()),
            (None, Some(tree), _) => Self::Tree(tree),
            (None, None, Some(pid)) => Self::Process(pid),
            (None, None, None) => Self::Files(core::mem::take(&mut args.files)),
        }
    }
}

/// Takes the digests and, where asked to, writes the code list.
pub(crate) fn run(mut args: Args) -> Result<Listing, Failure> {
    let source = Source::of(&mut args);
    let only_files = matches!(source, Source::Files(_));
    let mut found = match source {
        Source::Files(paths) => of_files(paths),
        Source::Image(path, platform) => image::search(&path, platform.as_ref())?,
        Source::Tree(root) => tree::search(&root)?,
        Source::Process(pid) => process::search(pid)?,
    };
    let problems = core::mem::take(&mut found.problems);
    if !problems.is_empty() && !args.ignore_unreadable {
        return Err(problems.into());
    }
    let left_out = problems.iter().map(|problem| format!("left out: {problem}")).collect();
    if only_files && args.code_list.is_none() {
        return Ok(Listing::of_files(found, left_out));
    }
    let listing = Listing::of_code(found, left_out, args.code_list.as_deref())?;
    if let Some(path) = &args.code_list {
        files::write_whole(path, &listing.code_list_text())?;
    }
    Ok(listing)
}

fn of_files(paths: Vec<PathBuf>) -> Found {
    let mut found = Found::default();
    for path in paths {
        match files::digest(&path) {
            Ok(digest) => found.code.push(Entry { digest, path }),
            Err(problem) => found.problems.push(problem),
        }
    }
    found
}

/// The advice beside every file that could not be taken in.
fn or_ignore(problem: Problem) -> Problem {
    problem.next("run as a user who may read it, or leave it out with --ignore-unreadable")
}
