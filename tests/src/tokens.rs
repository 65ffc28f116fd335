//! Keys, and tokens of every kind: such as the shim mints, and such as it never would.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signer;
use procgate_identity::{
    Algorithm, Claims, Digest, KeyId, Labels, Lifetime, Serial, SigningKey, Subject, TOKEN_LIFE_SECONDS,
    UnixNanos,
};
use serde_json::{Value, json};
use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;
use zeroize::Zeroizing;

/// The trust domain of all tests.
pub const DOMAIN: &str = "shop.example";
/// What the tests' key may sign for.
pub const SCOPE: &str = "spiffe://shop.example/ns/shop/sa/checkout/container/";
/// The container of the approved program.
pub const SUBJECT: &str = "spiffe://shop.example/ns/shop/sa/checkout/container/checkout";

/// A signing key, made of random bytes.
#[derive(Debug)]
pub struct Key {
    id: String,
    algorithm: Algorithm,
    random: Zeroizing<[u8; 32]>,
}

impl Key {
    /// An Ed25519 key of this name.
    #[must_use]
    pub fn new(id: &str) -> Self {
        let mut random = Zeroizing::new([0; 32]);
        fs::File::open("/dev/urandom").unwrap().read_exact(&mut *random).unwrap();
        Self { id: id.into(), algorithm: Algorithm::EdDsa, random }
    }

    /// A key on P-256 of this name.
    #[must_use]
    pub fn es256(id: &str) -> Self {
        Self { algorithm: Algorithm::Es256, ..Self::new(id) }
    }

    fn signing(&self) -> SigningKey {
        let id = KeyId::new(&self.id).unwrap();
        match self.algorithm {
            Algorithm::EdDsa => SigningKey::from_seed(id, &self.random),
            Algorithm::Es256 => SigningKey::es256(id, &self.random).unwrap(),
        }
    }

    /// The key's entry in a policy's `trust.keys`.
    #[must_use]
    pub fn trusted_for(&self, scope: &str) -> Value {
        let jwk: Value = serde_json::from_str(&self.signing().public().unwrap().to_jwk()).unwrap();
        json!({"jwk": jwk, "scope": scope})
    }

    /// Where [`Key::write_to`] puts it.
    #[must_use]
    pub fn place_in(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.jwk", self.id))
    }

    /// Writes the private key to a file that only its owner may read.
    pub fn write_to(&self, folder: &Path) -> PathBuf {
        let path = self.place_in(folder);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
        std::io::Write::write_all(&mut file, self.signing().to_private_jwk().unwrap().as_bytes()).unwrap();
        path
    }

    /// The token that the shim would mint for these claims.
    #[must_use]
    pub fn mint(&self, claims: &Claims) -> String {
        self.signing().sign_token(claims).unwrap()
    }

    /// The same, taken apart to be changed.
    #[must_use]
    pub fn draft(&self, claims: &Claims) -> Draft {
        let token = self.mint(claims);
        let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
        let mut part = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
        Draft { header: part(), payload: part() }
    }

    /// Signs whatever the draft says, with Ed25519.
    #[must_use]
    pub fn sign(&self, draft: &Draft) -> String {
        let key = ed25519_dalek::SigningKey::from_bytes(&self.random);
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let text = [&draft.header, &draft.payload].map(|part| encode(part.to_string().as_bytes())).join(".");
        format!("{text}.{}", encode(&key.sign(text.as_bytes()).to_bytes()))
    }
}

/// A token's JOSE header and claims, before it is signed.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The JOSE header.
    pub header: Value,
    /// The claims.
    pub payload: Value,
}

impl Draft {
    /// With another claim.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.payload[name] = value.into();
        self
    }

    /// With another header member.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header[name] = value.into();
        self
    }
}

/// What the approved program's shim claims for this connection, now.
#[must_use]
pub fn claims(exe: Digest, code: Option<Digest>, source: SocketAddr, destination: SocketAddr) -> Claims {
    let now = now();
    Claims {
        subject: subject(SUBJECT),
        lifetime: Lifetime::starting(now, TOKEN_LIFE_SECONDS),
        serial: serial(now),
        exe,
        code,
        stray: None,
        script: None,
        name: "/app/checkout".into(),
        labels: Labels::default(),
        source,
        destination,
    }
}

/// A subject from its text.
#[must_use]
pub fn subject(text: &str) -> Subject {
    text.parse().unwrap()
}

/// The time.
#[must_use]
pub fn now() -> UnixNanos {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    UnixNanos(u64::try_from(since.as_nanos()).unwrap())
}

/// Serials grow, also within one tick of the clock.
fn serial(now: UnixNanos) -> Serial {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let last = LAST.fetch_max(now.0, Ordering::SeqCst);
    if last < now.0 { Serial(now.0) } else { Serial(LAST.fetch_add(1, Ordering::SeqCst) + 1) }
}
