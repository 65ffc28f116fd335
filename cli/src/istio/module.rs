//! Where the proxies get the module from.

use crate::failure::Problem;
use serde_json::{Value, json};

/// A module that a proxy, or the node's agent for it, can fetch.
#[derive(Clone, Debug)]
pub(super) struct Module {
    url: String,
    sha256: String,
    is_local: bool,
}

impl Module {
    /// Of an `oci:`, `http(s):` or `file:` URL, and the digest that goes with it.
    pub(super) fn new(url: &str, sha256: Option<&str>) -> Result<Self, Problem> {
        let Some((scheme, rest)) = url.split_once("://").filter(|(_, rest)| !rest.is_empty()) else {
            let next = "write it with its scheme, such as oci://registry.example/procgate:0.1.0";
            return Err(Problem::new("is no URL of a module").at(format!("--module {url}")).next(next));
        };
        let is_local = match scheme {
            "file" if rest.starts_with('/') => true,
            "oci" | "http" | "https" => false,
            _ => {
                let what = "the module is fetched from oci://, https://, http:// or file:///";
                return Err(Problem::new(what).at(format!("--module {url}")).next("use one of these"));
            }
        };
        let sha256 = match sha256 {
            Some(text) => digest(text)?,
            None if is_local => String::new(),
            None => {
                let what = "without a digest, whoever can write to the registry decides what the proxies run";
                let next = "give the file's sha256 for http(s), the manifest's digest for oci";
                return Err(Problem::new(what).at("--sha256").next(next));
            }
        };
        Ok(Self { url: url.to_owned(), sha256, is_local })
    }

    /// The URL.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The digest, or nothing for a file.
    pub(super) fn sha256(&self) -> &str {
        &self.sha256
    }

    /// As Envoy's `vm_config.code`. The node's agent fetches what is remote and puts a file in its place.
    pub(super) fn code(&self) -> Value {
        if self.is_local {
            let path = self.url.trim_start_matches("file://");
            return json!({"local": {"filename": path}});
        }
        // Istio's agent reads no more of it than URI and digest; `cluster` has to be there.
        let uri = json!({"uri": self.url, "timeout": "30s", "cluster": "_"});
        json!({"remote": {"http_uri": uri, "sha256": self.sha256}})
    }
}

fn digest(text: &str) -> Result<String, Problem> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    let is_digest = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_digest {
        return Ok(digits.to_ascii_lowercase());
    }
    let next = "write 64 hexadecimal digits, as `sha256sum procgate.wasm` prints them";
    Err(Problem::new("is no SHA-256 digest").at(format!("--sha256 {text}")).next(next))
}
