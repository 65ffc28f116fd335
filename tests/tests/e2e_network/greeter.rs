//! A server that speaks first, and then sends back what it is sent.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What every connection is greeted with.
pub(crate) const GREETING: &[u8] = b"220 mail.shop.example ESMTP\r\n";

pub(crate) struct Greeter {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Greeter {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                counter.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || serve(stream));
            }
        });
        Self { address, connections }
    }

    /// How many have connected so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn serve(mut stream: TcpStream) {
    let _ = stream.write_all(GREETING);
    let mut buffer = [0; 4_096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        let _ = stream.write_all(&buffer[..read]);
    }
}
