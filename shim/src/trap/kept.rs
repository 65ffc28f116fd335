//! Sockets that the shim has made for the workload, kept until they are connected. A descriptor that the
//! shim still holds keeps a connection from ending and a port from getting free: so whatever listens, is
//! connected, or that nobody else has any more is let go.

use super::holders::{Place, holders};
use super::making::Network;
use crate::sys::socket::{Progress, progress};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;
use rustix::net::getsockname;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Unconnected sockets of a workload that are known. Any further one is the kernel's own and gets no token.
/// A program has some tens at a time; each costs the shim a descriptor.
const MAX_KEPT: usize = 16_384;
/// How often it is looked for sockets that nobody has any more.
const SWEEP: Duration = Duration::from_secs(1);
/// Connections that are there or have failed, taken in at a time.
const BATCH: usize = 64;
/// The event that ends the sweeper's sleep: no socket has this inode.
const WAKE: u64 = 0;

/// The sockets by their inode.
#[derive(Debug)]
pub(crate) struct Kept {
    all: Mutex<All>,
    /// Tells when connections are there or have failed.
    epoll: OwnedFd,
    wake: OwnedFd,
    /// Where the shim's sockets are.
    pub(super) network: Network,
}

#[derive(Debug, Default)]
struct All {
    sockets: HashMap<u64, Entry>,
    /// The sweeper waits to be woken: there was nothing for it to do.
    asleep: bool,
}

#[derive(Debug)]
struct Entry {
    socket: Arc<OwnedFd>,
    /// Who had it when that was last looked at.
    place: Place,
    /// Nobody had it.
    missed: bool,
    /// Its connection is awaited.
    watched: bool,
}

impl Kept {
    pub(super) fn new() -> rustix::io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &wake, EventData::new_u64(WAKE), EventFlags::IN)?;
        Ok(Self { all: Mutex::default(), epoll, wake, network: Network::own()? })
    }

    /// Keeps a socket that `install` gives to the workload, under the number that it returns. Nobody can ask
    /// for the socket before it is kept. Nothing where there is no room.
    pub(super) fn keep<E>(
        &self,
        socket: OwnedFd,
        thread: u32,
        install: impl FnOnce(&OwnedFd) -> Result<u32, E>,
    ) -> Option<Result<(), E>> {
        let inode = rustix::fs::fstat(&socket).ok()?.st_ino;
        let mut all = self.all();
        if all.sockets.len() >= MAX_KEPT {
            return None;
        }
        let descriptor = match install(&socket) {
            Ok(descriptor) => descriptor,
            Err(error) => return Some(Err(error)),
        };
        let place = Place { process: thread, descriptor };
        let entry = Entry { socket: Arc::new(socket), place, missed: false, watched: false };
        all.sockets.insert(inode, entry);
        if std::mem::take(&mut all.asleep) {
            let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
        }
        Some(Ok(()))
    }

    /// The socket with this inode, if it is known.
    pub(super) fn get(&self, inode: u64) -> Option<Arc<OwnedFd>> {
        self.all().sockets.get(&inode).map(|entry| Arc::clone(&entry.socket))
    }

    /// Lets a socket go.
    pub(super) fn remove(&self, inode: u64) {
        self.remove_from(&mut self.all(), inode);
    }

    /// Lets a socket go as soon as its connection is there. One whose connection fails may be tried again.
    pub(super) fn remove_when_connected(&self, socket: Arc<OwnedFd>) {
        let Ok(inode) = rustix::fs::fstat(&socket).map(|stat| stat.st_ino) else { return };
        let mut all = self.all();
        let Some(entry) = all.sockets.get_mut(&inode) else { return };
        match progress(&socket) {
            Ok(Progress::Unconnected) => {}
            Ok(Progress::Between) if self.watch(&socket, inode).is_ok() => entry.watched = true,
            _ => self.remove_from(&mut all, inode),
        }
        // Under the lock, so that no sweep ends before this is closed.
        drop(socket);
    }

    fn watch(&self, socket: &OwnedFd, inode: u64) -> rustix::io::Result<()> {
        let flags = EventFlags::OUT | EventFlags::ONESHOT;
        match epoll::add(&self.epoll, socket, EventData::new_u64(inode), flags) {
            Err(Errno::EXIST) => epoll::modify(&self.epoll, socket, EventData::new_u64(inode), flags),
            added => added,
        }
    }

    fn unwatch(&self, entry: &mut Entry) {
        if std::mem::take(&mut entry.watched) {
            let _ = epoll::delete(&self.epoll, &entry.socket);
        }
    }

    fn remove_from(&self, all: &mut All, inode: u64) {
        if let Some(mut entry) = all.sockets.remove(&inode) {
            self.unwatch(&mut entry);
        }
    }

    /// Lets all go for ever that nobody has any more. Sleeps while there is nothing to look at.
    pub(super) fn sweep_for_ever(&self) {
        let mut next = self.next_sweep();
        while self.await_events(next).is_ok() {
            match next {
                Some(due) if Instant::now() < due => continue,
                Some(_) => self.sweep(),
                None => {}
            }
            next = self.next_sweep();
        }
    }

    /// When to look next; nothing while no socket is kept, and the next one wakes the sweeper.
    fn next_sweep(&self) -> Option<Instant> {
        let mut all = self.all();
        all.asleep = all.sockets.is_empty();
        let now = Instant::now();
        (!all.asleep).then(|| now.checked_add(SWEEP).unwrap_or(now))
    }

    /// Waits until then, or until it is woken; meanwhile lets go what is connected.
    fn await_events(&self, until: Option<Instant>) -> rustix::io::Result<()> {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut events = [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; BATCH];
        let count = match epoll::wait(&self.epoll, events.as_mut_slice(), timeout.as_ref()) {
            Ok(count) => count,
            Err(Errno::INTR) => 0,
            Err(error) => return Err(error),
        };
        for event in events.iter().take(count) {
            match event.data.u64() {
                WAKE => {
                    let _ = rustix::io::read(&self.wake, &mut [0; 8]);
                }
                inode => self.decided(inode),
            }
        }
        Ok(())
    }

    /// A connection is there, or has failed.
    fn decided(&self, inode: u64) {
        let mut all = self.all();
        let Some(entry) = all.sockets.get_mut(&inode) else { return };
        if progress(&entry.socket) == Ok(Progress::Unconnected) {
            self.unwatch(entry);
        } else {
            self.remove_from(&mut all, inode);
        }
    }

    /// Lets go what nobody had twice: a descriptor that is being moved can be overlooked once.
    fn sweep(&self) {
        self.collect(|_| true, |entry| entry.missed);
    }

    /// Lets go what nobody has and has a port, which somebody may be about to bind to.
    pub(super) fn free_ports(&self) {
        let bound = |entry: &Entry| {
            let name = getsockname(&entry.socket).and_then(SocketAddr::try_from);
            name.is_ok_and(|name| name.port() != 0)
        };
        self.collect(bound, |_| true);
    }

    fn collect(&self, looked_at: impl Fn(&Entry) -> bool, may_go: impl Fn(&Entry) -> bool) {
        let places: HashMap<u64, Place> = {
            let all = self.all();
            let entries = all.sockets.iter().filter(|(_, entry)| looked_at(entry));
            entries.map(|(inode, entry)| (*inode, entry.place)).collect()
        };
        let mut found = holders(&places);
        let mut all = self.all();
        for (inode, place) in places {
            let Some(entry) = all.sockets.get_mut(&inode).filter(|entry| entry.place == place) else {
                continue;
            };
            match found.remove(&inode) {
                Some(place) => (entry.place, entry.missed) = (place, false),
                None if may_go(entry) => self.remove_from(&mut all, inode),
                None => entry.missed = true,
            }
        }
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
