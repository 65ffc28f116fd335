//! The reader of a whole policy.

use super::bounds::{
    MAX_CIDRS, MAX_DESTINATIONS, MAX_DIGESTS, MAX_HOSTS, MAX_PROCESSES, MAX_RULES, MAX_TRUSTED,
};
use super::lint::lint;
use super::lists::{digest, labels, name, text};
use super::read_rule::rule;
use super::reader::{At, Fields, Reader, quoted};
use super::{Mode, RawDestination, RawJwk, RawKey, RawPolicy, RawProcess, RawRule, RawTrust};
use crate::document::{Items, Node};
use crate::mistake::Mistakes;
use procgate_identity::Algorithm;

/// A list that is empty where the field is absent.
macro_rules! list {
    ($reader:expr, $at:expr, $fields:expr, $name:literal, $sizes:expr, $read:expr) => {
        $reader
            .optional($at, $fields, $name, |reader, at, node| reader.list(at, node, $sizes, $read))
            .unwrap_or_default()
    };
}
pub(super) use list;

/// Reads the policy whose tree this makes of what is left when the lists have taken their items.
pub(super) fn policy<'d>(
    tree: impl FnOnce(&mut dyn Items) -> Result<Node<'d>, Mistakes>,
) -> Result<RawPolicy, Mistakes> {
    let mut lists = Lists::default();
    let tree = tree(&mut lists)?;
    lists.finish(&tree)
}

/// The lists of a policy that may be long.
#[derive(Default)]
struct Lists {
    processes: List<RawProcess>,
    destinations: List<RawDestination>,
    rules: List<RawRule>,
}

/// A list whose items were taken, and the mistakes in them.
struct List<T> {
    items: Vec<T>,
    reader: Reader,
    has_begun: bool,
    /// It is written twice, which is told when all fields are known. Only the first one is read.
    is_second: bool,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { items: Vec::new(), reader: Reader::default(), has_begun: false, is_second: false }
    }
}

impl<T> List<T> {
    /// Reads the item. Those that are too many are counted later.
    fn take(
        &mut self,
        at: At<'_>,
        index: usize,
        most: usize,
        item: &Node<'_>,
        read: fn(&mut Reader, At<'_>, &Node<'_>) -> Option<T>,
    ) -> bool {
        self.is_second |= index == 0 && self.has_begun;
        self.has_begun = true;
        if !self.is_second && index < most {
            self.items.extend(read(&mut self.reader, at.item(index), item));
        }
        true
    }
}

impl Items for Lists {
    fn take(&mut self, field: &str, index: usize, item: &Node<'_>) -> bool {
        let at = At::Top.field(field);
        match field {
            "processes" => self.processes.take(at, index, MAX_PROCESSES, item, process),
            "destinations" => self.destinations.take(at, index, MAX_DESTINATIONS, item, destination),
            "rules" => self.rules.take(at, index, MAX_RULES, item, rule),
            _ => false,
        }
    }
}

impl Lists {
    #[inline(never)]
    fn finish(self, tree: &Node) -> Result<RawPolicy, Mistakes> {
        let mut reader = Reader::default();
        let policy = top(&mut reader, At::Top, tree, self);
        reader.finish(policy)
    }
}

/// The policy, with what its lists have taken.
#[inline(never)]
fn top(reader: &mut Reader, at: At<'_>, node: &Node, lists: Lists) -> Option<RawPolicy> {
    let known = &["version", "mode", "forward", "trust", "processes", "destinations", "rules", "lint"];
    let fields = &reader.object(at, node, known)?;
    let version = reader.required(at, fields, "version", "write version: 1", version);
    let mode = reader.required(
        at,
        fields,
        "mode",
        "write mode: audit to only record, or mode: enforce to deny what no rule allows",
        mode,
    );
    let forward = reader.optional(at, fields, "forward", truth).unwrap_or_default();
    let trust = reader.required(at, fields, "trust", "write the trust domain and its public keys", trust);
    let Lists { processes, destinations, rules } = lists;
    for (name, most, mistakes) in [
        ("processes", MAX_PROCESSES, processes.reader),
        ("destinations", MAX_DESTINATIONS, destinations.reader),
        ("rules", MAX_RULES, rules.reader),
    ] {
        // How many there are; each was read when it was taken.
        reader.optional(at, fields, name, |reader, at, node| {
            reader.list(at, node, 0..=most, |_, _, _| Some(()))
        });
        reader.append(mistakes);
    }
    let lint = reader.optional(at, fields, "lint", lint).unwrap_or_default();
    version?;
    Some(RawPolicy {
        mode: mode?,
        forward,
        trust: trust?,
        processes: processes.items,
        destinations: destinations.items,
        rules: rules.items,
        lint,
    })
}

fn version(reader: &mut Reader, at: At<'_>, node: &Node) -> Option<()> {
    if *node == Node::Integer(1) {
        return Some(());
    }
    reader.mistake(at, "not a version known here", "write version: 1 (a number)");
    None
}

fn mode(reader: &mut Reader, at: At<'_>, node: &Node) -> Option<Mode> {
    let text = reader.text(at, node)?;
    let mode = [Mode::Audit, Mode::Enforce].into_iter().find(|mode| mode.code() == text);
    if mode.is_none() {
        reader.mistake(at, format!("{} is no mode", quoted(text)), "write audit or enforce");
    }
    mode
}

fn truth(reader: &mut Reader, at: At<'_>, node: &Node) -> Option<bool> {
    let Node::Bool(truth) = node else {
        reader.mistake(at, "neither true nor false", "write true, or leave it out");
        return None;
    };
    Some(*truth)
}

#[inline(never)]
fn trust(reader: &mut Reader, at: At<'_>, node: &Node) -> Option<RawTrust> {
    let fields = &reader.object(at, node, &["domain", "keys"])?;
    let domain =
        reader.required(at, fields, "domain", "write the trust domain, for example shop.example", text);
    let keys = reader.required(
        at,
        fields,
        "keys",
        "write at least one public key, as `procgate keygen` prints it",
        |reader, at, node| reader.list(at, node, 1..=MAX_TRUSTED, key),
    );
    Some(RawTrust { domain: domain?, keys: keys? })
}

fn key(reader: &mut Reader, at: At<'_>, node: &Node) -> Option<RawKey> {
    let fields = &reader.object(at, node, &["jwk", "scope"])?;
    let jwk = reader.required(at, fields, "jwk", "write the public key as a JWK", jwk);
    let scope = reader.required(
        at,
        fields,
        "scope",
        "write the only subject it may sign for, or their common prefix that ends in /",
        text,
    );
    Some(RawKey { jwk: jwk?, scope: scope? })
}

const JWK_FIELDS: &[&str] = &["kty", "crv", "kid", "x", "y", "alg", "use"];
const WITH_PRIVATE: &[&str] = &["kty", "crv", "kid", "x", "y", "alg", "use", "d"];

fn jwk(reader: &mut Reader, at: At<'_>, node: &Node) -> Option<RawJwk> {
    let private = matches!(node, Node::Object(fields) if fields.iter().any(|(name, _)| name == "d"));
    if private {
        reader.mistake(
            at.field("d"),
            "A PRIVATE KEY: everybody who can read this policy can now sign as these containers",
            "remove d here, make a new key with `procgate keygen`, and replace this one everywhere",
        );
    }
    let fields = &reader.object(at, node, if private { WITH_PRIVATE } else { JWK_FIELDS })?;
    let is = |node: &Node, value: &str| matches!(node, Node::Text(text) if text == value);
    let is_elliptic = fields.get("kty").is_some_and(|kty| is(kty, Algorithm::Es256.key_type()));
    let algorithm = if is_elliptic { Algorithm::Es256 } else { Algorithm::EdDsa };
    let mut fixed = |name: &'static str, value: &str, needed: bool| {
        let node = fields.get(name);
        let fits = node.map_or(!needed, |node| is(node, value));
        if !fits {
            let problem = if node.is_none() { "missing" } else { "not a key that tokens are signed with" };
            let or = if name == "kty" { ", or EC for a key on P-256" } else { "" };
            reader.mistake(at.field(name), problem, format!("write {value}{or}"));
        }
        fits
    };
    let kty = fixed("kty", algorithm.key_type(), true);
    let crv = fixed("crv", algorithm.curve(), true);
    let alg = fixed("alg", algorithm.name(), false);
    let purpose = fixed("use", "sig", false);
    let kid = reader.required(at, fields, "kid", "write the key's name, as in the token's header", text);
    const COORDINATE: &str = "write the public key's coordinate, 43 characters of base64url";
    let x = reader.required(at, fields, "x", COORDINATE, text);
    let y = match algorithm {
        Algorithm::Es256 => Some(reader.required(at, fields, "y", COORDINATE, text)?),
        Algorithm::EdDsa => None,
    };
    let has_stray_y = y.is_none() && fields.get("y").is_some();
    if has_stray_y {
        reader.mistake(at.field("y"), "a key on Ed25519 has no y", "remove it, or correct kty and crv");
    }
    (kty && crv && alg && purpose && !private && !has_stray_y).then_some(())?;
    Some(RawJwk { kid: kid?, x: x?, y })
}

fn process(reader: &mut Reader, at: At<'_>, node: &Node) -> Option<RawProcess> {
    let known = &["name", "container", "namespace", "serviceAccount", "exe", "code", "script", "path"];
    let fields = &reader.object(at, node, known)?;
    let name = reader.required(at, fields, "name", "name the process; rules refer to it", name);
    let exe = reader.required(
        at,
        fields,
        "exe",
        "write the digests of its executable, as `procgate digest` prints them",
        |reader, at, node| reader.list(at, node, 1..=MAX_DIGESTS, digest),
    );
    Some(RawProcess {
        container: reader.optional(at, fields, "container", text),
        namespace: reader.optional(at, fields, "namespace", text),
        service_account: reader.optional(at, fields, "serviceAccount", text),
        code: list!(reader, at, fields, "code", 1..=MAX_DIGESTS, digest),
        script: list!(reader, at, fields, "script", 1..=MAX_DIGESTS, digest),
        path: reader.optional(at, fields, "path", text),
        name: name?,
        exe: exe?,
    })
}

fn destination(reader: &mut Reader, at: At<'_>, node: &Node) -> Option<RawDestination> {
    let fields: &Fields<'_> = &reader.object(at, node, &["name", "hosts", "cidrs", "labels"])?;
    let name = reader.required(at, fields, "name", "name the destination; rules refer to it", name);
    if fields.get("hosts").is_none() && fields.get("cidrs").is_none() {
        reader.mistake(at, "neither hosts nor cidrs", "write hosts, cidrs or both");
    }
    Some(RawDestination {
        hosts: list!(reader, at, fields, "hosts", 1..=MAX_HOSTS, text),
        cidrs: list!(reader, at, fields, "cidrs", 1..=MAX_CIDRS, text),
        labels: reader.optional(at, fields, "labels", labels).unwrap_or_default(),
        name: name?,
    })
}
