//! Adding to the processes of a policy.

use super::addition::{Addition, DigestList};
use super::{Draft, NoEdit, name};
use crate::index::Unrecognised;
use crate::policy::Policy;
use crate::raw::{MAX_TEXT, RawProcess};
use procgate_identity::Claims;

/// Lists a digest with the process that changed, or the process itself.
pub(super) fn add(draft: &mut Draft<'_>, part: &Policy, claims: &Claims) -> Result<(), NoEdit> {
    let unrecognised = part.index().processes.identify(claims).err().ok_or(NoEdit::NotPossible)?;
    let (number, list, digest) = match unrecognised {
        Unrecognised::Unknown | Unrecognised::Place => return add_process(draft, claims),
        Unrecognised::Exe(number) => (number, DigestList::Exe, Some(claims.exe)),
        Unrecognised::Code(number) => (number, DigestList::Code, claims.code),
        Unrecognised::Script(number) => (number, DigestList::Script, claims.script),
    };
    // Without a digest something is mapped that is on no list, or the shim has no list.
    let digest = digest.ok_or(NoEdit::Identity)?;
    let place = usize::try_from(number).map_err(|_| NoEdit::NotPossible)?;
    let process = part.model().processes().get(place).ok_or(NoEdit::NotPossible)?.name.clone();
    draft.note(format!("whatever else rules allow the process {process} or any process holds for it too"));
    draft.add(Addition::Digest { process, list, digest })
}

/// A process as narrow as the claims: what they tell of is pinned, and what they do not is left open, which no
/// process can help.
fn add_process(draft: &mut Draft<'_>, claims: &Claims) -> Result<(), NoEdit> {
    let subject = &claims.subject;
    let program = claims.name.rsplit('/').next().unwrap_or_default();
    let taken = |name: &str| draft.whole.raw().processes.iter().any(|process| process.name == name);
    let fits = |path: &&String| !path.is_empty() && path.chars().count() <= MAX_TEXT;
    let process = RawProcess {
        name: name(&[subject.container(), program], taken),
        container: Some(subject.container().into()),
        namespace: subject.namespace().map(Into::into),
        service_account: subject.service_account().map(Into::into),
        exe: vec![claims.exe],
        code: claims.code.into_iter().collect(),
        script: claims.script.into_iter().collect(),
        path: Some(&claims.name).filter(fits).cloned(),
    };
    draft.note("whatever rules allow any process holds for it too");
    for (pinned, what) in [(&process.code, "any code"), (&process.script, "any script")] {
        if pinned.is_empty() {
            draft.note(format!("the process {} is about {what}: the connection tells of none", process.name));
        }
    }
    draft.add(Addition::Process(process))
}
