//! The authorities that servers' certificates may be signed by.

use crate::failure::Failure;
use std::path::Path;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// Those in this file, or those of the system.
pub(super) fn read(file: Option<&Path>) -> Result<RootCertStore, Failure> {
    file.map_or_else(of_system, in_file)
}

/// A file that was given has to be right: whoever left an authority out would miss it much later.
fn in_file(path: &Path) -> Result<RootCertStore, Failure> {
    let wrong = |why: &dyn core::fmt::Display| {
        let shown = path.display();
        Failure::own(format!("--tls-ca {shown}: {why}: give a file of CA certificates in PEM"))
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
        let certificate = certificate.map_err(|error| wrong(&error))?;
        roots.add(certificate).map_err(|error| wrong(&error))?;
    }
    if roots.is_empty() { Err(wrong(&"no certificate is in it")) } else { Ok(roots) }
}

/// The system's bundle, or what SSL_CERT_FILE and SSL_CERT_DIR name. No roots are built in: they would
/// stay trusted for as long as the shim is not replaced.
fn of_system() -> Result<RootCertStore, Failure> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let error = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        let line = format!(
            "there are no CA certificates in this container{error}: give those that servers' certificates are \
             signed by as --tls-ca FILE"
        );
        return Err(Failure::own(line));
    }
    Ok(roots)
}
