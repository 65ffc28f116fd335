//! Who calls: the digest of the running executable, and of every file mapped executable.

mod cache;
mod mapped;
mod script;

use crate::problems::Problems;
use cache::{Cache, FileId};
use procgate_identity::{CodeList, Digest, MAX_NAME, Stray};
use rustix::io::Errno;
use script::Script;
use std::fs::File;

/// What is known about a calling process, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attestation {
    pub(crate) exe: Digest,
    pub(crate) code: Option<Digest>,
    pub(crate) stray: Option<Stray>,
    pub(crate) script: Option<Digest>,
    pub(crate) name: String,
}

/// Whether files may be read and digested now, which can take a while, or only looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    LookUp,
    Digest,
}

/// Why there is no attestation.
#[derive(Debug)]
pub(crate) enum Unattested {
    /// A file has not been digested yet.
    NeedsDigest,
    /// The process cannot be looked at; for people.
    Unreadable(String),
}

impl From<Errno> for Unattested {
    fn from(error: Errno) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl From<std::io::Error> for Unattested {
    fn from(error: std::io::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// Attests processes, remembering what files were digested.
#[derive(Debug)]
pub(crate) struct Attestor {
    cache: Cache,
    code_list: Option<(CodeList, Digest)>,
    script: Script,
}

impl Attestor {
    /// An attestor that holds mapped code against this list, if there is one, and knows the script
    /// that the first process is started with.
    pub(crate) fn new(code_list: Option<CodeList>, script: Option<Digest>) -> Self {
        let code_list = code_list.map(|list| {
            let digest = list.digest();
            (list, digest)
        });
        Self { cache: Cache::default(), code_list, script: Script::new(script) }
    }

    /// Digests a file ahead of time.
    pub(crate) fn warm(&self, file: &File) {
        let _ = self.cache.digest(file);
    }

    /// Notes that this thread's process becomes another program: what it runs then is not known.
    pub(crate) fn executed(&self, thread: u32) {
        self.script.executed(thread);
    }

    /// Looks at the process of this thread. The caller must afterwards make sure that the thread was
    /// still waiting: then it is what was looked at.
    pub(crate) fn attest(
        &self,
        thread: u32,
        effort: Effort,
        problems: &Problems,
    ) -> Result<Attestation, Unattested> {
        let link = format!("/proc/{thread}/exe");
        let name = rustix::fs::readlink(&link, Vec::new())?.to_string_lossy().into_owned();
        let exe = self.exe(&link, effort)?;
        let (code, stray) = match &self.code_list {
            None => (None, None),
            Some((list, digest)) => match self.first_stray(thread, list, effort)? {
                None => (Some(*digest), None),
                stray => (None, stray),
            },
        };
        if let Some(stray) = &stray {
            problems.note(&format!("{:?} is mapped by {name:?} and not on the code list", stray.path));
        }
        Ok(Attestation { exe, code, stray, script: self.script.of(thread), name: cut(name) })
    }

    fn exe(&self, link: &str, effort: Effort) -> Result<Digest, Unattested> {
        let stat = rustix::fs::stat(link)?;
        match (self.cache.look_up(FileId::of(&stat)), effort) {
            (Some(digest), _) => Ok(digest),
            (None, Effort::LookUp) => Err(Unattested::NeedsDigest),
            (None, Effort::Digest) => Ok(self.cache.digest(&File::open(link)?)?.1),
        }
    }

    /// The first file that is mapped executable and not on the list.
    fn first_stray(&self, thread: u32, list: &CodeList, effort: Effort) -> Result<Option<Stray>, Unattested> {
        for mapping in mapped::files(thread)? {
            let digest = match (self.cache.look_up(mapped::id(&mapping)), effort) {
                (Some(digest), _) => Some(digest),
                (None, Effort::LookUp) => return Err(Unattested::NeedsDigest),
                (None, Effort::Digest) => mapped::open(thread, &mapping)
                    .and_then(|file| self.cache.digest(&file).ok())
                    .filter(|(id, _)| *id == mapped::id(&mapping))
                    .map(|(_, digest)| digest),
            };
            if !digest.is_some_and(|digest| list.contains(&digest)) {
                let path = cut(String::from_utf8_lossy(&mapping.path).into_owned());
                return Ok(Some(Stray { path, digest }));
            }
        }
        Ok(None)
    }
}

/// A path for people, cut so that the token stays small.
fn cut(mut path: String) -> String {
    path.truncate(path.floor_char_boundary(MAX_NAME));
    path
}
