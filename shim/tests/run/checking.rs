//! `procgate-shim check`, and whether `run` does what it says.

use crate::stage::{Server, Shim};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::{Command, Output};

/// What the check prints with these options, and its exit code.
fn check(options: &[&str]) -> (Option<i32>, String, String) {
    let mut check = Command::new(env!("CARGO_BIN_EXE_procgate-shim"));
    let Output { status, stdout, stderr } = check.arg("check").args(options).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn this_machine_is_found_fit() {
    let (code, out, _) = check(&["--output", "json"]);
    let facts: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &facts["works"]), (Some(0), &true.into()), "{facts}");
}

#[test]
fn a_destination_is_said_to_get_a_token_or_to_be_left_alone_and_by_which_rule() {
    let rules = ["--exempt", "10.0.0.0/8:443,fd00::/8", "--exempt", "192.0.2.0/24", "--capture"];
    let rules = [&rules[..], &["127.0.0.1:15001,192.0.2.7"]].concat();
    for (destination, code, line) in [
        ("10.0.0.1:80", 0, "token  10.0.0.1:80: carrier header, no --exempt covers it"),
        ("10.0.0.1:443", 1, "plain  10.0.0.1:443: left alone, --exempt 10.0.0.0/8:443"),
        ("[fd12::1]:80", 1, "plain  [fd12::1]:80: left alone, --exempt fd00::/8"),
        ("192.0.2.6", 1, "plain  192.0.2.6, any port: left alone, --exempt 192.0.2.0/24"),
        ("192.0.2.7", 0, "token  192.0.2.7, any port: carrier header, --capture 192.0.2.7/32"),
        ("[::ffff:10.0.0.1]:443", 1, "plain  [::ffff:10.0.0.1]:443: left alone, --exempt 10.0.0.0/8:443"),
        ("127.0.0.1:15001", 0, "token  127.0.0.1:15001: carrier header, --capture 127.0.0.1/32:15001"),
        ("[::1]:80", 1, "plain  [::1]:80: left alone, loopback ::1/128 is exempt unless --capture names it"),
        (
            "0.0.0.0:80",
            1,
            "plain  0.0.0.0:80: left alone, loopback 127.0.0.0/8 is exempt unless --capture names it",
        ),
    ] {
        let (ended, out, log) = check(&[&rules[..], &["--dst", destination]].concat());
        assert_eq!((ended, out), (Some(code), format!("{line}\n")), "{log}");
    }
}

#[test]
fn without_a_port_each_port_that_a_rule_names_has_an_answer_of_its_own() {
    let rules = ["--exempt", "10.0.0.0/8:443,10.0.0.0/16:53,10.9.0.0/16:99", "--capture", "10.0.0.1:443"];
    let (code, out, log) = check(&[&rules[..], &["--dst", "10.0.0.1"]].concat());
    let wanted = "plain  10.0.0.1:53: left alone, --exempt 10.0.0.0/16:53
token  10.0.0.1:443: carrier header, --capture 10.0.0.1/32:443
token  10.0.0.1, any other port: carrier header, no --exempt covers it
";
    assert_eq!((code, out.as_str()), (Some(1), wanted), "{log}");
}

#[test]
fn programs_get_the_same_answers_as_json() {
    let targets = ["--dst", "10.0.0.1:80", "--dst", "127.0.0.1:80"];
    let (code, out, log) = check(&[&targets[..], &["--carrier", "proxy-v2", "--output", "json"]].concat());
    let wanted = json!({"destinations": [
        {"destination": "10.0.0.1:80", "token": true, "carrier": "proxy-v2", "rule": "no --exempt covers it"},
        {"destination": "127.0.0.1:80", "token": false, "carrier": null,
         "rule": "loopback 127.0.0.0/8 is exempt unless --capture names it"},
    ]});
    assert_eq!((code, serde_json::from_str::<Value>(&out).unwrap()), (Some(1), wanted), "{log}");
}

#[test]
fn what_is_no_destination_or_no_rule_is_125() {
    for wrong in [["--dst", "payments:80"], ["--dst", "10.0.0.0/8"], ["--exempt", "10.0.0.0/33"]] {
        let (code, out, log) = check(&wrong);
        assert_eq!((code, out.as_str()), (Some(125), ""), "{log}");
        assert!(log.contains("write "), "{log}");
    }
}

/// Both take their rules from the environment here, as in a container.
#[test]
fn run_does_what_check_says() {
    let servers = [Server::new(), Server::on("[::1]:0")];
    let [four, six] = [&servers[0], &servers[1]].map(|server| server.address.port());
    let asked = [
        (0, format!("127.0.0.1:{four}")),
        (0, format!("[::ffff:127.0.0.1]:{four}")),
        (0, format!("0.0.0.0:{four}")),
        (1, format!("[::1]:{six}")),
        (1, format!("[::]:{six}")),
    ];
    let rules = [
        vec![],
        vec![("PROCGATE_CAPTURE", format!("127.0.0.0/8:{four}"))],
        vec![("PROCGATE_CAPTURE", format!("::ffff:127.0.0.0/104,[::1]:{six}"))],
        vec![
            ("PROCGATE_EXEMPT", "127.0.0.0/8,::1".to_owned()),
            ("PROCGATE_CAPTURE", format!("127.0.0.1,[::/0]:{six}")),
        ],
        vec![("PROCGATE_CAPTURE", format!("127.0.0.1:{}", four ^ 1))],
    ];
    for (rules, (server, destination)) in rules.iter().flat_map(|r| asked.iter().map(move |a| (r, a))) {
        let mut check = Command::new(env!("CARGO_BIN_EXE_procgate-shim"));
        check.envs(rules.iter().map(|(name, value)| (name, value)));
        let said = check.args(["check", "--dst", destination]).output().unwrap().status.success();
        let address: SocketAddr = destination.parse().unwrap();
        let shim = rules.iter().fold(Shim::new(), |shim, (name, value)| shim.env(name, value));
        let ran = shim.option("--carrier", "proxy-v2").python(
            address,
            "c = socket.socket(socket.AF_INET6 if ':' in HOST else socket.AF_INET); c.connect((HOST, PORT))
c.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n'); c.recv(1)",
        );
        assert_eq!(ran.code, Some(0), "{}", ran.log);
        let carried = servers[*server].next().tokens().len() == 1;
        assert_eq!(carried, said, "{destination} with {rules:?}");
    }
}
