//! Certificates for tests: an authority of their own, and what it signs.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use std::fs;
use std::path::{Path, PathBuf};

/// Signs certificates; whoever trusts the file at [`place`](Self::place) trusts them.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
    place: PathBuf,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// What is shown.
    pub chain: PathBuf,
    /// What proves it.
    pub key: PathBuf,
}

impl Authority {
    /// A new one, which keeps its files in this folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let mut params = params("authority", []);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let place = folder.join("authority.pem");
        fs::write(&place, issuer.pem()).unwrap();
        Self { issuer, folder: folder.into(), place }
    }

    /// The file with its own certificate.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// A certificate in a file of this name, for addresses, names or URIs.
    #[must_use]
    pub fn certificate(&self, name: &str, of: impl IntoIterator<Item = SanType>) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let signed = params(name, of).signed_by(&key, &self.issuer).unwrap();
        let chain = self.folder.join(format!("{name}.pem"));
        fs::write(&chain, signed.pem()).unwrap();
        let place = self.folder.join(format!("{name}.key"));
        fs::write(&place, key.serialize_pem()).unwrap();
        Certificate { chain, key: place }
    }
}

fn params(name: &str, of: impl IntoIterator<Item = SanType>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.subject_alt_names.extend(of);
    params
}
