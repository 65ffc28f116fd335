//! `make demo`: shows procgate at work with a real Envoy. Ends with 1 if anything is not as promised.

#![allow(clippy::expect_used, reason = "a demo stops loudly at whatever goes wrong")]

use procgate_policy::{Reason, Record};
use procgate_tests::mesh::{Mesh, Service, Visit};
use procgate_tests::pod::Confinement;
use procgate_tests::scenarios::{self, Scenario, Skipped};
use procgate_tests::stage::Stage;
use procgate_tests::visitor::Visitor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let started = Instant::now();
    let Some(stage) = Stage::set() else {
        eprintln!("demo: curl is missing, which is the demo's program: apt-get install curl");
        return ExitCode::FAILURE;
    };
    introduce(&stage);
    // From here on, what fails is a line of the table.
    std::panic::set_hook(Box::new(|_| {}));
    println!("\n{:<2} {:<58} {:<24} {:<24} why", "", "what", "promised", "got");
    let shown: Vec<_> = scenarios::all().into_iter().filter(|scenario| scenario.in_demo).collect();
    let lines: Vec<_> = shown.iter().map(|scenario| show(scenario, &stage)).collect();
    print_records(&lines);
    print_metrics(&stage);
    drop(stage);
    let lines = [lines, show_mesh()].concat();
    let failed = lines.iter().filter(|line| matches!(line, Line::Broken)).count();
    let skipped = lines.iter().filter(|line| matches!(line, Line::Skipped)).count();
    let kept = lines.len().saturating_sub(failed).saturating_sub(skipped);
    println!(
        "\n{kept} as promised, {failed} not, {skipped} skipped, in {:.1} s",
        started.elapsed().as_secs_f64()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What was set up.
fn introduce(stage: &Stage) {
    println!("Envoy enforces on {}, and audits on {}", stage.pod.envoy.address(), stage.auditing.address());
    println!("approved is {}, a curl with a digest of its own", stage.checkout.path.display());
    println!("  exe {}\n  code list {}", stage.checkout.exe, stage.checkout.code);
    if Confinement::best() == Confinement::SameUser {
        println!("not root: the program under the shim is the shim's own user, who could read the key");
    }
}

/// A pod whose connections are redirected to Envoy: whatever TCP the programs speak.
fn show_mesh() -> Vec<Line> {
    println!(
        "\na pod of network namespaces: redirect rules send every connection to Envoy, which goes on to where"
    );
    println!("it wanted to go; the token comes in a PROXY v2 preface ahead of the program's own bytes");
    let Some(mesh) = Mesh::start() else { return vec![Line::Skipped] };
    let mut lines = Vec::new();
    for service in Service::ALL {
        for visitor in [Visitor::Approved("own-socket"), Visitor::Neighbour] {
            let what = match visitor {
                Visitor::Neighbour => "  the same in a neighbour container",
                Visitor::Approved(_) | Visitor::Shell(_) => service.describe(),
            };
            lines.push(show_visit(what, &mesh, service, visitor));
        }
    }
    lines
}

fn show_visit(what: &str, mesh: &Mesh, service: Service, visitor: Visitor) -> Line {
    let told =
        |answered: bool, reason: Reason| format!("{} {reason}", if answered { "reached" } else { "refused" });
    let promised = (visitor.promised() == Reason::Allowed, visitor.promised());
    let visit = catch_unwind(AssertUnwindSafe(|| mesh.visit(service, visitor)));
    let (got, kept, record) = match visit {
        Ok(Visit { answered, record, .. }) => {
            (told(answered, record.reason), (answered, record.reason) == promised, Some(record))
        }
        Err(_) => ("failed".into(), false, None),
    };
    let promised = told(promised.0, promised.1);
    let why = record.as_ref().map(why).unwrap_or_default();
    println!("{:<2} {what:<58} {promised:<24} {got:<24} {why}", if kept { "ok" } else { "!!" });
    if kept { record.map_or(Line::Broken, |record| Line::Kept(Box::new(record))) } else { Line::Broken }
}

/// What became of a scenario.
#[derive(Clone)]
enum Line {
    Kept(Box<Record<'static>>),
    Broken,
    Skipped,
}

/// Plays a scenario and prints its line.
fn show(scenario: &Scenario, stage: &Stage) -> Line {
    let promised = format!("{} {}", scenario.status, scenario.reason);
    let print = |mark: &str, got: &str, why: &str| {
        println!("{mark:<2} {:<58} {promised:<24} {got:<24} {why}", scenario.what);
    };
    match catch_unwind(AssertUnwindSafe(|| scenario.play(stage))) {
        Ok(Ok(outcome)) => {
            let got = format!("{} {}", outcome.status, outcome.record.reason);
            let kept = scenario.complaint(&outcome).is_none();
            print(if kept { "ok" } else { "!!" }, &got, &why(&outcome.record));
            if kept { Line::Kept(Box::new(outcome.record)) } else { Line::Broken }
        }
        Ok(Err(Skipped(need))) => {
            print("--", "skipped", &need);
            Line::Skipped
        }
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
            let text = text.lines().next().unwrap_or_default();
            print("!!", "failed", text);
            Line::Broken
        }
    }
}

fn why(record: &Record<'_>) -> String {
    let rule = record.rule.as_deref().map(|rule| format!("rule {rule}"));
    let nearest = record.nearest.as_deref().map(|rule| format!("nearest rule {rule}"));
    record
        .detail
        .as_deref()
        .map(brief)
        .or(rule)
        .or(nearest)
        .unwrap_or_else(|| record.reason.next_step().to_owned())
}

/// The text with digests cut to eight digits: the whole ones are in the log.
fn brief(text: &str) -> String {
    let mut parts = text.split("sha256:");
    let mut brief = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(64).unwrap_or((part, ""));
        let digits = digits.split_at_checked(8).map_or(digits, |(first, _)| first);
        brief.push_str(&format!("sha256:{digits}…{rest}"));
    }
    brief
}

fn print_records(lines: &[Line]) {
    println!("\nthe access log's records of these, digests cut");
    for line in lines {
        if let Line::Kept(record) = line {
            println!("  {}", brief(&record.to_json()));
        }
    }
}

fn print_metrics(stage: &Stage) {
    println!("\nmetrics of the enforcing Envoy");
    let ours =
        |line: &&str| line.contains("procgate_decisions_total{") || line.contains("procgate_policy_info{");
    stage.pod.envoy.metrics().lines().filter(ours).for_each(|line| println!("  {line}"));
}
