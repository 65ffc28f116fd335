//! Scenarios of real programs, under the shim and without it.

use super::{ALLOWED, Scenario, Scene, Skipped, denied, refused};
use crate::pod::Confinement;
use crate::process::{run, succeed};
use crate::program::{Program, copy_with_its_own_digest};
use crate::stage::{Stage, curl_arguments};
use crate::tools;
use crate::wire::Answer;
use procgate_identity::RefusalReason;
use procgate_policy::Reason;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

type Played = Result<Vec<Answer>, Skipped>;

pub(super) fn list() -> Vec<Scenario> {
    [approved(), strangers(), forbidden()].concat()
}

fn approved() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "the_approved_program_gets_through",
            "the approved program, HTTP/1.1",
            ALLOWED,
            |scene| scene.approved(&[]),
        )
        .shown(),
        Scenario::new(
            "the_approved_program_gets_through_over_http2",
            "the approved program, HTTP/2",
            ALLOWED,
            |scene| scene.approved(&["--http2-prior-knowledge"]),
        )
        .shown(),
        Scenario::new(
            "an_approved_program_whose_shim_signs_on_p_256_gets_through",
            "the approved program, its shim's key on P-256",
            ALLOWED,
            |scene| {
                let Stage { pod, checkout, .. } = scene.stage;
                let towards = scene.envoy.address();
                let mut command = pod.shim_with(&pod.es256, checkout, Confinement::best(), &[towards]);
                command.arg(&checkout.path).args(curl_arguments(towards, &[&scene.path]));
                Ok(answers(&succeed(&mut command).stdout))
            },
        ),
        Scenario::new(
            "a_body_reaches_the_upstream",
            "the approved program, POST with a body",
            ALLOWED,
            |scene| {
                let answers = scene.approved(&["--data", "amount=42"])?;
                assert_eq!(answers[0].json()["body"], "amount=42");
                Ok(answers)
            },
        )
        .shown(),
        Scenario::new(
            "the_second_request_of_a_connection_needs_no_token",
            "the approved program, two requests on one connection",
            ALLOWED,
            two_requests_on_one_connection,
        )
        .shown(),
    ]
}

fn strangers() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "a_program_without_a_shim_is_refused",
            "a program without a shim",
            refused(RefusalReason::NoIdentity),
            stranger,
        )
        .shown(),
        Scenario::new(
            "a_program_of_another_container_is_refused",
            "a program without a shim, in namespaces of its own",
            refused(RefusalReason::NoIdentity),
            neighbour,
        )
        .shown(),
        Scenario::new(
            "another_program_under_the_same_shim_is_refused",
            "sh -c 'curl …' under the approved program's shim",
            denied(Reason::UnknownProcess),
            another_program,
        )
        .shown(),
        Scenario::new(
            "a_replaced_binary_is_refused",
            "the approved program's file, replaced",
            denied(Reason::CodeChanged),
            replaced_binary,
        )
        .shown(),
        Scenario::new(
            "a_preloaded_library_is_refused",
            "LD_PRELOAD into the approved program",
            denied(Reason::CodeChanged),
            preloaded_library,
        )
        .shown(),
    ]
}

fn forbidden() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "a_path_that_no_rule_allows_is_refused",
            "the approved program, a path that no rule allows",
            denied(Reason::NoMatchingRule),
            |scene| scene.approved(&[]),
        )
        .shown(),
        Scenario::new(
            "a_path_that_a_rule_denies_is_refused",
            "the approved program, a path that a rule denies",
            denied(Reason::DeniedByRule),
            |scene| scene.approved(&[]),
        ),
    ]
}

pub(super) fn audit() -> Vec<Scenario> {
    let proceeds = |reason| (200, reason);
    vec![
        Scenario::new(
            "audit_records_a_program_without_a_shim_and_lets_it_pass",
            "audit: a program without a shim",
            proceeds(Reason::Identity(RefusalReason::NoIdentity)),
            stranger,
        )
        .audited()
        .shown(),
        Scenario::new(
            "audit_records_another_program_and_lets_it_pass",
            "audit: sh -c 'curl …'",
            proceeds(Reason::UnknownProcess),
            another_program,
        )
        .audited()
        .shown(),
        Scenario::new(
            "audit_records_a_preloaded_library_and_lets_it_pass",
            "audit: LD_PRELOAD",
            proceeds(Reason::CodeChanged),
            preloaded_library,
        )
        .audited()
        .shown(),
        Scenario::new(
            "audit_records_a_path_that_no_rule_allows_and_lets_it_pass",
            "audit: a path that no rule allows",
            proceeds(Reason::NoMatchingRule),
            |scene| scene.approved(&[]),
        )
        .audited()
        .shown(),
    ]
}

impl Scene<'_> {
    /// The approved program under its shim, with these further options.
    fn approved(&self, options: &[&str]) -> Played {
        Ok(self.under_shim(&self.stage.checkout, |command| command.args(options)))
    }

    /// A program like curl under the shim.
    fn under_shim(&self, program: &Program, more: impl FnOnce(&mut Command) -> &mut Command) -> Vec<Answer> {
        let mut command = self.stage.shim(program, self.envoy.address());
        command.arg(&program.path).args(curl_arguments(self.envoy.address(), &[&self.path]));
        answers(&succeed(more(&mut command)).stdout)
    }

    /// What a shell or another launcher is given to run curl.
    fn curl(&self) -> Vec<String> {
        let curl = tools::client("curl").expect("the stage has one").to_string_lossy().into_owned();
        [vec![curl], curl_arguments(self.envoy.address(), &[&self.path])].concat()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.stage.pod.folder().join(name)
    }
}

/// What curl printed: for each request the body and, on the line after it, the status.
fn answers(stdout: &str) -> Vec<Answer> {
    let mut lines = stdout.lines();
    let mut answers = Vec::new();
    while let (Some(body), Some(status)) = (lines.next(), lines.next()) {
        let status = status.parse().unwrap_or_else(|_| panic!("curl printed: {stdout}"));
        answers.push(Answer { status, headers: Vec::new(), body: body.into() });
    }
    answers
}

fn two_requests_on_one_connection(scene: &Scene<'_>) -> Played {
    let stage = scene.stage;
    let mut command = stage.shim(&stage.checkout, scene.envoy.address());
    command.arg(&stage.checkout.path);
    command.args(curl_arguments(scene.envoy.address(), &[&scene.path, &scene.path]));
    command.args(["-w", "\n%{http_code}\n%{stderr}%{num_connects}"]);
    let finished = succeed(&mut command);
    // Connections opened for the first request and for the second.
    assert_eq!(finished.stderr.lines().last(), Some("10"), "{finished}");
    Ok(answers(&finished.stdout))
}

fn stranger(scene: &Scene<'_>) -> Played {
    let curl = scene.curl();
    Ok(answers(&succeed(Command::new(&curl[0]).args(&curl[1..])).stdout))
}

/// Mount and PID namespaces of its own make a program a neighbour container.
fn neighbour(scene: &Scene<'_>) -> Played {
    let curl = scene.curl();
    let root = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let user = [&["--user", "--map-root-user"][..], &root].concat();
    let permitted =
        |options: &[&str]| run(Command::new("unshare").args(options).arg("true")).status.success();
    let Some(options) = [&root[..], &user].into_iter().find(|options| permitted(options)) else {
        return Err(Skipped("this machine does not let this user make namespaces".into()));
    };
    Ok(answers(&succeed(Command::new("unshare").args(options).args(curl)).stdout))
}

fn another_program(scene: &Scene<'_>) -> Played {
    let mut command = scene.stage.shim(&scene.stage.checkout, scene.envoy.address());
    // The shell stays, so that curl is a program that it starts and not one that it becomes.
    command.args(["sh", "-c", "\"$@\"; exit $?", "sh"]).args(scene.curl());
    Ok(answers(&succeed(&mut command).stdout))
}

fn replaced_binary(scene: &Scene<'_>) -> Played {
    let till = &scene.stage.till;
    let other = scene.file("till.replacement");
    copy_with_its_own_digest(&till.path, &other, "replaced");
    fs::rename(&other, &till.path).unwrap();
    Ok(scene.under_shim(till, |command| command))
}

fn preloaded_library(scene: &Scene<'_>) -> Played {
    let libraries = crate::program::may_load(std::slice::from_ref(&scene.stage.checkout.path));
    let named =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libz."));
    let Some(library) = libraries.into_iter().find(named) else {
        return Err(Skipped("curl here does not use libz, which the scenario preloads a copy of".into()));
    };
    let preloaded = scene.file(&format!("preloaded-{:?}.so", scene.envoy.address().port()));
    copy_with_its_own_digest(&library, &preloaded, "preloaded");
    let program = &scene.stage.checkout;
    Ok(scene.under_shim(program, |command| command.env("LD_PRELOAD", &preloaded)))
}
