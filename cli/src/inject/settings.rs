//! The options of `inject`, understood.

use super::custody::{Custody, User};
use super::named::Named;
use super::program;
use super::{Args, Carrier};
use crate::digest::Start;
use crate::failure::Problem;
use procgate_identity::{Labels, TrustDomain};
use std::path::Path;

/// Letters of an object's name (RFC 1123 subdomain).
const MAX_OBJECT: usize = 253;

/// What is the same for all workloads.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) image: String,
    pub(super) image_volume: bool,
    pub(super) trust_domain: TrustDomain,
    pub(super) carrier: Carrier,
    pub(super) labels: Vec<(String, String)>,
    pub(super) pod_labels: Vec<String>,
    pub(super) key_secret: Pattern,
    pub(super) code_list: Option<Pattern>,
    pub(super) custody: Custody,
    pub(super) users: Named<User>,
    pub(super) entrypoints: Named<Vec<String>>,
    pub(super) images: Named<Start>,
}

/// A name with `{workload}` and `{container}` in it.
#[derive(Clone, Debug)]
pub(super) struct Pattern(String);

impl Settings {
    pub(super) fn of(args: &Args) -> Result<Self, Problem> {
        let domain = args.trust_domain.parse();
        Ok(Self {
            image: pinned(&args.shim_image)?,
            image_volume: args.image_volume,
            trust_domain: domain
                .map_err(|error| Problem::new(error).at(format!("--trust-domain {}", args.trust_domain)))?,
            carrier: args.carrier,
            labels: labels(&args.label)?,
            pod_labels: args.pod_label.clone(),
            key_secret: Pattern::of("--key-secret", &args.key_secret)?,
            code_list: args.code_list.as_deref().map(|text| Pattern::of("--code-list", text)).transpose()?,
            custody: args.custody,
            users: Named::parse("--user", &args.user, User::parse)?,
            entrypoints: Named::parse("--entrypoint", &args.entrypoint, program::words)?,
            images: Named::parse("--image-config", &args.image_config, |path| {
                Start::of_image(Path::new(path))
            })?,
        })
    }

    /// Options that are about containers which are not there.
    pub(super) fn unused(&self) -> impl Iterator<Item = Problem> {
        self.users.unused().chain(self.entrypoints.unused()).chain(self.images.unused())
    }
}

impl Pattern {
    fn of(option: &str, text: &str) -> Result<Self, Problem> {
        let rest = text.replace("{workload}", "w").replace("{container}", "c");
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
        if rest.is_empty() || !rest.bytes().all(plain) {
            let next = "write lower-case letters, digits, -, . and the words {workload} and {container}";
            return Err(Problem::new("is no name of an object").at(format!("{option} {text}")).next(next));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name for this container.
    pub(super) fn fill(&self, workload: &str, container: &str) -> Result<String, Problem> {
        let name = self.0.replace("{workload}", workload).replace("{container}", container);
        if name.len() <= MAX_OBJECT {
            return Ok(name);
        }
        let what = format!("{name} is longer than the {MAX_OBJECT} letters of an object's name");
        Err(Problem::new(what).next(format!("give a shorter one than {} for it", self.0)))
    }
}

/// An image by its digest.
fn pinned(image: &str) -> Result<String, Problem> {
    let digest = image.split_once("@sha256:").map(|(_, digest)| digest);
    if digest.is_some_and(|digest| digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()))
    {
        return Ok(image.to_owned());
    }
    let what = "is not pinned: whoever can write to the registry decides what starts the programs and reads the keys";
    let next = "name it by its digest, as IMAGE@sha256:…, which `docker image inspect` and registries tell";
    Err(Problem::new(what).at(format!("--shim-image {image}")).next(next))
}

fn labels(texts: &[String]) -> Result<Vec<(String, String)>, Problem> {
    let pair = |text: &String| {
        let pair = text.split_once('=').filter(|(_, value)| !value.contains(','));
        pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(|| {
            let next = "write NAME=VALUE, such as segment=pci, without a comma";
            Problem::new("is no label").at(format!("--label {text}")).next(next)
        })
    };
    let labels: Vec<(String, String)> = texts.iter().map(pair).collect::<Result<_, Problem>>()?;
    Labels::from_pairs(labels.clone()).map_err(|error| Problem::new(error).at("--label"))?;
    Ok(labels)
}
