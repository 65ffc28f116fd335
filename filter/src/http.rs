//! One HTTP request: who asks, whether it may, and what is said about it.

use crate::connection::{self, Answer, Offer, Standing};
use crate::decision::{self, Asked, Decision};
use crate::head::Head;
use crate::host;
use crate::plugin::Plugin;
use procgate_identity::carrier::header;
use procgate_policy::{Denial, Direction, Permit, Verdict};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use std::rc::Rc;

/// A request on its way through the plugin.
#[derive(Debug)]
pub(crate) struct Request {
    plugin: Rc<Plugin>,
}

impl Request {
    pub(crate) const fn new(plugin: Rc<Plugin>) -> Self {
        Self { plugin }
    }
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let plugin = &*self.plugin;
        let fields = host::request_fields();
        let (head, (direction, standing)) = match fields.entries() {
            Some(entries) => {
                let head = Head::of(&entries);
                #[cfg(feature = "crash-for-tests")]
                crash_if_asked(&head);
                if !head.identities.is_empty() {
                    // The upstream never sees it.
                    host::remove_request_field(header::NAME);
                }
                let (fields, is_forwarded) = (head.identities.as_slice(), head.is_forwarded);
                let offer = Offer { fields, is_forwarded, ..Offer::default() };
                let standing = connection::standing_of_request(plugin, offer);
                (head, standing)
            }
            None => {
                let fault = Standing::Fault("the proxy does not tell the request's fields");
                (Head::default(), (host::direction(), fault))
            }
        };
        if let Standing::Verified(known) = &standing
            && let Some(answer) = known.answered(&head)
        {
            decision::report(&answer.record, host::now(), &plugin.next_id(), answer.counter);
            return proceed(answer.permit.again(), &standing);
        }
        decide(plugin, direction, &standing, &head)
    }
}

/// Judges a request, and does what comes of it.
#[inline(never)]
fn decide(plugin: &Plugin, direction: Direction, standing: &Standing, head: &Head<'_>) -> Action {
    let asked = Asked { host: Some(&head.authority), http: Some(head.http()), ..Asked::default() };
    let Decision { verdict, id, record, counter } = decision::decide(plugin, direction, standing, asked);
    match verdict {
        Verdict::Proceed(permit) => {
            if let Standing::Verified(known) = standing {
                known.answer(head, Answer { permit: permit.again(), record, counter });
            }
            proceed(permit, standing)
        }
        Verdict::Refuse(denial) => refuse(&denial, &id, head.is_grpc),
    }
}

/// Lets the request go on to the upstream, which takes a permit; with its token, where the receiver is to
/// check it too.
fn proceed(_: Permit, standing: &Standing) -> Action {
    if let Standing::Verified(known) = standing
        && let Some(token) = &known.forwarded
    {
        host::add_request_field(header::NAME, token);
    }
    Action::Continue
}

/// Answers in the upstream's place: what happened, why, and what to do, but nothing of the policy.
#[inline(never)]
fn refuse(denial: &Denial, id: &str, is_grpc: bool) -> Action {
    let reason = denial.reason();
    // None of the three texts needs escaping: two are ours, and ids are hexadecimal.
    let (code, next) = (reason.code(), reason.next_step());
    let body = format!(r#"{{"decision":"deny","reason":"{code}","id":"{id}","next":"{next}"}}"#);
    if is_grpc {
        host::respond_grpc_denied(&body);
    } else {
        host::respond(403, vec![("content-type", "application/json")], &body);
    }
    Action::Pause
}

#[cfg(feature = "crash-for-tests")]
#[allow(clippy::panic, reason = "the one purpose of this feature")]
fn crash_if_asked(head: &Head<'_>) {
    if head.crash {
        panic!("a test asked for this");
    }
}
