//! A connection that a log tells of.

use super::question::Question;
use super::speaker::Speaker;
use super::spoken::{Spoken, claims, destination};
use crate::failure::{Failure, Problem};
use crate::records::{self, HowArgs};
use core::ops::ControlFlow;
use procgate_identity::Refusal;
use procgate_policy::{Model, Record};
use std::path::PathBuf;

/// The record with this id, or the first one, as a question to a policy. Under `--strict` what stands behind it is
/// read as well.
pub(super) fn find(
    logs: &[PathBuf],
    how: &HowArgs,
    id: Option<&str>,
    policy: &Model,
) -> Result<Question, Failure> {
    let mut found = None;
    let tally = records::read(logs, how, |entry| {
        if found.is_none() && id.is_none_or(|id| entry.record.id == id) {
            found = Some(question(&entry.record, policy)?);
        }
        let seen_enough = found.is_some() && !how.is_strict();
        Ok(if seen_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    let unread = tally.warnings();
    let lacking = || match id {
        Some(id) => Problem::new(format!("no record has the id {id}"))
            .at("--id")
            .next("name the log of the proxy that decided, or an older one of it"),
        None => Problem::new("no record in it").at("the log").next("give a log with the filter's records"),
    };
    if let Some(question) = found {
        return Ok(Question { unread, ..question });
    }
    let unread = unread.into_iter().map(|what| Problem::new(what).at("the log"));
    Err(core::iter::once(lacking()).chain(unread).collect::<Vec<_>>().into())
}

fn question(record: &Record<'_>, policy: &Model) -> Result<Question, Failure> {
    let destination = destination(record);
    Ok(Question {
        speaker: speaker(record, policy)?,
        host: destination.host.map(Into::into),
        address: destination.address,
        http: destination.http.map(|http| (http.method.into(), http.path.into())),
        decided: Some(record.reason),
        unread: Vec::new(),
    })
}

/// Who spoke. Of a refused identity a record tells only why it was refused.
fn speaker(record: &Record<'_>, policy: &Model) -> Result<Speaker, Failure> {
    let detail = record.detail.as_deref().unwrap_or_default();
    match Spoken::of(record) {
        Spoken::Nobody => Ok(Speaker::Absent),
        Spoken::Refused(reason) => Ok(Speaker::Refused(Refusal::new(reason, detail))),
        Spoken::Unasked => {
            let problem = Problem::new(format!("decided as {} before any policy was asked", record.reason));
            Err(problem.at("the record").next(record.reason.next_step()).into())
        }
        Spoken::Verified if record.subject.is_none() => Ok(Speaker::Absent),
        Spoken::Verified => {
            let claims = claims(record).ok_or_else(|| {
                Problem::new("tells of an identity that no shim makes")
                    .at("the record")
                    .next("give one as it was written")
            })?;
            Ok(Speaker::vouched(claims, policy.trusted_keys(), record.time)?)
        }
    }
}
