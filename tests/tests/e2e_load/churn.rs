//! Connections that come and go for long, and leave nothing behind.

use crate::crowd::Crowd;
use crate::stage::{Size, Stage};
use procgate_tests::process::resident_kilobytes;
use procgate_tests::way::Way;

/// Bytes that may stay of each connection in the shim: what a page here and there comes to. Whoever forgets to let go
/// of a connection loses more, were it only an entry of a table.
const MAY_STAY: f64 = 64.0;

/// Memory of a process after so many connections, in bytes.
#[derive(Debug, Default)]
struct Memory(Vec<(f64, f64)>);

impl Memory {
    fn look(&mut self, connections: u32, process: u32) {
        self.0.push((connections.into(), resident_kilobytes(process) as f64 * 1_024.0));
    }

    /// Bytes a connection: the slope of the straight line that is nearest to all looks (least squares).
    fn slope(&self) -> f64 {
        let count = self.0.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| self.0.iter().map(of).sum::<f64>() / count;
        let (x, y) = (mean(|look| look.0), mean(|look| look.1));
        let both: f64 = self.0.iter().map(|look| (look.0 - x) * (look.1 - y)).sum();
        both / self.0.iter().map(|look| (look.0 - x).powi(2)).sum::<f64>()
    }
}

/// Bytes that stay of each connection: in the shim, in Envoy and in the program.
fn churn(stage: &Stage, crowd: &mut Crowd, size: Size) -> [f64; 3] {
    let Size { rate, warm, churn, .. } = size;
    let processes = [crowd.shim(), stage.pod.envoy.id(), crowd.program];
    let mut memory = processes.map(|_| Memory::default());
    for second in 0..warm + churn {
        let report = crowd.does(&format!("rate {rate} 1"));
        assert_eq!(report.count("200"), u64::from(rate), "{report}\n{}", stage.refusals());
        for (memory, process) in memory.iter_mut().zip(processes).filter(|_| second >= warm) {
            memory.look(rate * second, process);
        }
    }
    memory.map(|memory| memory.slope())
}

#[test]
fn of_connections_that_have_ended_nothing_stays() {
    let size = Size::asked_for();
    for way in size.ways.iter().copied() {
        let stage = Stage::start(way);
        let mut crowd = stage.crowd(way);
        let [shim, envoy, program] = churn(&stage, &mut crowd, size);
        eprintln!(
            "{way}: bytes that stay of a connection: shim {shim:.1}, Envoy {envoy:.1}, program {program:.1}"
        );
        assert!(shim < MAY_STAY, "{way}: {shim:.1} bytes");
        assert!(envoy < size.stays_in_envoy, "{way}: {envoy:.1} bytes");
        crowd.ends();
    }
}

/// The measure itself: it says of a program that loses a kilobyte with every connection that it does, and not of the
/// shim beside it.
#[test]
fn a_leak_is_seen() {
    let way = Way::PrefaceByPidfd;
    let stage = Stage::start(way);
    let mut crowd = stage.crowd(way);
    crowd.does("leak 1000");
    let [shim, _, program] = churn(&stage, &mut crowd, Size { churn: 5, ..Size::asked_for() });
    assert!(program > 900.0, "{program:.1} bytes");
    assert!(shim < MAY_STAY, "{shim:.1} bytes");
    crowd.ends();
}
