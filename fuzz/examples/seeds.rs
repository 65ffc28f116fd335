//! Writes fuzz/seeds: inputs from which the targets start, made of real tokens and the forms they travel in.
//! The same every time. What a fuzz run finds is kept beside them under a name that says what it was.
//!
//! usage: cargo run --manifest-path fuzz/Cargo.toml --example seeds

use procgate_fuzz::{NOW, claims, hello, key, p256};
use procgate_identity::carrier::{Carrier, alpn, header, proxy_v2};
use procgate_identity::{Claims, Digest, Labels};
use procgate_policy::{Mode, Reason, Record};
use std::fs;
use std::path::Path;

fn main() {
    let token = key().sign_token(&claims()).unwrap();
    let sparse = Claims { code: None, stray: None, script: None, labels: Labels::default(), ..claims() };
    let small = key().sign_token(&sparse).unwrap();
    write("token", "ed25519", token.as_bytes());
    write("token", "es256", p256().sign_token(&claims()).unwrap().as_bytes());
    write("token", "sparse", small.as_bytes());
    for (name, token) in [("full", &token), ("sparse", &small)] {
        write("claims", name, &parts(token).join(&b'\n'));
    }
    names();
    write("header", "one", token.as_bytes());
    write("header", "two", [&*token, "\u{1e}", &token].concat().as_bytes());
    write("header", "joined", format!("{token}, {token}").as_bytes());
    let tlv = proxy_v2::encode(&token).unwrap();
    write("preface", "one", &tlv);
    write("preface", "among_others", &[&[4, 0, 2, 9, 9][..], &tlv, &[0xeb, 0, 0]].concat());
    write("preface", "two", &tlv.repeat(2));
    write("preface", "cut", &tlv[..tlv.len() - 1]);
    protocols(&token);
    streams();
    begun();
    policies();
    write("record", "full", record().to_json().as_bytes());
    write("record", "sparse", br#"{"v":1,"time":"2027-01-15T08:00:00.000000000Z","id":"1","mode":"audit","decision":"deny","reason":"no-identity","direction":"inbound"}"#);
}

/// The header and the payload of a token.
fn parts(token: &str) -> Vec<Vec<u8>> {
    use base64::Engine as _;
    let part = |part| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
    token.split('.').take(2).map(part).collect()
}

fn names() {
    let digest = Digest::of(b"checkout");
    write("names", "digest", digest.to_string().as_bytes());
    write("names", "subject", claims().subject.as_str().as_bytes());
    write("names", "scope", procgate_fuzz::SCOPE.as_bytes());
    write("names", "domain", b"shop.example");
    write("names", "code_list", format!("# files\n{digest}  /app/checkout\n").as_bytes());
    for (name, key) in [("ed25519", key()), ("es256", p256())] {
        write("names", &format!("{name}_public"), key.public().unwrap().to_jwk().as_bytes());
        write("names", &format!("{name}_private"), key.to_private_jwk().unwrap().as_bytes());
    }
}

fn protocols(token: &str) {
    let real = [b"h2".to_vec(), b"http/1.1".to_vec()];
    let ours = alpn::encode(token);
    let both = [&real[..], &ours].concat();
    write("alpn", "real_and_ours", &hello::list(&both));
    write("alpn", "repeated", &hello::list(&[&ours[..], &ours].concat()));
    write("alpn", "one_missing", &hello::list(&ours[1..]));
    write("alpn", "none", &hello::list(&real));
    write("alpn", "an_empty_part_was_none", &hello::list(&[b"procgate/0/"]));
    let (with, without) = (hello::message(Some("pay.example"), &both), hello::message(None, &[] as &[&[u8]]));
    write("client_hello", "with_a_token", &with);
    write("client_hello", "with_protocols", &hello::message(Some("pay.example"), &real));
    write("client_hello", "bare", &without);
    let ends = (claims().source, claims().source);
    let preface = proxy_v2::preface(ends.0, ends.1, token).unwrap();
    let opening = |name: &str, parts: &[&[u8]]| {
        write("opening", name, &[&PIECES[..], &parts.concat()].concat());
    };
    opening("one_record", &[&hello::records(&with, 16_384)]);
    opening("records_of_100", &[&hello::records(&with, 100), b"more"]);
    opening("preface_and_hello", &[&preface, &hello::records(&without, 7)]);
    opening("preface_and_http", &[&preface, b"GET / HTTP/1.1\r\n"]);
    opening("two_prefaces", &[&preface, &preface]);
    opening("sslv2", &[b"\x80\x2e\x01\x03\x01"]);
}

/// How many pieces a stream arrives in before the rest, and their lengths: streams begin with that.
const PIECES: [u8; 4] = [3, 1, 7, 20];

fn streams() {
    let http1 = |name: &str, stream: &[u8]| write("inject_http1", name, &[&PIECES[..], stream].concat());
    http1("get", b"GET /a?b=c HTTP/1.1\r\nhost: pay.example\r\naccept: */*\r\n\r\n");
    http1("post", b"POST /charge HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbodyGET / HTTP/1.1\r\n\r\n");
    http1("old", b"GET / HTTP/1.0\n\n");
    http1("connect", b"CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n");
    http1("own_identity", b"GET / HTTP/1.1\r\nx-process-identity: mine\r\n\r\n");
    http1("tls", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03");
    http1("redis", b"*1\r\n$4\r\nPING\r\n");
    let http2 = |name: &str, frames: &[Vec<u8>]| {
        write("inject_http2", name, &[&PIECES[..], &frames.concat()].concat());
    };
    let settings = frame(4, 0, 0, &[0, 3, 0, 0, 0, 100]);
    let block = [&[0x82, 0x87, 0x84][..], b"\x41\x0bpay.example"].concat();
    let data = frame(0, 1, 1, b"body");
    http2("one_block", &[settings.clone(), frame(1, 5, 1, &block), data.clone(), frame(1, 5, 3, &block)]);
    let (start, end) = block.split_at(2);
    let padded = [&[2, 0, 0, 0, 0, 9], &*block, &[0, 0]].concat();
    http2("split_block", &[settings.clone(), frame(1, 0, 1, start), frame(9, 4, 1, end), data.clone()]);
    http2("padded", &[settings.clone(), frame(1, 0x2c, 1, &padded)]);
    http2("intruder", &[settings, frame(1, 0, 1, start), data, frame(9, 4, 1, end)]);
    http2("the_start_of_a_frame_was_kept", &[frame(4, 0, 0, &[]), frame(1, 4, 1, b"block")[..5].to_vec()]);
    http2("field", &[frame(1, 4, 1, &header::hpack_field("mine"))]);
}

/// What a program begins with for which the shim begins TLS. The blocks are those of RFC 7541 appendix C.
fn begun() {
    let plain = b"\x82\x86\x84\x41\x0fwww.example.com";
    let compressed = b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";
    let spelled = b"\x82\x86\x84\x10\x0a:authority\x04a:80";
    let padded = [&[2, 0, 0, 0, 0, 9], &plain[..], &[0, 0]].concat();
    let settings = frame(4, 0, 0, &[0, 3, 0, 0, 0, 100]);
    for (name, flags, block) in [
        ("plain", 4, &plain[..]),
        ("compressed", 4, compressed),
        ("spelled_out", 5, spelled),
        ("padded", 0x2c, &padded),
    ] {
        let frames = [&settings[..], &frame(1, flags, 1, block), b"more"].concat();
        write("authority", name, &frames);
        write("spoken", name, &[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &*frames].concat());
    }
    write("spoken", "get", b"GET /a HTTP/1.1\r\naccept: */*\r\nHost: payments:8443\r\n\r\nmore");
    write("spoken", "two_hosts", b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n");
    write("spoken", "old", b"GET / HTTP/1.0\n\n");
    write("spoken", "tls", b"\x16\x03\x01\x00\x05");
    write("spoken", "mail", b"EHLO a\r\n");
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn policies() {
    let exe = Digest::of(b"checkout");
    let jwk = key().public().unwrap().to_jwk();
    let policy = format!(
        r#"{{"version":1,"mode":"enforce","trust":{{"domain":"shop.example","keys":[{{"jwk":{jwk},"scope":"spiffe://shop.example/ns/shop/"}}]}},"processes":[{{"name":"checkout","container":"checkout","namespace":"shop","path":"/usr/bin/checkout","exe":["{exe}"]}}],"destinations":[{{"name":"payments","hosts":["payments.shop.svc.cluster.local","*.pay.example"],"cidrs":["10.4.0.0/16","fd00::/8"],"labels":{{"segment":"pci"}}}}],"rules":[{{"name":"pays","allow":{{"from":{{"process":"checkout"}},"to":{{"destination":"payments","ports":[8080,"9000-9010"],"methods":["POST"],"paths":["/charge/**","/refund/*/void"]}}}}}},{{"name":"same","allow":{{"from":{{"same":"segment"}},"to":{{"same":"segment"}}}}}},{{"name":"open","allow":{{"from":{{"unidentified":true}},"to":{{"paths":["/health"]}}}}}},{{"name":"no-admin","deny":{{"to":{{"ports":["15000-15020"]}}}}}}]}}"#
    );
    write("policy_json", "full", policy.as_bytes());
    write("policy_json", "misspelt", policy.replace("destination", "destnation").as_bytes());
    write("policy_yaml", "json", policy.as_bytes());
    write("policy_yaml", "by_hand", yaml(&exe, &jwk).as_bytes());
    for (name, line) in [
        ("allowed", "10.4.0.7:8080\na.pay.example\nPOST\n/charge/1"),
        ("dots", "10.4.0.7:8080\nPAY.example.:80\nPOST\n/charge/%2e%2e/admin"),
        ("denied", "[::ffff:10.4.0.7]:15000\n[fd00::1]:80\nGET\n/"),
        ("health", "\n\nGET\n/health?x=y"),
    ] {
        write("judge", name, format!("{line}\n{policy}").as_bytes());
    }
}

fn yaml(exe: &Digest, jwk: &str) -> String {
    format!(
        r#"# as people write it
version: 1
mode: audit
trust:
  domain: shop.example
  keys:
    - jwk: {jwk}
      scope: spiffe://shop.example/ns/shop/
processes:
  - name: checkout
    exe: &exe [{exe}]
  - {{name: again, exe: *exe}}
destinations:
  - name: payments
    hosts: ["*.pay.example"]
    labels: {{segment: pci, "on": "yes"}}
rules:
  - name: pays
    allow:
      from: {{process: checkout}}
      to: {{destination: payments, ports: [8080, 9000-9010], methods: [POST], paths: [/charge/**]}}
"#
    )
}

fn record() -> Record<'static> {
    let claims = claims();
    Record {
        time: NOW,
        id: "7f".into(),
        mode: Mode::Enforce,
        reason: Reason::CodeChanged,
        detail: Some("seen \u{202e}".into()),
        direction: procgate_policy::Direction::Outbound,
        carrier: Some(Carrier::ProxyV2),
        subject: Some(claims.subject.as_str().to_owned().into()),
        process: Some("checkout".into()),
        exe: Some(claims.exe),
        code: claims.code,
        stray: claims.stray.map(|stray| (stray.path.into(), stray.digest)),
        script: claims.script,
        name: Some(claims.name.into()),
        labels: vec![("segment".into(), "pci".into()), ("tier".into(), "\"web\"\n".into())],
        rule: Some("pays".into()),
        nearest: Some("same".into()),
        host: Some("pay.example".into()),
        address: Some(claims.destination),
        sni: Some("pay.example".into()),
        method: Some("POST".into()),
        path: Some("/charge/\u{1b}[31m".into()),
    }
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
}
