//! Which executables one process can list together. A process allows each executable that it lists with each of its
//! code lists and scripts, so listing two together may allow a third one.

use crate::records::Speaker;
use procgate_identity::{Digest, Subject};
use procgate_policy::{MAX_DIGESTS, RawProcess};
use std::collections::HashMap;

/// The process that is this speaker and no other one, but for its name.
pub(super) fn alone(speaker: &Speaker) -> Option<RawProcess> {
    let subject: Subject = speaker.subject.parse().ok()?;
    Some(RawProcess {
        name: String::new(),
        container: Some(subject.container().into()),
        namespace: subject.namespace().map(Into::into),
        service_account: subject.service_account().map(Into::into),
        exe: vec![speaker.exe],
        code: speaker.code.into_iter().collect(),
        script: speaker.script.into_iter().collect(),
        path: Some(speaker.name.clone()).filter(|path| path.starts_with('/')),
    })
}

/// Whether a process is where the one stands that was seen alone.
fn is_placed(process: &RawProcess, alone: &RawProcess) -> bool {
    let place = |known: &Option<String>, shown: &Option<String>| known.is_none() || known == shown;
    place(&process.container, &alone.container)
        && place(&process.namespace, &alone.namespace)
        && place(&process.service_account, &alone.service_account)
}

/// Whether the path of the one that was seen alone is that of a process at the same place.
pub(super) fn has_path(process: &RawProcess, alone: &RawProcess) -> bool {
    process.path.is_some() && process.path == alone.path && is_placed(process, alone)
}

/// Whether a process is also the one that was seen alone.
pub(super) fn takes_in(process: &RawProcess, alone: &RawProcess) -> bool {
    let pinned = |known: &[Digest], shown: &[Digest]| {
        known.is_empty() || (!shown.is_empty() && shown.iter().all(|digest| known.contains(digest)))
    };
    is_placed(process, alone)
        && pinned(&process.exe, &alone.exe)
        && pinned(&process.code, &alone.code)
        && pinned(&process.script, &alone.script)
}

/// Whether a process lists all digests of the one that was seen alone.
pub(super) fn lists(process: &RawProcess, alone: &RawProcess) -> bool {
    let all = |known: &[Digest], shown: &[Digest]| shown.iter().all(|digest| known.contains(digest));
    all(&process.exe, &alone.exe) && all(&process.code, &alone.code) && all(&process.script, &alone.script)
}

/// A process that is both, where they are at one place and run one script. A code list that not all of them have pins
/// nobody.
pub(super) fn merged(process: &RawProcess, alone: &RawProcess) -> Option<RawProcess> {
    let mut both = process.clone();
    add_new(&mut both.exe, &alone.exe);
    if !both.code.is_empty() {
        add_new(&mut both.code, &alone.code);
    }
    (process.script == alone.script && takes_in(&both, alone) && has_room(&both)).then_some(both)
}

/// Whether a policy may list as many. Who is built anew each hour becomes several processes, instead of stopping the
/// learning for everybody.
pub(super) fn has_room(process: &RawProcess) -> bool {
    [&process.exe, &process.code, &process.script].iter().all(|list| list.len() <= MAX_DIGESTS)
}

fn add_new(list: &mut Vec<Digest>, more: &[Digest]) {
    more.iter().for_each(|digest| {
        if !list.contains(digest) {
            list.push(*digest);
        }
    });
}

/// What the process has to list, in which field, so that it is also the one that was seen alone; nothing where it pins
/// what that one has not.
pub(super) fn lacking(process: &RawProcess, alone: &RawProcess) -> Option<Vec<(&'static str, Digest)>> {
    let mut lacking = Vec::new();
    for (field, pinned, shown) in [
        ("exe", &process.exe, &alone.exe),
        ("code", &process.code, &alone.code),
        ("script", &process.script, &alone.script),
    ] {
        let shown = shown.first();
        if !pinned.is_empty() && !pinned.contains(shown?) {
            lacking.push((field, *shown?));
        }
    }
    Some(lacking)
}

/// The list of this field.
pub(super) fn list<'p>(process: &'p mut RawProcess, field: &str) -> &'p mut Vec<Digest> {
    match field {
        "code" => &mut process.code,
        "script" => &mut process.script,
        _ => &mut process.exe,
    }
}

/// What is set apart, by its executable: no process that is proposed should be it.
#[derive(Debug)]
pub(super) struct Apart(HashMap<Digest, Vec<RawProcess>>);

impl Apart {
    pub(super) fn of(all: impl Iterator<Item = RawProcess>) -> Self {
        let mut by_exe: HashMap<Digest, Vec<RawProcess>> = HashMap::new();
        for alone in all {
            for exe in alone.exe.clone() {
                by_exe.entry(exe).or_default().push(alone.clone());
            }
        }
        Self(by_exe)
    }

    /// Whether the process takes in something of this that none of those does of which it is made.
    pub(super) fn falls_into(&self, process: &RawProcess, made_of: &[&RawProcess]) -> bool {
        let mut apart = process.exe.iter().filter_map(|exe| self.0.get(exe)).flatten();
        apart.any(|alone| takes_in(process, alone) && !made_of.iter().any(|process| takes_in(process, alone)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(exe: &str, code: Option<&str>) -> RawProcess {
        let digest = |text: &str| Digest::of(text.as_bytes());
        let speaker = Speaker {
            subject: "spiffe://shop.example/ns/shop/sa/a/container/a".into(),
            name: "/a".into(),
            exe: digest(exe),
            code: code.map(digest),
            script: None,
            labels: Vec::new(),
        };
        alone(&speaker).unwrap()
    }

    #[test]
    fn two_that_list_what_was_set_apart_only_together_are_told_from_two_that_do_not() {
        let (one, two) = (seen("e1", Some("c1")), seen("e2", Some("c2")));
        let both = merged(&one, &two).unwrap();
        let falls = |exe, code| Apart::of([seen(exe, code)].into_iter()).falls_into(&both, &[&one, &two]);
        assert!(falls("e1", Some("c2")) && falls("e2", Some("c1")));
        assert!(!falls("e1", Some("c1")) && !falls("e1", None) && !falls("e3", Some("c1")));
    }

    #[test]
    fn what_shows_no_list_is_no_part_of_a_process_that_pins_one() {
        assert_eq!(merged(&seen("e1", Some("c1")), &seen("e1", None)), None);
        assert_eq!(lacking(&seen("e1", Some("c1")), &seen("e2", None)), None);
        let open = merged(&seen("e1", None), &seen("e2", Some("c2"))).unwrap();
        assert!(open.code.is_empty() && open.exe.len() == 2);
    }
}
