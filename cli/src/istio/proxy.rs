//! By which image the mesh's own containers are told from what is called like them.

use crate::failure::Problem;

/// Where Istio publishes its proxy.
pub(super) const IMAGES: [&str; 3] =
    ["docker.io/istio/proxyv2", "registry.istio.io/release/proxyv2", "gcr.io/istio-release/proxyv2"];

/// Whether it is an image's name up to its tag: with that, or with a digest, each upgrade of Istio would need a
/// rendering.
pub(super) fn check(image: &str) -> Result<(), Problem> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"./-_:".contains(&byte);
    let is_tagged = image.rsplit('/').next().is_some_and(|last| last.contains(':'));
    if image.contains('/') && !is_tagged && image.bytes().all(allowed) {
        return Ok(());
    }
    let next = "write it with its registry and without tag or digest, such as registry.example/istio/proxyv2";
    Err(Problem::new("is no image's repository").at(format!("--proxy-image {image}")).next(next))
}
