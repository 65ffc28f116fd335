//! Copying between the program and TLS. What arrives goes to the program from where it was decrypted.

use super::super::connection::end_by_reset;
use super::super::copy::end;
use super::super::dial::{Early, arrived};
use super::super::owed::{Debt, Owed};
use crate::sys::socket::{is_delivered, is_empty};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncBufRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::client::TlsStream;

/// How often it is looked whether everything has arrived.
const GLANCE: Duration = Duration::from_millis(10);

/// Both directions take turns with it: they run in one task.
type Shared = RefCell<TlsStream<TcpStream>>;

/// Copies in both directions until both have ended. The debt is what the program has sent early.
pub(super) async fn relay(
    client: &TcpStream,
    server: TlsStream<TcpStream>,
    early: Early,
    owed: &Owed,
    debt: Debt,
) -> io::Result<()> {
    let server = RefCell::new(server);
    let up = async {
        send(&server, &early.bytes).await?;
        let ended = early.ended;
        drop((early, debt));
        let _debt = if ended { owed.owe() } else { upload(client, &server, owed).await? };
        poll_fn(|task| with(&server, |stream| stream.poll_shutdown(task))).await?;
        delivered(&server).await
    };
    let relayed = tokio::try_join!(up, download(&server, client)).map(drop);
    if relayed.is_err() {
        end_by_reset(server.borrow().get_ref().0);
    }
    relayed
}

/// What the program sends, until it ends. Bytes on their way are owed.
async fn upload(client: &TcpStream, server: &Shared, owed: &Owed) -> io::Result<Debt> {
    loop {
        client.readable().await?;
        let debt = owed.owe();
        let Some(bytes) = arrived(client)? else { continue };
        if bytes.is_empty() {
            return Ok(debt);
        }
        send(server, &bytes).await?;
        // While this still owes: more may be there already.
        tokio::task::yield_now().await;
    }
}

/// Waits until everything is with the server's kernel. Servers send tickets after the handshake: if the shim had
/// ended by then, the kernel would answer with a reset, and drop what is left to send.
async fn delivered(server: &Shared) -> io::Result<()> {
    while !is_delivered(server.borrow().get_ref().0)? {
        sleep(GLANCE).await;
    }
    Ok(())
}

async fn send(server: &Shared, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let sent = poll_fn(|task| with(server, |stream| stream.poll_write(task, bytes))).await?;
        bytes = bytes.get(sent..).unwrap_or_default();
    }
    poll_fn(|task| with(server, |stream| stream.poll_flush(task))).await
}

/// What the server sends, until it says that no more comes. An end without that is an error, for anybody could have
/// cut it short (RFC 8446 section 6.1); but many servers end so, and the program is to have what came before.
async fn download(server: &Shared, client: &TcpStream) -> io::Result<()> {
    loop {
        match poll_fn(|task| with(server, |stream| move_some(stream, client, task))).await {
            Ok(true) => {}
            Ok(false) => return end(client),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                // A reset takes back what has not arrived.
                while !is_empty(client)? {
                    sleep(GLANCE).await;
                }
                return Err(error);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Moves what has arrived; false at the end.
fn move_some(
    mut server: Pin<&mut TlsStream<TcpStream>>,
    client: &TcpStream,
    task: &mut Context<'_>,
) -> Poll<io::Result<bool>> {
    loop {
        let bytes = ready!(server.as_mut().poll_fill_buf(task))?;
        if bytes.is_empty() {
            return Poll::Ready(Ok(false));
        }
        ready!(client.poll_write_ready(task))?;
        match client.try_write(bytes) {
            Ok(moved) => {
                server.as_mut().consume(moved);
                return Poll::Ready(Ok(true));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}

fn with<T>(server: &Shared, work: impl FnOnce(Pin<&mut TlsStream<TcpStream>>) -> T) -> T {
    work(Pin::new(&mut *server.borrow_mut()))
}
