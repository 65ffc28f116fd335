//! The forwarder: takes the workload's connections over on loopback and dials where they wanted to go.

mod connection;
mod copy;
mod dial;
mod owed;
mod pipes;
mod registry;
mod tls;

pub(crate) use connection::Way;
pub(crate) use registry::{Intent, Registration, Registry};
pub(crate) use tls::{Originator, TlsOptions};

use crate::mint::Minter;
use crate::problems::Problems;
use crate::source_ports::SourcePorts;
use connection::Forward;
use owed::Owed;
use pipes::Pipes;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

/// Connections that the kernel accepts ahead of us.
const BACKLOG: i32 = 4_096;
/// Pause after a failure to accept, which is a lack of descriptors or memory.
const BREATH: Duration = Duration::from_millis(20);
/// How long the shim stays for what the program has sent, when the program has ended.
const FAREWELL: Duration = Duration::from_secs(2);
/// A turn of the loop: long enough to collect all that waits.
const TURN: Duration = Duration::from_millis(1);
/// How often registrations that nobody came for are dropped.
const SWEEP: Duration = Duration::from_secs(1);

/// The loopback listeners, open before the program starts.
#[derive(Debug)]
pub(crate) struct Listeners {
    v4: std::net::TcpListener,
    v6: Option<std::net::TcpListener>,
}

impl Listeners {
    /// Listens on a free port of each loopback address that this machine has.
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self {
            v4: listen((Ipv4Addr::LOCALHOST, 0).into())?,
            v6: listen((Ipv6Addr::LOCALHOST, 0).into()).ok(),
        })
    }

    /// Their addresses: v4, and v6 where there is one.
    pub(crate) fn addresses(&self) -> io::Result<(SocketAddr, Option<SocketAddr>)> {
        let v6 = self.v6.as_ref().map(std::net::TcpListener::local_addr).transpose()?;
        Ok((self.v4.local_addr()?, v6))
    }
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Asks the forwarder to send what it has.
#[derive(Debug)]
pub(crate) struct Farewell(oneshot::Sender<SyncSender<()>>);

impl Farewell {
    /// Returns when everything that the program has sent is sent on, or after a while.
    pub(crate) fn wait(self) {
        let (sent, all_sent) = sync_channel(1);
        if self.0.send(sent).is_ok() {
            let _ = all_sent.recv_timeout(FAREWELL);
        }
    }
}

/// Starts the thread that forwards.
pub(crate) fn start(
    listeners: Listeners,
    registry: Arc<Registry>,
    minter: Arc<Minter>,
    way: Way,
    problems: Arc<Problems>,
) -> io::Result<Farewell> {
    let (farewell, asked) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let work = move || {
        let forward = Rc::new(Forward {
            registry,
            minter,
            way,
            ports: SourcePorts::new(),
            problems,
            pipes: Pipes::default(),
            owed: Owed::default(),
        });
        let local = LocalSet::new();
        local.spawn_local(sweep(Rc::clone(&forward)));
        local.spawn_local(settle(Rc::clone(&forward), asked));
        let v6 = listeners.v6.map(|listener| accept(listener, Rc::clone(&forward)));
        if let Some(v6) = v6 {
            local.spawn_local(v6);
        }
        runtime.block_on(local.run_until(accept(listeners.v4, forward)));
    };
    std::thread::Builder::new().name("forward".into()).spawn(work)?;
    Ok(Farewell(farewell))
}

/// Answers the farewell once nothing is owed: in two turns, for the first may only show what there is.
async fn settle(forward: Rc<Forward>, asked: oneshot::Receiver<SyncSender<()>>) {
    let Ok(answer) = asked.await else { return };
    let mut quiet = 0u8;
    while quiet < 2 {
        tokio::time::sleep(TURN).await;
        let nothing = forward.owed.is_nothing() && !forward.registry.is_waiting();
        quiet = if nothing { quiet.saturating_add(1) } else { 0 };
    }
    let _ = answer.send(());
}

async fn sweep(forward: Rc<Forward>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        forward.registry.expire();
    }
}

async fn accept(listener: std::net::TcpListener, forward: Rc<Forward>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return forward.problems.note(&format!("the forwarder cannot listen: {error}")),
    };
    loop {
        match listener.accept().await {
            Ok((client, peer)) => take(&forward, client, peer),
            Err(error) => {
                forward.problems.note(&format!("a connection cannot be accepted: {error}"));
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

/// Forwards a connection that the trap has registered; anybody else's is reset.
fn take(forward: &Rc<Forward>, client: TcpStream, peer: SocketAddr) {
    let Some(intent) = forward.registry.take(peer, &client) else {
        forward.problems.note("a stranger connected to the forwarder: reset");
        return connection::reset(client);
    };
    // A short answer must not wait for the program to acknowledge the one before.
    let _ = client.set_nodelay(true);
    let forward = Rc::clone(forward);
    tokio::task::spawn_local(async move { forward.connection(client, intent).await });
}
