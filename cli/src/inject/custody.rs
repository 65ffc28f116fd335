//! Who can read a container's key: whom the shim runs as, and whom its program.

use super::container::{Container, capability, id};
use super::draft::{Draft, End};
use super::pod::Pod;
use super::settings::Settings;
use crate::failure::Problem;
use crate::yaml::{Fault, Node, Value};

/// Whose the key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Custody {
    /// The program's user's, whom the shim runs as. Nothing of the security context changes; the program can
    /// read the key too.
    Workload,
    /// Root's. The shim starts as root, reads it, and becomes the program's user. Needs the capabilities SETUID
    /// and SETGID, and a namespace that lets containers start as root.
    Root,
}

/// `UID[:GID]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u64,
    pub(super) gid: Option<u64>,
}

impl User {
    /// Reads it.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let number = |text: &str| text.parse::<u32>().ok().map(u64::from);
        let user = match text.split_once(':') {
            Some((uid, gid)) => number(uid).zip(number(gid)).map(|(uid, gid)| Self { uid, gid: Some(gid) }),
            None => number(text).map(|uid| Self { uid, gid: None }),
        };
        user.ok_or_else(|| Problem::new("is no user").next("write numbers, such as 1000 or 1000:1000"))
    }
}

/// How a key is mounted, and what else that takes.
#[derive(Debug)]
pub(super) struct Arrangement {
    /// Permissions of the key's file, of which root is the owner.
    pub(super) mode: u64,
    /// Who the shim shall become.
    pub(super) user: Option<String>,
    /// Capabilities that the container did not have.
    pub(super) capabilities: Vec<String>,
    pub(super) warnings: Vec<String>,
    pub(super) note: String,
}

/// The owner's alone: what root is to read, or a group that the kubelet lets read it for `fsGroup`.
const OWNER: u64 = 0o400;
/// Everybody's in the container: only root could give the file to somebody else.
const ALL: u64 = 0o444;

/// Arranges it, with what has to be different in the container's security context.
pub(super) fn arrange<'a>(
    container: &Container<'a>,
    pod: &Pod<'a>,
    settings: &Settings,
    draft: &mut Draft<'_>,
) -> Result<Arrangement, Fault> {
    let user = user(container, pod, settings)?;
    match settings.custody {
        Custody::Workload => Ok(of_workload(user, group(pod)?)),
        Custody::Root => of_root(container, pod, user, draft),
    }
}

/// Whom the container's program runs as, as far as it is known.
fn user<'a>(container: &Container<'a>, pod: &Pod<'a>, settings: &Settings) -> Result<Option<User>, Fault> {
    let workload = pod.object.name.as_str();
    let (uid, gid) = (pod.id(container, "runAsUser")?, pod.id(container, "runAsGroup")?);
    if let Some(user) = settings.users.of(workload, container.name) {
        return Ok(Some(*user));
    }
    let of_image = || User::parse(settings.images.of(workload, container.name)?.user()).ok();
    Ok(match uid {
        Some(uid) => Some(User { uid, gid }),
        None => of_image().map(|user| User { gid: gid.or(user.gid), ..user }),
    })
}

fn group(pod: &Pod<'_>) -> Result<Option<u64>, Fault> {
    pod.node.at("spec.securityContext.fsGroup").map_or(Ok(None), |node| id("fsGroup", node))
}

fn of_workload(user: Option<User>, group: Option<u64>) -> Arrangement {
    let is_root = user.is_some_and(|user| user.uid == 0);
    let mode = if is_root || group.is_some() { OWNER } else { ALL };
    let why = if is_root { "both run as root" } else { "the shim runs as its user" };
    let remedy = if is_root {
        "let the program run as another user, and give --custody root --user NAME=UID:GID"
    } else {
        "--custody root keeps it away, where the namespace lets a container start as root"
    };
    let warning = format!(
        "the program can read its key too, since {why}: whoever takes the program over can sign as any program of this \
         container, until the key is out of the policy; {remedy}"
    );
    let note = "security context as it was: the shim makes the program's sockets itself (own-socket mode), which the \
                runtime's default seccomp profile permits without any capability";
    Arrangement { mode, user: None, capabilities: Vec::new(), warnings: vec![warning], note: note.into() }
}

fn of_root<'a>(
    container: &Container<'a>,
    pod: &Pod<'a>,
    user: Option<User>,
    draft: &mut Draft<'_>,
) -> Result<Arrangement, Fault> {
    let name = container.name;
    let fault = |what: &str, next: &str| {
        let problem = Problem::new(format!("--custody root: {what} of container {name}"));
        Fault { line: container.node.line, problem: problem.next(next) }
    };
    let (uid, gid) = match user {
        Some(User { uid: 0, .. }) => {
            return Err(fault(
                "root is the user",
                "root reads every file: give another, with --user NAME=UID:GID",
            ));
        }
        Some(User { uid, gid: Some(gid) }) => (uid, gid),
        Some(User { gid: None, .. }) => {
            return Err(fault("nothing says the group", "write its runAsGroup, or give --user NAME=UID:GID"));
        }
        None => {
            return Err(fault(
                "nothing says the user",
                "write its runAsUser and runAsGroup, or give --user NAME=UID:GID",
            ));
        }
    };
    if group(pod)? == Some(gid) {
        let next = "that group may read the key: give the program another runAsGroup, or leave fsGroup out";
        return Err(fault("fsGroup is the group", next));
    }
    let (changed, capabilities) = become_root(container, pod, draft)?;
    let mut warnings = Vec::new();
    if pod.node.at("spec.securityContext.fsGroup").is_some()
        || pod.node.at("spec.securityContext.supplementalGroups").is_some()
    {
        warnings.push(
            "the shim gives up all groups but the program's own when it becomes its user: fsGroup and \
             supplementalGroups do not hold for the program any more; let it have its files as its user or group"
                .into(),
        );
    }
    let changed = if changed.is_empty() { "security context as it was".into() } else { changed.join(", ") };
    let note = format!(
        "{changed}: the shim starts as root, which alone reads the key, and becomes the program's user with SETUID and \
         SETGID; the program itself runs as before, without them. The Pod Security Standard `restricted` does not \
         admit this"
    );
    Ok(Arrangement { mode: OWNER, user: Some(format!("{uid}:{gid}")), capabilities, warnings, note })
}

/// Whether a field of a security context is as it was written here, and nobody's own since then.
pub(super) fn is_of_root(name: &str, node: &Node<'_>) -> bool {
    matches!((name, node.plain()), ("runAsUser", Some("0")) | ("runAsNonRoot", Some("false")))
}

/// Lets the container start as root with the two capabilities, and with nothing more.
fn become_root<'a>(
    container: &Container<'a>,
    pod: &Pod<'a>,
    draft: &mut Draft<'_>,
) -> Result<(Vec<String>, Vec<String>), Fault> {
    let mut fields = Vec::new();
    if pod.id(container, "runAsUser")? != Some(0) {
        fields.push(("runAsUser", Value::from(0)));
    }
    if pod.security(container, "runAsNonRoot").and_then(Node::boolean) == Some(true) {
        fields.push(("runAsNonRoot", false.into()));
    }
    let mut changed: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name} is {}", value.inline())).collect();
    draft.merge("securityContext", fields)?;
    let named = |list: &str, name: &str| {
        let items = container.node.items_at(&format!("securityContext.capabilities.{list}"));
        items.iter().filter_map(Node::text).any(|text| capability(text) == name)
    };
    let misses = |name: &&str| {
        let dropped = named("drop", "ALL") || named("drop", name);
        dropped && !named("add", "ALL") && !named("add", name)
    };
    let missing: Vec<String> =
        ["SETUID", "SETGID"].iter().filter(|name| misses(name)).map(|name| (*name).into()).collect();
    draft.extend(
        "securityContext.capabilities.add",
        missing.iter().map(|name| name.as_str().into()).collect(),
        End::Back,
    )?;
    changed.extend(missing.iter().map(|name| format!("{name} added")));
    Ok((changed, missing))
}
