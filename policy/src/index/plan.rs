//! How far a rule is multiplied out.
//!
//! A rule with lists of processes, destinations, ports, methods and paths stands for every
//! combination of them. Multiplied out, each combination is found in one lookup; but a rule of five
//! lists with a hundred entries each would fill ten thousand million places. So each rule has room
//! in proportion to its length in the document. A rule that needs more keeps its ports, methods and
//! paths together and is asked as a whole when its two ends fit; one whose processes and destinations
//! alone are too many combinations names the lists as sets. Such rules make a judgement longer only
//! where they apply, and memory stays linear in the policy.

use crate::model::{Rule, Source};

/// Places for each entry of a rule's lists: a range of ports needs up to 30.
const ROOM_PER_ENTRY: usize = 32;
/// Places for any rule.
const ROOM: usize = 64;

/// How a rule is filed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// A cell for each combination of a process and a destination; else one for two sets.
    pub(super) pairs: bool,
    /// A leaf for each combination of port block and method; else the rule as a whole.
    pub(super) leaves: bool,
}

impl Plan {
    /// The widest plan that this rule has room for.
    pub(super) fn of(rule: &Rule) -> Self {
        let processes = match &rule.from {
            Source::Process(selector) => selector.names.len(),
            Source::Anyone | Source::Unidentified => 0,
        };
        let segments = rule
            .paths
            .iter()
            .fold(0_usize, |sum, path| sum.saturating_add(path.segments().len()).saturating_add(1));
        let lists = [processes, rule.to.names.len(), rule.ports.len(), rule.methods.len(), segments];
        let entries = lists.iter().fold(0_usize, |sum, length| sum.saturating_add(*length));
        let room = entries.saturating_mul(ROOM_PER_ENTRY).saturating_add(ROOM);
        let pairs = product([processes, rule.to.names.len()]) <= room;
        let cells = if pairs { product([processes, rule.to.names.len()]) } else { 1 };
        let blocks = rule.ports.iter().fold(0_usize, |sum, range| sum.saturating_add(range.prefixes().len()));
        let leaves = product([cells, blocks, rule.methods.len(), segments]) <= room;
        Self { pairs, leaves }
    }
}

/// The product of list lengths, where an empty list stands for one entry: any.
fn product<const N: usize>(lengths: [usize; N]) -> usize {
    lengths.iter().fold(1, |product: usize, length| product.saturating_mul((*length).max(1)))
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may")]
mod tests {
    use crate::policy::Policy;
    use std::fmt::Write as _;

    const TRUST: &str = r#"{"domain":"ex","keys":[{"jwk":{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},"scope":"spiffe://ex/ns/"}]}"#;

    /// Places in the index of a policy with `things` processes and destinations, all named by a rule
    /// with so many ports, methods and paths.
    fn places(things: usize, asked: usize) -> usize {
        let list =
            |item: &dyn Fn(usize) -> String, count: usize| (0..count).map(item).collect::<Vec<_>>().join(",");
        let exe = format!("sha256:{}", "0".repeat(64));
        let mut text = format!(r#"{{"version":1,"mode":"audit","trust":{TRUST},"#);
        let processes = list(&|at| format!(r#"{{"name":"p{at}","exe":["{exe}"]}}"#), things);
        let destinations = list(&|at| format!(r#"{{"name":"d{at}","hosts":["h{at}"]}}"#), things);
        let from = list(&|at| format!(r#""p{at}""#), things);
        let to = list(&|at| format!(r#""d{at}""#), things);
        let ports = list(&|at| format!(r#""{}-65534""#, at + 1), asked);
        let methods = list(&|at| format!(r#""M{at}""#), asked);
        let paths = list(&|at| format!(r#""/p{at}/*""#), asked);
        write!(
            text,
            r#""processes":[{processes}],"destinations":[{destinations}],"rules":[{{"name":"r","allow":{{"from":{{"process":[{from}]}},"to":{{"destination":[{to}],"ports":[{ports}],"methods":[{methods}],"paths":[{paths}]}}}}}}]}}"#
        )
        .unwrap();
        Policy::from_json(text.as_bytes()).unwrap().index().cells.places()
    }

    #[test]
    fn the_index_grows_with_the_length_of_a_rule_and_not_with_its_product() {
        for (things, asked) in [(1, 1), (2, 2), (10, 3), (1_000, 1), (30, 30), (1, 60), (1_000, 60)] {
            let entries = 2 * things + 5 * asked;
            let places = places(things, asked);
            assert!(places <= 64 + 32 * entries, "{places} places for {entries} entries");
        }
    }

    #[test]
    fn a_rule_of_usual_length_is_multiplied_out() {
        // A leaf and three nodes for each of the 30 blocks of ports.
        assert!(places(1, 1) > 30 * 4);
    }
}
