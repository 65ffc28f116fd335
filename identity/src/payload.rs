//! The claims as JSON, the one place that knows their names on the wire.

use crate::claims::{Claims, MAX_NAME, Stray};
use crate::digest::Digest;
use crate::json::Object;
use crate::labels::Labels;
use crate::refusal::{Refusal, RefusalReason};
use crate::spiffe::Subject;
use crate::time::{Lifetime, UnixSeconds};
use crate::token::AUDIENCE;
use core::net::SocketAddr;
use core::str::FromStr;
use serde::{Serialize, Serializer};
use std::borrow::Cow;

/// The JSON object of a token's payload.
#[derive(Serialize)]
struct Payload<'a> {
    iss: Cow<'a, str>,
    sub: Cow<'a, str>,
    aud: Cow<'a, str>,
    iat: u64,
    exp: u64,
    jti: Cow<'a, str>,
    exe: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stray: Option<StrayFile<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script: Option<Cow<'a, str>>,
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "LabelMap::is_empty")]
    labels: LabelMap<'a>,
    src: Cow<'a, str>,
    dst: Cow<'a, str>,
}

#[derive(Serialize)]
struct StrayFile<'a> {
    path: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Cow<'a, str>>,
}

struct LabelMap<'a>(&'a Labels);

impl LabelMap<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for LabelMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

/// The payload's JSON for these claims.
pub(crate) fn encode(claims: &Claims) -> Result<Vec<u8>, serde_json::Error> {
    let text = |digest: &Digest| Cow::Owned(digest.to_string());
    serde_json::to_vec(&Payload {
        iss: claims.subject.trust_domain().to_string().into(),
        sub: claims.subject.as_str().into(),
        aud: AUDIENCE.into(),
        iat: claims.lifetime.issued_at.0,
        exp: claims.lifetime.expires_at.0,
        jti: claims.serial.to_string().into(),
        exe: text(&claims.exe),
        code: claims.code.as_ref().map(text),
        stray: claims.stray.as_ref().map(|stray| StrayFile {
            path: cut(&stray.path).into(),
            digest: stray.digest.as_ref().map(text),
        }),
        script: claims.script.as_ref().map(text),
        name: cut(&claims.name).into(),
        labels: LabelMap(&claims.labels),
        src: claims.source.to_string().into(),
        dst: claims.destination.to_string().into(),
    })
}

/// The first [`MAX_NAME`] bytes of a path, at a character's edge.
fn cut(path: &str) -> &str {
    path.get(..path.floor_char_boundary(MAX_NAME)).unwrap_or_default()
}

/// The claims of a payload whose signature has been checked. Claims of other names are ignored (RFC
/// 7519 section 4), so that a newer shim can say more to an older verifier.
#[inline(never)]
pub(crate) fn decode(json: &[u8]) -> Result<Claims, Refusal> {
    let mut payload = Object::parse(json)?;
    if payload.text("aud")? != AUDIENCE {
        let detail = "the token was made for another audience than procgate";
        return Err(Refusal::new(RefusalReason::WrongAudience, detail));
    }
    Ok(Claims {
        subject: subject(&mut payload)?,
        lifetime: Lifetime {
            issued_at: UnixSeconds(payload.number("iat")?),
            expires_at: UnixSeconds(payload.number("exp")?),
        },
        serial: parse(&payload.text("jti")?, "jti is not 16 hex digits")?,
        exe: digest(&payload.text("exe")?)?,
        code: optional_digest(&mut payload, "code")?,
        stray: stray(&mut payload)?,
        script: optional_digest(&mut payload, "script")?,
        name: path(payload.text("name")?)?,
        labels: labels(&mut payload)?,
        source: address(&mut payload, "src")?,
        destination: address(&mut payload, "dst")?,
    })
}

// One claim each, in functions of their own: docs/decisions/0028.

#[inline(never)]
fn subject(payload: &mut Object<'_>) -> Result<Subject, Refusal> {
    let subject: Subject = parse(&payload.text("sub")?, "sub is not a container's name")?;
    if payload.text("iss")? != subject.trust_domain().to_string() {
        return Err(Refusal::malformed("iss is not the trust domain of sub"));
    }
    Ok(subject)
}

#[inline(never)]
fn stray(payload: &mut Object<'_>) -> Result<Option<Stray>, Refusal> {
    let Some(mut stray) = payload.optional_object("stray")? else { return Ok(None) };
    let digest = optional_digest(&mut stray, "digest")?;
    Ok(Some(Stray { path: path(stray.text("path")?)?, digest }))
}

#[inline(never)]
fn labels(payload: &mut Object<'_>) -> Result<Labels, Refusal> {
    let Some(labels) = payload.optional_object("labels")? else { return Ok(Labels::default()) };
    let pairs = labels.into_texts().ok_or_else(|| Refusal::malformed("a label is no text"))?;
    Labels::from_pairs(pairs).map_err(|error| Refusal::malformed(error.to_string()))
}

fn path(path: Cow<'_, str>) -> Result<String, Refusal> {
    if path.len() > MAX_NAME {
        return Err(Refusal::malformed("a path is longer than a shim writes it"));
    }
    Ok(path.into_owned())
}

#[inline(never)]
fn optional_digest(object: &mut Object<'_>, name: &str) -> Result<Option<Digest>, Refusal> {
    object.optional_text(name)?.as_deref().map(digest).transpose()
}

fn digest(text: &str) -> Result<Digest, Refusal> {
    parse(text, "a digest is not of the form sha256:<hex>")
}

#[inline(never)]
fn address(payload: &mut Object<'_>, name: &str) -> Result<SocketAddr, Refusal> {
    let address = parse(&payload.text(name)?, "src or dst is not an ip:port")?;
    if crate::canonical(address) == address {
        Ok(address)
    } else {
        Err(Refusal::malformed("src or dst is v4-mapped: it must be written as IPv4"))
    }
}

fn parse<T: FromStr>(text: &str, problem: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| Refusal::malformed(problem))
}
