//! Adding to the processes of a policy.

use super::{Edit, NoEdit, name};
use crate::index::Unrecognised;
use crate::policy::Policy;
use crate::raw::{MAX_DIGESTS, MAX_TEXT, RawProcess};
use procgate_identity::{Claims, Digest};

/// Lists a digest with the process that changed, or the process itself.
pub(super) fn add(edit: &mut Edit, policy: &Policy, claims: &Claims) -> Result<(), NoEdit> {
    let unrecognised = policy.index().processes.identify(claims).err().ok_or(NoEdit::NotPossible)?;
    let (number, field, digest) = match unrecognised {
        Unrecognised::Unknown | Unrecognised::Place => return add_process(edit, claims),
        Unrecognised::Exe(number) => (number, "exe", Some(claims.exe)),
        Unrecognised::Code(number) => (number, "code", claims.code),
        Unrecognised::Script(number) => (number, "script", claims.script),
    };
    // Without a digest something is mapped that is on no list, or the shim has no list.
    let digest = digest.ok_or(NoEdit::Identity)?;
    let place = usize::try_from(number).map_err(|_| NoEdit::NotPossible)?;
    let process = edit.policy.processes.get_mut(place).ok_or(NoEdit::NotPossible)?;
    let list: &mut Vec<Digest> = match field {
        "exe" => &mut process.exe,
        "code" => &mut process.code,
        _ => &mut process.script,
    };
    if list.len() >= MAX_DIGESTS {
        return Err(NoEdit::NotPossible);
    }
    list.push(digest);
    let name = process.name.clone();
    edit.broad.push(format!("whatever else rules allow the process {name} or any process holds for it too"));
    edit.add(format!("processes[{place}].{field}"), Some(&name), &digest.to_string())
}

fn add_process(edit: &mut Edit, claims: &Claims) -> Result<(), NoEdit> {
    let subject = &claims.subject;
    let program = claims.name.rsplit('/').next().unwrap_or_default();
    let taken = |name: &str| edit.policy.processes.iter().any(|process| process.name == name);
    let fits = |path: &&String| !path.is_empty() && path.chars().count() <= MAX_TEXT;
    let process = RawProcess {
        name: name(&[subject.container(), program], taken),
        container: Some(subject.container().into()),
        namespace: subject.namespace().map(Into::into),
        service_account: subject.service_account().map(Into::into),
        exe: vec![claims.exe],
        path: Some(&claims.name).filter(fits).cloned(),
        ..RawProcess::default()
    };
    edit.broad.push("whatever rules allow any process holds for it too".into());
    edit.add("processes".into(), None, &process)?;
    edit.policy.processes.push(process);
    Ok(())
}
