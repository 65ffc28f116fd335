//! Network namespaces: what makes processes a pod. Only root may make them.

use crate::process::succeed;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

/// A network namespace with its loopback up. It ends with its last process, of which there is one that
/// sleeps until this value is dropped.
#[derive(Debug)]
pub struct Namespace {
    holder: Child,
}

impl Namespace {
    /// A new one. To be called from a thread that outlives it: the kernel ends the sleeper with the thread
    /// that started it, so that nothing is left of a run that was killed.
    ///
    /// # Panics
    /// Without the right to make one.
    #[must_use]
    pub fn new() -> Self {
        let holder = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--net", "sh", "-c", "echo; exec sleep infinity"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut namespace = Self { holder };
        let mut line = [0];
        let mut told = namespace.holder.stdout.take().unwrap();
        std::io::Read::read_exact(&mut told, &mut line).expect("root can make a network namespace");
        succeed(namespace.command("ip").args(["link", "set", "lo", "up"]));
        namespace
    }

    /// Joins the two by a cable, each end with its address of a /24.
    pub fn join(&self, address: Ipv4Addr, other: &Self, other_address: Ipv4Addr) {
        let (here, there) = (self.holder.id().to_string(), other.holder.id().to_string());
        succeed(Command::new("ip").args([
            "link", "add", "eth0", "netns", &here, "type", "veth", "peer", "name", "eth0", "netns", &there,
        ]));
        self.take(address, "eth0");
        other.take(other_address, "eth0");
    }

    /// Makes this one a network that others can be plugged into, with its own address of a /24.
    pub fn become_network(&self, address: Ipv4Addr) {
        succeed(self.command("ip").args(["link", "add", "lan", "type", "bridge"]));
        self.take(address, "lan");
    }

    /// Plugs this one into such a network, with an address of its /24 that no other has; the network leads on.
    pub fn plug_into(&self, network: &Self, own: Ipv4Addr, address: Ipv4Addr) {
        let (here, there) = (self.holder.id().to_string(), network.holder.id().to_string());
        let socket = socket(own);
        succeed(Command::new("ip").args([
            "link", "add", "eth0", "netns", &here, "type", "veth", "peer", "name", &socket, "netns", &there,
        ]));
        succeed(network.command("ip").args(["link", "set", &socket, "master", "lan", "up"]));
        self.take(own, "eth0");
        succeed(self.command("ip").args(["route", "add", "default", "via", &address.to_string()]));
    }

    /// Takes an address of a /24, and puts the link that it is on to work.
    fn take(&self, address: Ipv4Addr, link: &str) {
        succeed(self.command("ip").args(["addr", "add", &format!("{address}/24"), "dev", link]));
        succeed(self.command("ip").args(["link", "set", link, "up"]));
    }

    /// Pulls the plug of whoever has this address out of this network, without waiting until the kernel has put
    /// its namespace away.
    pub fn unplug(&self, own: Ipv4Addr) {
        succeed(self.command("ip").args(["link", "del", &socket(own)]));
    }

    /// A program that is to run in here.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--target", &self.holder.id().to_string(), "--", program]);
        command
    }

    /// Does something in here: sockets that it opens and programs that it starts belong to this namespace.
    pub fn within<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/proc/{}/ns/net", self.holder.id())).unwrap();
        let enter = || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            act()
        };
        // Of a thread, not of the process: this one ends with what it does.
        let done = std::thread::scope(|scope| scope.spawn(enter).join());
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// The end of a cable in the network that it is plugged into.
fn socket(own: Ipv4Addr) -> String {
    format!("to-{}", own.octets()[3])
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
