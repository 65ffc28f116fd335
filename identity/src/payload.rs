//! The claims as JSON, the one place that knows their names on the wire.

use crate::claims::{Claims, MAX_NAME, Stray};
use crate::digest::Digest;
use crate::labels::Labels;
use crate::object::Object;
use crate::refusal::{Refusal, RefusalReason};
use crate::spiffe::Subject;
use crate::time::{Lifetime, UnixSeconds};
use crate::token::AUDIENCE;
use core::fmt;
use core::net::SocketAddr;
use core::str::FromStr;
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;

/// The JSON object of a token's payload. Claims of other names are ignored when read (RFC 7519
/// section 4), so that a newer shim can say more to an older verifier.
#[derive(Deserialize, Serialize)]
struct Payload<'a> {
    #[serde(borrow)]
    iss: Cow<'a, str>,
    #[serde(borrow)]
    sub: Cow<'a, str>,
    #[serde(borrow)]
    aud: Cow<'a, str>,
    iat: u64,
    exp: u64,
    #[serde(borrow)]
    jti: Cow<'a, str>,
    #[serde(borrow)]
    exe: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    code: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    stray: Option<StrayFile<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    script: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "LabelMap::is_empty")]
    labels: LabelMap,
    #[serde(borrow)]
    src: Cow<'a, str>,
    #[serde(borrow)]
    dst: Cow<'a, str>,
}

#[derive(Deserialize, Serialize)]
struct StrayFile<'a> {
    #[serde(borrow)]
    path: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    digest: Option<Cow<'a, str>>,
}

/// Labels that are read one by one, so that a repeated name or one too many is noticed at once.
#[derive(Default)]
struct LabelMap(Labels);

impl LabelMap {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for LabelMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for LabelMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = LabelMap;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("labels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LabelMap, A::Error> {
                let pairs = core::iter::from_fn(|| map.next_entry::<String, String>().transpose());
                let mut failed = None;
                let labels =
                    Labels::from_pairs(pairs.map_while(|pair| pair.map_err(|e| failed = Some(e)).ok()));
                match (failed, labels) {
                    (Some(error), _) => Err(error),
                    (None, labels) => labels.map(LabelMap).map_err(serde::de::Error::custom),
                }
            }
        }
        deserializer.deserialize_map(Pairs)
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
        labels: LabelMap(claims.labels.clone()),
        src: claims.source.to_string().into(),
        dst: claims.destination.to_string().into(),
    })
}

/// The first [`MAX_NAME`] bytes of a path, at a character's edge.
fn cut(path: &str) -> &str {
    path.get(..path.floor_char_boundary(MAX_NAME)).unwrap_or_default()
}

/// The claims of a payload whose signature has been checked.
pub(crate) fn decode(json: &[u8]) -> Result<Claims, Refusal> {
    let Object(payload): Object<Payload<'_>> = serde_json::from_slice(json).map_err(|error| {
        // serde's own words may quote the peer's bytes; the place is enough.
        Refusal::malformed(format!("the claims are not of procgate's form (column {})", error.column()))
    })?;
    if payload.aud != AUDIENCE {
        let detail = "the token was made for another audience than procgate";
        return Err(Refusal::new(RefusalReason::WrongAudience, detail));
    }
    let subject: Subject = parse(&payload.sub, "sub is not a container's name")?;
    if payload.iss != subject.trust_domain().to_string() {
        return Err(Refusal::malformed("iss is not the trust domain of sub"));
    }
    let long = |path: &str| path.len() > MAX_NAME;
    if long(&payload.name) || payload.stray.as_ref().is_some_and(|stray| long(&stray.path)) {
        return Err(Refusal::malformed("a path is longer than a shim writes it"));
    }
    let digest = |text: &Cow<'_, str>| parse(text, "a digest is not of the form sha256:<hex>");
    Ok(Claims {
        subject,
        lifetime: Lifetime { issued_at: UnixSeconds(payload.iat), expires_at: UnixSeconds(payload.exp) },
        serial: parse(&payload.jti, "jti is not 16 hex digits")?,
        exe: digest(&payload.exe)?,
        code: payload.code.as_ref().map(digest).transpose()?,
        stray: payload.stray.map(decode_stray).transpose()?,
        script: payload.script.as_ref().map(digest).transpose()?,
        name: payload.name.into_owned(),
        labels: payload.labels.0,
        source: address(&payload.src)?,
        destination: address(&payload.dst)?,
    })
}

fn decode_stray(stray: StrayFile<'_>) -> Result<Stray, Refusal> {
    let digest = stray.digest.map(|text| parse(&text, "stray's digest is not of the form sha256:<hex>"));
    Ok(Stray { path: stray.path.into_owned(), digest: digest.transpose()? })
}

fn address(text: &str) -> Result<SocketAddr, Refusal> {
    let address = parse(text, "src or dst is not an ip:port")?;
    if crate::canonical(address) == address {
        Ok(address)
    } else {
        Err(Refusal::malformed("src or dst is v4-mapped: it must be written as IPv4"))
    }
}

fn parse<T: FromStr>(text: &str, problem: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| Refusal::malformed(problem))
}
