//! What was seen, as a file: a JSON object a line, each a flow or something set aside, with its evidence.
//!
//! The lines stand for themselves, so putting summaries together is putting files together, and any
//! engine that can group and sum can make or combine them. The fields are in docs/learning.md.

use super::evidence::{Evidence, Seen};
use super::flows::Flows;
use super::row::Row;
use crate::failure::{Failure, Problem};
use crate::files::unreadable;
use crate::progress::Progress;
use crate::records::{Once, Present, Tally};
use procgate_identity::Digest;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Bytes of a line: a flow has a kilobyte or two, and 64 names of pods at most.
const MAX_LINE_BYTES: u64 = 256 * 1024;

/// Everything that was seen, a line each.
pub(super) fn lines(flows: &Flows) -> Vec<Box<str>> {
    let mut lines = Vec::new();
    for route in &flows.routes {
        let Some(speaker) = flows.speaker_of(route.speaker) else { continue };
        let stray = flows.strays.get(route.speaker).and_then(Option::as_ref);
        route.paths.each(&mut Vec::new(), &mut |path, evidence| {
            let mut row = Row::of(evidence, "flow");
            row.speaker(speaker, stray);
            row.route(route, path);
            lines.push(row.line());
        });
    }
    for ((number, aside), evidence) in &flows.aside {
        let Some(speaker) = flows.speaker_of(*number) else { continue };
        let mut row = Row::of(evidence, aside.code());
        row.speaker(speaker, flows.strays.get(*number).and_then(Option::as_ref));
        lines.push(row.line());
    }
    lines.extend(flows.unverified.iter().map(|(reason, evidence)| Row::of(evidence, reason).line()));
    lines.extend(flows.covered.stretches().map(|(first, last)| Row::covered(first, last).line()));
    lines.sort_unstable();
    lines
}

/// Whether a summary may be written to this file: over another one, and over nothing else.
pub(super) fn spare(path: &Path) -> Result<(), Problem> {
    let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let mut line = Vec::new();
    let first = |file: File| BufReader::new(file).take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
    if !is_file || File::open(path).and_then(first).is_ok_and(|read| read == 0) || Row::is_one(&line) {
        return Ok(());
    }
    Err(Problem::new("is there and no summary").in_file(path).next("choose another name, or remove it"))
}

/// The reading of summaries, from one to the next.
#[derive(Debug)]
pub(super) struct Reading {
    tally: Tally,
    present: Present,
    once: Once,
    /// Which file has these contents.
    contents: HashMap<Digest, PathBuf>,
    lines: u64,
    progress: Progress,
}

impl Default for Reading {
    fn default() -> Self {
        let progress = Progress::of("lines of summaries");
        let (tally, once, contents) = Default::default();
        Self { tally, present: Present::now(), once, contents, lines: 0, progress }
    }
}

impl Reading {
    /// Takes a summary in; `-` is standard input. Misdated lines are noted and left out, and a file that was given before
    /// is not read again. A copy of one shows only at its end, and is refused.
    pub(super) fn file(&mut self, path: &Path, flows: &mut Flows) -> Result<(), Failure> {
        if self.once.again(path) {
            self.tally.note_again(path);
            return Ok(());
        }
        let source: Box<dyn Read> = if path == Path::new("-") {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(|error| unreadable(path, &error))?)
        };
        self.tally.file(path);
        let mut content = None;
        take_all(BufReader::new(source), path, |number, line| {
            self.lines = self.lines.saturating_add(1);
            self.progress.show(self.lines);
            content = Some(link(content, line));
            let (row, evidence) = row(line)?;
            match self.present.misdated(evidence.first, evidence.last) {
                Some(kind) => self.tally.note_misdated(kind, number),
                None => take(&row, &evidence, flows)?,
            }
            Ok(())
        })?;
        match content.and_then(|content| self.contents.insert(content, path.into())) {
            None => Ok(()),
            Some(other) => {
                let problem = Problem::new(format!("holds the same as {}", other.display())).in_file(path);
                Err(problem.next("leave one of them out: what they tell would count twice").into())
            }
        }
    }

    /// What was noted in all of them.
    pub(super) fn finish(self) -> Tally {
        self.progress.finish(self.lines);
        self.tally
    }
}

/// The digest of all lines so far, with one more.
fn link(content: Option<Digest>, line: &[u8]) -> Digest {
    let before = content.as_ref().map_or(&[][..], |content| content.as_bytes());
    Digest::of(&[before, line].concat())
}

/// Gives each line that has something in it, with its number.
fn take_all(
    mut source: impl BufRead,
    path: &Path,
    mut take: impl FnMut(u64, &[u8]) -> Result<(), String>,
) -> Result<(), Failure> {
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let mut bounded = source.by_ref().take(MAX_LINE_BYTES);
        if bounded.read_until(b'\n', &mut line).map_err(|error| unreadable(path, &error))? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        take(number, &line).map_err(|what| {
            let problem = Problem::new(what).at(format!("{}:{number}", path.display()));
            problem.next("give files that `procgate policy learn --partial` wrote, or lines of that form")
        })?;
    }
    Ok(())
}

fn row(line: &[u8]) -> Result<(Row, Evidence), String> {
    let row = Row::parse(line)?;
    let evidence = row.evidence()?;
    Ok((row, evidence))
}

fn take(row: &Row, evidence: &Evidence, flows: &mut Flows) -> Result<(), String> {
    if row.is_covered() {
        flows.covered.stretch(evidence.first, evidence.last);
        return Ok(());
    }
    let record = row.record(row.strayed_first(evidence.first)?)?;
    if let Some(way) = flows.add(&record, row.lesson(&record)?, row.path()?, Seen::Before(evidence)) {
        flows.reach(way, row.another_address());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::pods::Pod;
    use super::*;
    use core::net::SocketAddr;
    use procgate_identity::{Digest, UnixNanos};
    use procgate_policy::{Direction, Mode, Reason, Record};
    use proptest::prelude::*;
    use std::borrow::Cow;

    /// Few of everything, so that much falls together, and names enough to fold.
    fn record() -> impl Strategy<Value = Record<'static>> {
        let segment = prop_oneof![
            (0..90u32).prop_map(|index| format!("n{index}x")),
            (0..9u32).prop_map(|index| index.to_string()),
            Just(String::new()),
            Just("a%2Db".into()),
        ];
        let path = proptest::collection::vec(segment, 1..4).prop_map(|names| format!("/{}", names.join("/")));
        let who = (0..3u8, proptest::option::of(0..2u8), 0..2u8);
        let whereto = (proptest::option::of(0..3u8), proptest::option::of(0..3u8));
        let reason = proptest::sample::select(&Reason::ALL);
        let when = (0..60u64, any::<bool>());
        (path, who, whereto, proptest::option::of(0..2u8), reason, when).prop_map(
            |(path, (exe, code, label), (host, ip), method, reason, (hour, enforced))| Record {
                time: UnixNanos(hour.saturating_mul(3_600_000_000_000).saturating_add(1)),
                id: "".into(),
                mode: if enforced { Mode::Enforce } else { Mode::Audit },
                reason,
                detail: None,
                direction: Direction::Outbound,
                carrier: None,
                subject: Some("spiffe://shop.example/ns/shop/sa/a/container/a".into()),
                process: None,
                exe: Some(Digest::of(&[exe])),
                code: code.map(|code| Digest::of(&[code])),
                stray: code.is_none().then(|| (format!("/tmp/{label}").into(), None)),
                script: None,
                name: Some("/a".into()),
                labels: vec![("tier".into(), label.to_string().into())],
                rule: None,
                nearest: None,
                host: host.map(|host| format!("h{host}.example:80").into()),
                address: ip.map(|ip| SocketAddr::from(([10, 0, 0, ip], 80))),
                sni: None,
                method: method.map(|method| ["GET", "POST"].map(Cow::Borrowed)[usize::from(method)].clone()),
                path: method.map(|_| path.into()),
            },
        )
    }

    fn learnt<'r>(records: impl IntoIterator<Item = &'r (Record<'static>, u8)>) -> String {
        let mut flows = Flows::default();
        for (record, pod) in records {
            // More pods than are kept, each with one record or a few.
            flows.record(record, None, &Pod::new(&format!("pod-{}-{}", pod, record.time.0 % 7)));
        }
        lines(&flows).concat()
    }

    fn combined(summaries: &[&str]) -> String {
        let mut flows = Flows::default();
        for summary in summaries {
            let taken = take_all(summary.as_bytes(), Path::new("summary"), |_, line| {
                let (row, evidence) = row(line)?;
                take(&row, &evidence, &mut flows)
            });
            taken.unwrap();
        }
        lines(&flows).concat()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn in_whatever_parts_and_order_logs_are_read_the_summary_is_the_same(
            records in proptest::collection::vec((record(), any::<u8>()), 0..300),
            first in 0..300usize,
            second in 0..300usize,
        ) {
            let whole = learnt(&records);
            let (a, rest) = records.split_at(first.min(records.len()));
            let (b, c) = rest.split_at(second.min(rest.len()));
            let [a, b, c] = [a, b, c].map(learnt);
            prop_assert_eq!(&combined(&[&a, &b, &c]), &whole);
            prop_assert_eq!(&combined(&[&c, &a, &b]), &whole);
            prop_assert_eq!(&combined(&[&combined(&[&b, &a]), &c]), &whole);
            prop_assert_eq!(&combined(&[&a, &combined(&[&c, &b])]), &whole);
            prop_assert_eq!(&learnt(records.iter().rev()), &whole);
        }
    }
}
