//! `procgate-shim run`: from the command line to a running program.

use crate::attest::Attestor;
use crate::custody;
use crate::failure::Failure;
use crate::forward::{self, Farewell, Listeners, Originator, Registry, TlsOptions, Way};
use crate::launch::launch;
use crate::mint::Minter;
use crate::options::{CarrierName, RunOptions};
use crate::problems::{Problems, say};
use crate::program::Program;
use crate::supervise::supervise;
use crate::sys::signals;
use crate::trap::{self, Carriage, Desk, Held, Prefacer, Sockets, Trap};
use procgate_identity::{Carrier, CodeList, Labels, Subject};
use rustix::process::set_child_subreaper;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// Bytes of a code list file: 100,000 digests with their paths.
const MAX_CODE_LIST_FILE: u64 = 32 * 1_024 * 1_024;

/// Starts the program, and returns when it has ended.
pub(crate) fn run(options: Box<RunOptions>) -> Result<ExitCode, Failure> {
    let own = |error: &dyn core::fmt::Display| Failure::own(error.to_string());
    let key = custody::read_key(&options.key)?;
    if let Some(user) = options.user {
        custody::become_user(user)?;
    }
    custody::check_reach(&options.key, options.strict)?;
    let subject = options.place.subject().map_err(|error| own(&error))?;
    let labels = Labels::from_pairs(options.labels.into_iter().map(|label| (label.0, label.1)));
    let labels = labels.map_err(|error| Failure::own(format!("--label: {error}")))?;
    let code_list = options.code_list.as_deref().map(read_code_list).transpose()?;
    let program = Program::find(options.program)?;
    let way = way(options.interception.carrier, options.tls)?;

    let sockets = Sockets::choose(options.require)?;

    let mask = signals::block_all().map_err(|error| own(&error))?;
    let _ = set_child_subreaper(Some(rustix::process::getpid()));
    let (mode, filter) = (sockets.mode(), sockets.filter());
    let known = startup_line(&subject, code_list.as_ref());
    let minter = Arc::new(Minter::new(key, subject, labels, options.token_life));
    let desk = options.token_socket.map(|path| Desk::new(path, Arc::clone(&minter)));
    let problems = Arc::new(Problems::default());
    let carrier = Carrier::from(options.interception.carrier);
    let (carriage, farewell) = match way {
        Some(way) => {
            let forwarder = Forwarder::start(minter, way, &problems)?;
            let port = forwarder.registry.v4.port();
            say(&format!("{known}, carrier {carrier}, mode {mode}, forwarder on port {port}"));
            (Carriage::Forwarder(forwarder.registry), Some(forwarder.farewell))
        }
        None => {
            say(&format!("{known}, carrier {carrier}, mode {mode}"));
            (Carriage::Preface(Prefacer::new(minter)), None)
        }
    };
    let attestor = Arc::new(Attestor::new(code_list, program.script));
    if let Ok(file) = File::open(&program.path) {
        attestor.warm(&file);
    }
    let destinations = options.interception.destinations();
    let serve = {
        let problems = Arc::clone(&problems);
        let held = Held::default();
        move |listener| {
            trap::serve(Trap { listener, attestor, destinations, sockets, carriage, desk, held, problems })
        }
    };
    let pid = launch(&program, mask, filter, serve)?;
    let code = supervise(pid);
    if let Some(farewell) = farewell {
        farewell.wait();
    }
    problems.summarise();
    Ok(code)
}

/// How the forwarder gets tokens into connections; nothing for a carrier that needs none.
fn way(carrier: CarrierName, tls: TlsOptions) -> Result<Option<Way>, Failure> {
    if !matches!(carrier, CarrierName::Alpn) && !tls.is_empty() {
        return Err(Failure::own("--tls-ca, --server-name and --protocol are for --carrier alpn only"));
    }
    Ok(match carrier {
        CarrierName::Header => Some(Way::Header),
        CarrierName::Alpn => Some(Way::Tls(Originator::new(tls)?)),
        CarrierName::ProxyV2 => None,
    })
}

/// A forwarder that runs.
struct Forwarder {
    registry: Arc<Registry>,
    farewell: Farewell,
}

impl Forwarder {
    fn start(minter: Arc<Minter>, way: Way, problems: &Arc<Problems>) -> Result<Self, Failure> {
        let cannot = |error: std::io::Error| Failure::own(format!("cannot listen on loopback: {error}"));
        let listeners = Listeners::open().map_err(cannot)?;
        let registry = Arc::new(Registry::new(listeners.addresses().map_err(cannot)?));
        let farewell = forward::start(listeners, Arc::clone(&registry), minter, way, Arc::clone(problems));
        Ok(Self { registry, farewell: farewell.map_err(cannot)? })
    }
}

fn startup_line(subject: &Subject, code_list: Option<&CodeList>) -> String {
    let code = code_list
        .map_or_else(|| "none".to_owned(), |list| format!("{} ({} files)", list.digest(), list.len()));
    format!("{}: {subject}, code list {code}", env!("CARGO_PKG_VERSION"))
}

fn read_code_list(path: &Path) -> Result<CodeList, Failure> {
    let shown = path.display();
    let mut text = String::new();
    let file = File::open(path).map_err(|error| {
        Failure::own(format!("code list {shown}: {error}: make one with `procgate digest`"))
    })?;
    file.take(MAX_CODE_LIST_FILE).read_to_string(&mut text).map_err(|error| {
        Failure::own(format!(
            "code list {shown}: {error}: it must be text of at most {MAX_CODE_LIST_FILE} bytes"
        ))
    })?;
    CodeList::parse(&text).map_err(|error| Failure::own(format!("code list {shown}: {error}")))
}
