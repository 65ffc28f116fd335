//! TLS as bytes and as real ends: what clients begin with, and a server that picks a protocol.

use procgate_tests::certificates::Authority;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The server that clients ask for.
pub(crate) const HOST: &str = "pay.example";
/// The protocols that a server speaks, in its order.
const SPOKEN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A client's configuration that names these protocols and trusts this authority.
pub(crate) fn client(protocols: Vec<Vec<u8>>, authority: Option<&Path>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for certificate in authority.into_iter().flat_map(|file| CertificateDer::pem_file_iter(file).unwrap()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = versions.unwrap().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols;
    config
}

/// Begins a connection to [`HOST`].
pub(crate) fn begin(config: ClientConfig) -> ClientConnection {
    ClientConnection::new(Arc::new(config), ServerName::try_from(HOST).unwrap()).unwrap()
}

/// The record that a real client begins with.
pub(crate) fn hello(protocols: Vec<Vec<u8>>) -> Vec<u8> {
    hello_of(client(protocols, None))
}

/// The same of this configuration.
pub(crate) fn hello_of(config: ClientConfig) -> Vec<u8> {
    let mut bytes = Vec::new();
    begin(config).write_tls(&mut bytes).unwrap();
    bytes
}

/// The contents of one record, in records of so many bytes.
pub(crate) fn records(record: &[u8], each: usize) -> Vec<u8> {
    let piece = |piece: &[u8]| {
        let length = u16::try_from(piece.len()).unwrap().to_be_bytes();
        [&record[..3], &length, piece].concat()
    };
    record[5..].chunks(each).flat_map(piece).collect()
}

/// A server that says in each connection which protocol it picked and for which host it was asked.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) fn start(authority: &Authority) -> Self {
        let certificate =
            authority.certificate("server", [rcgen::SanType::DnsName(HOST.try_into().unwrap())]);
        let provider = Arc::new(ring::default_provider());
        let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let chain = CertificateDer::pem_file_iter(certificate.chain).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(certificate.key).unwrap();
        let mut config = versions.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
        config.alpn_protocols = SPOKEN.map(Vec::from).into();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&connections);
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                counter.fetch_add(1, Ordering::SeqCst);
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                std::thread::spawn(move || serve(stream, connection));
            }
        });
        Self { address, connections }
    }

    /// How many have connected so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn serve(stream: TcpStream, connection: ServerConnection) {
    let mut stream = StreamOwned::new(connection, stream);
    while stream.conn.is_handshaking() {
        if stream.conn.complete_io(&mut stream.sock).is_err() {
            return;
        }
    }
    let picked = String::from_utf8_lossy(stream.conn.alpn_protocol().unwrap_or_default()).into_owned();
    let asked = stream.conn.server_name().unwrap_or_default();
    let _ = stream.write_all(format!("picked {picked} for {asked}\n").as_bytes());
    stream.conn.send_close_notify();
    let _ = stream.flush();
    // What the client has sent is taken, or the end would be a reset that overtakes the answer.
    let _ = stream.sock.shutdown(Shutdown::Write);
    let _ = std::io::copy(&mut stream.sock, &mut std::io::sink());
}
