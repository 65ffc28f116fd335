//! The figures as a table for people and as JSON.

use serde_json::{Value, json};
use std::fmt::Write;

/// The figures of one thing that is compared, a value for each round.
#[derive(Clone)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) values: Vec<f64>,
}

impl Series {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), values: Vec::new() }
    }

    /// The figure below which a tenth of the rounds stay: whatever else the machine does only ever adds
    /// to a figure, so the quiet rounds tell what is measured.
    pub(crate) fn quiet(&self) -> f64 {
        let values = sorted(self.values.clone());
        values[values.len() / 10]
    }

    pub(crate) fn median(&self) -> f64 {
        median(self.values.clone())
    }

    /// The median of the differences to another one, round by round.
    pub(crate) fn usually_over(&self, other: &Self) -> f64 {
        median(self.values.iter().zip(&other.values).map(|(ours, theirs)| ours - theirs).collect())
    }

    /// How much more than another one.
    pub(crate) fn over(&self, other: &Self) -> f64 {
        self.quiet() - other.quiet()
    }
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn median(values: Vec<f64>) -> f64 {
    let values = sorted(values);
    values[values.len() / 2]
}

/// All that one run measured.
pub(crate) struct Report {
    pub(crate) known: Vec<Series>,
    pub(crate) new: Vec<Series>,
    /// On connections that a network filter has decided.
    pub(crate) decided: Vec<Series>,
    pub(crate) connect: Vec<Series>,
    pub(crate) crowd: Vec<Series>,
    pub(crate) download: Vec<Series>,
    pub(crate) calls: Vec<(&'static str, Vec<Series>)>,
    pub(crate) memory: Vec<Series>,
}

/// How much dearer judging may be with 10,000 rules than with 10: of what a request costs more that is judged anew.
const DEARER: f64 = 0.2;

/// A bar of the design and what was measured for it.
struct Bar {
    what: &'static str,
    /// In quiet rounds, which is what is held against the bar.
    measured: f64,
    /// At the median of the rounds.
    usually: f64,
    at_most: f64,
}

impl Report {
    fn bars(&self) -> Vec<Bar> {
        let [known, new] = [&self.known, &self.new]
            .map(|all| |name: &str| all.iter().find(|one| one.name == name).expect("a chain of every run"));
        let (procgate, anew) = (known("procgate"), known("procgate, another path each time"));
        let cached = known("jwt_authn + rbac, cached");
        let bar = |what, one: &Series, other: &Series, at_most| {
            let (measured, usually) = (one.over(other), one.usually_over(other));
            Bar { what, measured, usually, at_most }
        };
        let mut bars = vec![
            bar("known connection, over no-op wasm (us)", procgate, known("no-op wasm"), 4.0),
            bar("known connection, over jwt_authn + rbac with its cache (us)", procgate, cached, 0.0),
            bar("the same, another path each time (us)", anew, cached, 0.0),
            bar("new connection, over no-op wasm (us)", new("procgate"), new("no-op wasm"), 100.0),
            bar(
                "10,000 rules, over 10, another path each time (us)",
                known("procgate, another path each time, 10,000 rules"),
                anew,
                DEARER * anew.over(procgate),
            ),
        ];
        if let [without, with] = &self.decided[..] {
            bars.push(bar("known connection, decided by the network filter (us)", with, without, 1.0));
        }
        if let [native, .., dna, pidfd, own_socket] = &self.connect[..] {
            bars.push(bar("connect() with code DNA, over native (us)", dna, native, 80.0));
            bars.push(bar("connect() by proxy-v2, pidfd, over native (us)", pidfd, native, 60.0));
            bars.push(bar("connect() by proxy-v2, own-socket, over native (us)", own_socket, native, 75.0));
        }
        if let [without, .., sidecar] = &self.memory[..] {
            bars.push(bar("memory of a sidecar's three plugins (MB)", sidecar, without, 40.0));
        }
        let none = Series { name: String::new(), values: vec![0.0; 1_000] };
        // 10,000 a second for each core that the shim has.
        let what = ["shim's CPU for one of 64 threads, pidfd (us)", "the same, own-socket (us)"];
        bars.extend(what.into_iter().zip(&self.crowd).map(|(what, one)| bar(what, one, &none, 100.0)));
        if let [_, splice, shim] = &self.download[..] {
            // 80 % of its rate.
            bars.push(bar(
                "256 MB through the shim, over a splice proxy (ms)",
                shim,
                splice,
                splice.quiet() / 4.0,
            ));
        }
        for (what, (_, ways)) in
            ["getppid(), over native (ns)", "read(), over native (ns)", "sendto(), over native (ns)"]
                .into_iter()
                .zip(&self.calls)
        {
            let worst = ways.iter().skip(1).max_by(|one, other| one.quiet().total_cmp(&other.quiet()));
            bars.extend(worst.map(|worst| bar(what, worst, &ways[0], 50.0)));
        }
        bars
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut sections = vec![
            ("Envoy CPU per request, connection known", "us", &self.known),
            ("Envoy CPU per request, each on a new connection", "us", &self.new),
            ("Envoy CPU per request, connection decided by a preface", "us", &self.decided),
            ("connect(), p50 as the program sees it", "us", &self.connect),
            ("Shim's CPU for each connect() of 64 threads", "us", &self.crowd),
            ("256 MB downstream", "ms", &self.download),
            ("Envoy's memory with two workers", "MB", &self.memory),
        ];
        sections.extend(self.calls.iter().map(|(call, ways)| (*call, "ns", ways)));
        for (title, unit, series) in sections {
            writeln!(text, "{title:<56} {unit:>8} {:>10} {:>8}", "over first", "median").unwrap();
            for one in series {
                writeln!(
                    text,
                    "  {:<54} {:>8.1} {:>+10.1} {:>8.1}",
                    one.name,
                    one.quiet(),
                    one.over(&series[0]),
                    one.median()
                )
                .unwrap();
            }
        }
        writeln!(text, "{:<62} {:>8} {:>8} {:>8}", "bar", "measured", "median", "at most").unwrap();
        for Bar { what, measured, usually, at_most } in self.bars() {
            let verdict = if measured <= at_most { "held" } else { "MISSED" };
            writeln!(text, "  {what:<60} {measured:>8.1} {usually:>8.1} {at_most:>8.1}  {verdict}").unwrap();
        }
        text
    }

    pub(crate) fn json(&self) -> String {
        let section = |series: &[Series]| -> Value {
            series
                .iter()
                .map(|one| (one.name.clone(), json!({"quiet": one.quiet(), "rounds": one.values})))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let bars: Vec<_> = self.bars().iter().map(|bar| {
            json!({"what": bar.what, "measured": bar.measured, "median": bar.usually, "at_most": bar.at_most, "held": bar.measured <= bar.at_most})
        }).collect();
        let report = json!({
            "unit": "us",
            "known_connection": section(&self.known),
            "new_connection": section(&self.new),
            "decided_connection": section(&self.decided),
            "connect": section(&self.connect),
            "crowd": section(&self.crowd),
            "calls_nanoseconds": self.calls.iter().map(|(call, ways)| ((*call).to_owned(), section(ways))).collect::<serde_json::Map<_, _>>(),
            "download_milliseconds": section(&self.download),
            "memory_megabytes": section(&self.memory),
            "bars": bars,
        });
        format!("{report:#}\n")
    }
}
