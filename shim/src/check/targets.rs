//! Which destinations get a token. Whoever is not behind the proxy would read it as payload, so a mistake in
//! the exemptions is to be found before a program runs into it.

use crate::destinations::{Destinations, Verdict};
use crate::options::{Interception, Output, Target};
use crate::trap::onto_loopback;
use core::net::{IpAddr, SocketAddr};
use procgate_identity::Carrier;
use serde_json::{Value, json};

/// Says of each target what `run` with the same options would do; true if all of them get a token.
pub(super) fn check(targets: &[Target], interception: Interception, output: Output) -> bool {
    let carrier = Carrier::from(interception.carrier);
    let destinations = interception.destinations();
    let answers: Vec<_> = targets.iter().flat_map(|target| answers(&destinations, *target)).collect();
    match output {
        Output::Text => answers.iter().for_each(|answer| println!("{}", answer.text(carrier))),
        Output::Json => {
            let answers: Vec<_> = answers.iter().map(|answer| answer.json(carrier)).collect();
            println!("{}", json!({"destinations": answers}));
        }
    }
    answers.iter().all(|answer| answer.verdict.is_intercepted())
}

/// What becomes of connections to an address.
struct Answer {
    ip: IpAddr,
    ports: Ports,
    verdict: Verdict,
}

/// Which ports of the address an answer is about.
enum Ports {
    One(u16),
    All,
    /// All but those that have an answer of their own.
    Others,
}

fn answers(destinations: &Destinations, Target { ip, port }: Target) -> Vec<Answer> {
    let of = |port| {
        let address = onto_loopback(SocketAddr::new(ip, port));
        Answer { ip, ports: Ports::One(port), verdict: destinations.judge(address) }
    };
    if let Some(port) = port {
        return vec![of(port)];
    }
    let meant = onto_loopback(SocketAddr::new(ip, 0)).ip();
    let named = destinations.named_ports(meant);
    let ports = if named.is_empty() { Ports::All } else { Ports::Others };
    let rest = Answer { ip, ports, verdict: destinations.judge_other_ports(meant) };
    named.into_iter().map(of).chain([rest]).collect()
}

impl Answer {
    fn text(&self, carrier: Carrier) -> String {
        let (destination, rule) = (self.destination(), self.rule());
        if self.verdict.is_intercepted() {
            format!("token  {destination}: carrier {carrier}, {rule}")
        } else {
            format!("plain  {destination}: left alone, {rule}")
        }
    }

    fn json(&self, carrier: Carrier) -> Value {
        let token = self.verdict.is_intercepted();
        json!({
            "destination": self.destination(),
            "token": token,
            "carrier": token.then(|| carrier.code()),
            "rule": self.rule(),
        })
    }

    fn destination(&self) -> String {
        let Self { ip, ports, .. } = self;
        match ports {
            Ports::One(port) => SocketAddr::new(*ip, *port).to_string(),
            Ports::All => format!("{ip}, any port"),
            Ports::Others => format!("{ip}, any other port"),
        }
    }

    fn rule(&self) -> String {
        match self.verdict {
            Verdict::Intercepted => "no --exempt covers it".to_owned(),
            Verdict::Captured(range) => format!("--capture {range}"),
            Verdict::Exempt(range) => format!("--exempt {range}"),
            Verdict::Loopback(range) => format!("loopback {range} is exempt unless --capture names it"),
        }
    }
}
