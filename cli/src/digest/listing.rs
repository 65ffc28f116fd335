//! Digests with the paths they were taken of, and the code list made of them.

use crate::escape::{escape, escape_path, path_text};
use crate::failure::Problem;
use crate::report::Report;
use core::fmt;
use procgate_identity::{CodeList, Digest, MAX_CODE_LIST};
use serde::{Serialize, Serializer};
use std::path::{Path, PathBuf};

/// A digested file. The path is the one inside the tree or the process's own view.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Entry {
    #[serde(serialize_with = "as_text")]
    pub(super) digest: Digest,
    #[serde(serialize_with = "path_as_text")]
    pub(super) path: PathBuf,
}

/// All that a search came upon.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The executable, of a process.
    pub(super) exe: Option<Entry>,
    /// What may be mapped executable.
    pub(super) code: Vec<Entry>,
    /// Executable files that start with `#!`.
    pub(super) scripts: Vec<Entry>,
    /// Files that had to be left out.
    pub(super) problems: Vec<Problem>,
}

/// The result of `procgate digest`.
#[derive(Debug, Serialize)]
pub(crate) struct Listing {
    /// The code list's own digest: what a policy pins as `code`.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "some_as_text")]
    code: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exe: Option<Entry>,
    files: Vec<Entry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scripts: Vec<Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_list: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl Listing {
    /// Single files: no list is made of them.
    pub(super) fn of_files(found: Found, warnings: Vec<String>) -> Self {
        Self { code: None, exe: None, files: found.code, scripts: Vec::new(), code_list: None, warnings }
    }

    /// A code list, to be written to `file` if there is one. Sorted by path, so that two lists of
    /// almost the same image differ in few lines; the list's digest does not depend on the order.
    pub(super) fn of_code(
        mut found: Found,
        warnings: Vec<String>,
        file: Option<&Path>,
    ) -> Result<Self, Problem> {
        let list = CodeList::from_digests(found.code.iter().map(|entry| entry.digest));
        if list.is_empty() {
            return Err(Problem::new("no ELF file found")
                .next("name an image, or the folder that it was unpacked to"));
        }
        if list.len() > MAX_CODE_LIST {
            let problem = Problem::new(format!("{} different ELF files", list.len()));
            return Err(problem.next(format!("a list holds {MAX_CODE_LIST}: name a smaller tree")));
        }
        found.code.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        found.scripts.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        Ok(Self {
            code: Some(list.digest()),
            exe: found.exe,
            files: found.code,
            scripts: found.scripts,
            code_list: file.map(path_text),
            warnings,
        })
    }

    /// The code list as the shim reads it. Of the same files it is the same text wherever it is
    /// made. Paths are escaped: a line break in a name must not put a line on the list.
    pub(super) fn code_list_text(&self) -> String {
        let mut lines = String::from("# procgate code list\n");
        if let Some(code) = &self.code {
            lines.push_str(&format!("# code {code}\n"));
        }
        if let Some(exe) = &self.exe {
            lines.push_str(&format!("# exe {exe}\n"));
        }
        self.files.iter().for_each(|entry| lines.push_str(&format!("{entry}\n")));
        self.scripts.iter().for_each(|entry| lines.push_str(&format!("# script {entry}\n")));
        lines
    }
}

impl Report for Listing {
    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.code, &self.code_list) {
            (None, _) => self.files.iter().try_for_each(|entry| writeln!(out, "{entry}")),
            (Some(_), None) => out.write_str(&self.code_list_text()),
            (Some(code), Some(file)) => {
                let files = if self.files.len() == 1 { "file" } else { "files" };
                writeln!(out, "code {code}  {}: {} {files}", escape(file), self.files.len())?;
                self.exe.as_ref().map_or(Ok(()), |exe| writeln!(out, "exe  {exe}"))
            }
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}  {}", self.digest, escape_path(&self.path))
    }
}

fn as_text<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(digest)
}

fn some_as_text<S: Serializer>(digest: &Option<Digest>, serializer: S) -> Result<S::Ok, S::Error> {
    match digest {
        Some(digest) => as_text(digest, serializer),
        None => serializer.serialize_none(),
    }
}

fn path_as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path_text(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(paths: &[&str]) -> Found {
        let entry = |path: &&str| Entry { digest: Digest::of(path.as_bytes()), path: path.into() };
        Found { code: paths.iter().map(entry).collect(), ..Found::default() }
    }

    #[test]
    fn the_list_reads_back_with_the_digest_it_names() {
        let listing = Listing::of_code(found(&["/lib/b.so", "/bin/a"]), Vec::new(), None).unwrap();
        let text = listing.code_list_text();
        let list = CodeList::parse(&text).unwrap();
        assert_eq!(Some(list.digest()), listing.code);
        assert!(text.contains(&format!("# code {}\n", list.digest())));
    }

    #[test]
    fn the_order_of_the_search_does_not_show() {
        let text =
            |paths: &[&str]| Listing::of_code(found(paths), Vec::new(), None).unwrap().code_list_text();
        assert_eq!(text(&["/a", "/b"]), text(&["/b", "/a"]));
    }

    #[test]
    fn a_file_name_cannot_put_a_digest_on_the_list() {
        let stranger = Digest::of(b"evil");
        let listing = Listing::of_code(found(&[&format!("/a\n{stranger}  /b")]), Vec::new(), None).unwrap();
        assert!(!CodeList::parse(&listing.code_list_text()).unwrap().contains(&stranger));
    }
}
