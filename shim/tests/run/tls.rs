//! Real TLS servers that remember what they were offered.

use crate::stage::{PATIENCE, Scratch, claims};
use procgate_identity::{Claims, carrier::alpn};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::rustls::{Error, ServerConfig, ServerConnection, Stream};

/// The connection as the server's program has it.
pub(crate) type Served<'a> = Stream<'a, ServerConnection, TcpStream>;

/// The authority that signs all servers' certificates.
static AUTHORITY: LazyLock<CertifiedIssuer<'static, KeyPair>> = LazyLock::new(|| {
    let mut params = CertificateParams::default();
    // OpenSSL takes a certificate for self-signed whose issuer has its own name.
    params.distinguished_name.push(DnType::CommonName, "authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
});

/// The authority's certificate, to be trusted.
pub(crate) fn authority(scratch: &Scratch) -> PathBuf {
    scratch.file("authority.pem", AUTHORITY.pem())
}

/// What a server speaks, and the names in its certificate.
pub(crate) fn config(names: &[&str], protocols: &[&str]) -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &*AUTHORITY).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

/// What a client offered, and what came of it.
#[derive(Debug)]
pub(crate) struct Offer {
    peer: SocketAddr,
    server: SocketAddr,
    pub(crate) server_name: Option<String>,
    names: Vec<Vec<u8>>,
    /// What the server's program has read, or why there was nothing.
    pub(crate) read: Result<Vec<u8>, Error>,
}

impl Offer {
    /// The protocols, without the token.
    pub(crate) fn protocols(&self) -> Vec<String> {
        let text = |name: &Vec<u8>| String::from_utf8(name.clone()).unwrap();
        self.names.iter().map(text).take_while(|name| !name.starts_with("procgate/")).collect()
    }

    /// What the token claims, verified for exactly this connection.
    pub(crate) fn claims(&self) -> Claims {
        let token = alpn::decode(self.names.iter().map(Vec::as_slice)).unwrap().unwrap();
        claims(&token, self.peer, self.server)
    }

    /// What the program has sent.
    pub(crate) fn payload(&self) -> &[u8] {
        self.read.as_deref().unwrap()
    }
}

/// A TLS server.
#[derive(Debug)]
pub(crate) struct TlsServer {
    pub(crate) address: SocketAddr,
    offers: Receiver<Offer>,
}

impl TlsServer {
    /// One that answers a request with `ok`.
    pub(crate) fn new(names: &[&str], protocols: &[&str]) -> Self {
        Self::with(config(names, protocols), |stream| {
            let bytes = read_head(stream);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
            bytes
        })
    }

    /// One that serves each connection so, and remembers the bytes that this returns.
    pub(crate) fn with(
        config: ServerConfig,
        serve: impl Fn(&mut Served<'_>) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, offers) = channel();
        let (serve, config) = (Arc::new(serve), Arc::new(config));
        std::thread::spawn(move || {
            while let Ok((stream, peer)) = listener.accept() {
                let (serve, config, sender) = (Arc::clone(&serve), Arc::clone(&config), sender.clone());
                std::thread::spawn(move || accept(stream, (peer, address), config, &*serve, &sender));
            }
        });
        Self { address, offers }
    }

    /// The next connection.
    pub(crate) fn next(&self) -> Offer {
        self.offers.recv_timeout(PATIENCE).expect("a connection arrives")
    }
}

/// Reads until the end of a request's head.
pub(crate) fn read_head(stream: &mut impl Read) -> Vec<u8> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4_096]);
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
        }
    }
    bytes
}

fn accept(
    mut stream: TcpStream,
    (peer, server): (SocketAddr, SocketAddr),
    config: Arc<ServerConfig>,
    serve: &dyn Fn(&mut Served<'_>) -> Vec<u8>,
    sender: &Sender<Offer>,
) {
    let mut acceptor = Acceptor::default();
    let accepted = loop {
        match acceptor.accept() {
            Ok(Some(accepted)) => break accepted,
            Ok(None) if acceptor.read_tls(&mut stream).is_ok_and(|length| length > 0) => {}
            // Somebody who speaks no TLS, or nothing.
            _ => return,
        }
    };
    let hello = accepted.client_hello();
    let server_name = hello.server_name().map(str::to_owned);
    let names = hello.alpn().into_iter().flatten().map(<[u8]>::to_vec).collect();
    let read = match accepted.into_connection(config) {
        Ok(mut connection) => shake_hands(&mut connection, &mut stream).map(|()| {
            let bytes = serve(&mut Stream::new(&mut connection, &mut stream));
            connection.send_close_notify();
            let _ = connection.complete_io(&mut stream);
            bytes
        }),
        Err((error, mut alert)) => {
            let _ = alert.write_all(&mut stream);
            Err(error)
        }
    };
    let _ = sender.send(Offer { peer, server, server_name, names, read });
}

fn shake_hands(connection: &mut ServerConnection, stream: &mut TcpStream) -> Result<(), Error> {
    while connection.is_handshaking() {
        connection.complete_io(stream).map_err(|error| {
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>()).cloned();
            cause.unwrap_or_else(|| Error::General(error.to_string()))
        })?;
    }
    Ok(())
}
