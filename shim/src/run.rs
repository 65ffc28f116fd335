//! `procgate-shim run`: from the command line to a running program.

use crate::attest::Attestor;
use crate::custody;
use crate::destinations::Destinations;
use crate::failure::Failure;
use crate::forward::{self, Listeners, Registry};
use crate::launch::launch;
use crate::mint::Minter;
use crate::options::RunOptions;
use crate::problems::{Problems, say};
use crate::program::Program;
use crate::supervise::supervise;
use crate::sys::signals;
use crate::trap::{self, Trap};
use procgate_identity::{CodeList, Labels, Subject};
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

    trap::try_pidfd().map_err(|error| {
        Failure::own(format!(
            "pidfd_getfd: {error}: the container's seccomp profile must permit it (Unconfined, or \
             SYS_PTRACE), and Linux be 5.6 or later; `procgate-shim check` tries everything"
        ))
    })?;

    let mask = signals::block_all().map_err(|error| own(&error))?;
    let _ = set_child_subreaper(Some(rustix::process::getpid()));
    let listeners =
        Listeners::open().map_err(|error| Failure::own(format!("cannot listen on loopback: {error}")))?;
    let addresses = listeners.addresses().map_err(|error| own(&error))?;
    let registry = Arc::new(Registry::new(addresses));
    let problems = Arc::new(Problems::default());
    say(&startup_line(&subject, code_list.as_ref(), addresses.0.port()));
    let attestor = Arc::new(Attestor::new(code_list, program.script));
    if let Ok(file) = File::open(&program.path) {
        attestor.warm(&file);
    }
    let trap = {
        let (attestor, registry, problems) =
            (Arc::clone(&attestor), Arc::clone(&registry), Arc::clone(&problems));
        let destinations = Destinations::new(options.exempt, options.capture);
        move |listener| trap::serve(Trap { listener, attestor, destinations, registry, problems })
    };
    let minter = Minter::new(key, subject, labels, options.token_life);
    let farewell =
        forward::start(listeners, registry, minter, Arc::clone(&problems)).map_err(|error| own(&error))?;
    let pid = launch(&program, mask, trap)?;
    let code = supervise(pid);
    farewell.wait();
    problems.summarise();
    Ok(code)
}

fn startup_line(subject: &Subject, code_list: Option<&CodeList>, port: u16) -> String {
    let code = code_list
        .map_or_else(|| "none".to_owned(), |list| format!("{} ({} files)", list.digest(), list.len()));
    let version = env!("CARGO_PKG_VERSION");
    format!("{version}: {subject}, carrier header, mode pidfd, code list {code}, forwarder on port {port}")
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
