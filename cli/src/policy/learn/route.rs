//! Where somebody went, and as what.

use super::lesson::Aside;
use super::paths::{Place, is_sayable};
use core::net::IpAddr;
use procgate_policy::clear_path;
use std::borrow::Cow;

/// A speaker's way to one place: the paths of the requests with one method, or connections that are no
/// requests.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) speaker: usize,
    pub(super) whereto: Whereto,
    /// The least and the greatest address that the host had.
    pub(super) addresses: Option<(IpAddr, IpAddr)>,
    pub(super) port: Option<u16>,
    /// None where it is not HTTP.
    pub(super) method: Option<String>,
    pub(super) paths: Place,
}

impl Route {
    /// Notes an address that the host had.
    pub(super) fn reach(&mut self, address: Option<IpAddr>) {
        let Some(address) = address else { return };
        let (least, greatest) = self.addresses.unwrap_or((address, address));
        self.addresses = Some((least.min(address), greatest.max(address)));
    }

    /// The least address that the host had, and the greatest, where that is another one.
    pub(super) fn ends(&self) -> (Option<IpAddr>, Option<IpAddr>) {
        let (least, greatest) = self.addresses.unzip();
        (least, greatest.filter(|_| least != greatest))
    }
}

/// Where to: the host where one is named, and else the address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Whereto {
    Host(String),
    Address(IpAddr),
}

/// A path as it comes in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Path<'a> {
    /// Of a record.
    Whole(&'a str),
    /// Of a summary, with marks.
    Folded(&'a str),
}

/// The path's segments, where the flow is one of HTTP and its path is clear.
pub(super) fn clear(path: Option<Path<'_>>, is_http: bool) -> Result<Option<Cow<'_, str>>, Aside> {
    match path {
        Some(Path::Whole(path)) => {
            Ok(Some(clear_path(path).filter(|path| is_sayable(path)).ok_or(Aside::UnclearPath)?))
        }
        Some(Path::Folded(path)) => Ok(Some(path.into())),
        None if is_http => Err(Aside::UnclearPath),
        None => Ok(None),
    }
}
