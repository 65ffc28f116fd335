//! Which layers an image has, and which configuration: index and manifest of the OCI image specification,
//! `manifest.json` of Docker.
//!
//! Read are the few fields that lead to them. Everything else in them is of no consequence here.

use super::store::Store;
use crate::failure::Problem;
use core::fmt;
use core::str::FromStr;
use procgate_identity::Digest;
use serde::Deserialize;

/// Layers of one image: overlayfs takes 500.
const MAX_LAYERS: usize = 500;
/// Indexes within one another.
const MAX_NESTING: usize = 4;

/// A layer, or another part of an image.
#[derive(Clone, Debug)]
pub(super) struct Blob {
    pub(super) name: String,
    /// What its bytes must have; Docker's own archives do not say.
    pub(super) digest: Option<Digest>,
}

impl fmt::Display for Blob {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.name)
    }
}

/// A platform as images name it, for example linux/arm64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

impl Platform {
    /// The one that this program runs on.
    fn here() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Self { os: "linux".into(), architecture: architecture.into(), variant: None }
    }

    fn is(&self, offered: &OfferedPlatform) -> bool {
        self.os == offered.os
            && self.architecture == offered.architecture
            && (self.variant.is_none() || self.variant == offered.variant)
    }
}

impl FromStr for Platform {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('/').map(String::from);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(os), Some(architecture), variant, None) if !os.is_empty() && !architecture.is_empty() => {
                Ok(Self { os, architecture, variant })
            }
            _ => Err("write OS/ARCHITECTURE, for example linux/arm64"),
        }
    }
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: Option<String>,
    digest: String,
    platform: Option<OfferedPlatform>,
}

#[derive(Clone, Deserialize)]
struct OfferedPlatform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

impl fmt::Display for OfferedPlatform {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { os, architecture, variant } = self;
        write!(out, "{os}/{architecture}")?;
        variant.as_ref().map_or(Ok(()), |variant| write!(out, "/{variant}"))
    }
}

#[derive(Deserialize)]
struct Manifest {
    config: Option<Descriptor>,
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerManifest {
    config: Option<String>,
    layers: Vec<String>,
}

/// An image's parts.
#[derive(Debug)]
pub(super) struct Parts {
    /// How it is started.
    pub(super) config: Option<Blob>,
    /// The first one first.
    pub(super) layers: Vec<Blob>,
}

/// The parts of the image.
pub(super) fn parts(store: &Store, platform: Option<&Platform>) -> Result<Parts, Problem> {
    let parts = if store.has("index.json") {
        of_layout(store, platform)?
    } else if store.has("manifest.json") {
        of_docker(store, platform)?
    } else {
        let problem = Problem::new("no image: neither index.json nor manifest.json is in it");
        return Err(problem.next("name an OCI layout, or what `docker save` wrote"));
    };
    if parts.layers.len() > MAX_LAYERS {
        let problem = Problem::new(format!("{} layers", parts.layers.len()));
        return Err(problem.next(format!("no runtime takes more than {MAX_LAYERS}")));
    }
    Ok(parts)
}

fn of_layout(store: &Store, platform: Option<&Platform>) -> Result<Parts, Problem> {
    let mut images = Vec::new();
    let index: Index = parse("index.json", &store.document("index.json", None)?)?;
    collect(store, index, MAX_NESTING, &mut images)?;
    let chosen = choose(&images, platform)?;
    let blob = blob(&chosen.digest)?;
    let manifest: Manifest = parse(&blob.name, &store.document(&blob.name, blob.digest)?)?;
    let config = manifest.config.as_ref().map(|config| self::blob(&config.digest)).transpose()?;
    let layers: Result<_, Problem> = manifest.layers.iter().map(|layer| self::blob(&layer.digest)).collect();
    Ok(Parts { config, layers: layers? })
}

/// The images of an index and of those within it. What says that it is for no platform is no image but a
/// statement about one.
fn collect(store: &Store, index: Index, nesting: usize, images: &mut Vec<Descriptor>) -> Result<(), Problem> {
    for descriptor in index.manifests {
        let is_index = descriptor.media_type.as_deref().is_some_and(|kind| {
            kind.ends_with(".image.index.v1+json") || kind.ends_with(".manifest.list.v2+json")
        });
        let is_statement = descriptor.platform.as_ref().is_some_and(|platform| platform.os == "unknown");
        if is_index && nesting > 0 {
            let blob = blob(&descriptor.digest)?;
            let inner: Index = parse(&blob.name, &store.document(&blob.name, blob.digest)?)?;
            collect(store, inner, nesting.saturating_sub(1), images)?;
        } else if !is_index && !is_statement && !images.iter().any(|known| known.digest == descriptor.digest)
        {
            images.push(descriptor);
        }
    }
    Ok(())
}

fn choose<'a>(images: &'a [Descriptor], wanted: Option<&Platform>) -> Result<&'a Descriptor, Problem> {
    if let ([only], None) = (images, wanted) {
        return Ok(only);
    }
    let here = Platform::here();
    let platform = wanted.unwrap_or(&here);
    let is_for = |image: &&Descriptor| image.platform.as_ref().is_some_and(|offered| platform.is(offered));
    let mut fitting = images.iter().filter(is_for);
    if let (Some(one), None) = (fitting.next(), fitting.next()) {
        return Ok(one);
    }
    Err(none_is_meant(images.iter().map(|image| image.platform.as_ref())))
}

fn none_is_meant<'a>(offered: impl ExactSizeIterator<Item = Option<&'a OfferedPlatform>>) -> Problem {
    let count = offered.len();
    let offered = offered.map(|offered| offered.map_or("(not said)".into(), ToString::to_string));
    let offered = offered.collect::<Vec<_>>().join(", ");
    let what = format!("{count} images, for {offered}, and not one that is meant");
    Problem::new(what).next("choose one with --platform, or copy just one image")
}

/// An archive that `docker save` wrote says in the image's configuration what it is for.
fn of_docker(store: &Store, platform: Option<&Platform>) -> Result<Parts, Problem> {
    let images: Vec<DockerManifest> = parse("manifest.json", &store.document("manifest.json", None)?)?;
    let count = images.len();
    let mut images = images.into_iter();
    let (Some(image), None) = (images.next(), images.next()) else {
        return Err(Problem::new(format!("{count} images")).next("save just one"));
    };
    if let Some(platform) = platform {
        let config = image.config.as_deref();
        let offered: Option<OfferedPlatform> =
            config.map(|name| parse(name, &store.document(name, None)?)).transpose()?;
        if !offered.as_ref().is_some_and(|offered| platform.is(offered)) {
            return Err(none_is_meant([offered.as_ref()].into_iter()));
        }
    }
    let blob = |name| Blob { name, digest: None };
    Ok(Parts { config: image.config.map(blob), layers: image.layers.into_iter().map(blob).collect() })
}

/// Where a layout keeps the blob of this digest.
fn blob(digest: &str) -> Result<Blob, Problem> {
    let parsed: Digest = digest.parse().map_err(|_| {
        Problem::new(format!("{digest:?} is no digest that is known here"))
            .next("copy the image with sha256 digests")
    })?;
    let name = format!("blobs/{}", digest.replace(':', "/"));
    Ok(Blob { name, digest: Some(parsed) })
}

pub(super) fn parse<'a, T: Deserialize<'a>>(name: &str, bytes: &'a [u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        Problem::new(format!("{name} is not as it should be: {error}")).next("make or fetch the image anew")
    })
}
