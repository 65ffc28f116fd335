//! What peers may send: nothing of it passes that should not, and nothing of it harms the plugin.

use procgate_identity::carrier::header::hpack_field;
use procgate_tests::proxy::{Proxy, exe};
use procgate_tests::tokens;
use procgate_tests::wire::{Answer, Connection, HOST, Http2, frames, get, token_line};

/// How, the lines instead of a good token's, and the reason that the answer gives. Envoy itself turns
/// down what is not HTTP, without a reason of ours.
type Spoiled<T = Vec<u8>> = (&'static str, fn(&str) -> T, Option<&'static str>);

const SPOILED: [Spoiled; 20] = [
    ("twice", |token| token_line(token).repeat(2).into(), Some("ambiguous-identity")),
    (
        "twice in different case",
        |token| format!("X-Process-Identity: {token}\r\n{}", token_line(token)).into(),
        Some("ambiguous-identity"),
    ),
    (
        "twice with others between",
        |token| format!("{}a: b\r\nx-process-identity: other\r\n", token_line(token)).into(),
        Some("ambiguous-identity"),
    ),
    ("joined by a comma", |token| token_line(&format!("{token},{token}")).into(), Some("ambiguous-identity")),
    (
        "and an empty one",
        |token| format!("{}x-process-identity:\r\n", token_line(token)).into(),
        Some("ambiguous-identity"),
    ),
    ("empty", |_| token_line("").into(), Some("malformed-identity")),
    ("with a scheme", |token| token_line(&format!("Bearer {token}")).into(), Some("malformed-identity")),
    ("padded", |token| token_line(&format!("{token}=")).into(), Some("malformed-identity")),
    ("with a part too many", |token| token_line(&format!("{token}.e30")).into(), Some("malformed-identity")),
    (
        "cut",
        |token| token_line(token.trim_end_matches(char::is_alphanumeric)).into(),
        Some("malformed-identity"),
    ),
    ("not UTF-8", |_| b"x-process-identity: \xff\xfe\xfd\r\n".into(), Some("malformed-identity")),
    ("5 kB", |token| token_line(&token.repeat(10)).into(), Some("identity-too-large")),
    ("50 kB", |_| token_line(&"a".repeat(50_000)).into(), Some("identity-too-large")),
    ("100 kB", |_| token_line(&"a".repeat(100_000)).into(), None),
    ("with a NUL", |token| token_line(&format!("{token}\0")).into(), None),
    ("with a bare CR", |token| token_line(&token.replacen('.', "\r", 1)).into(), Some("malformed-identity")),
    ("with a bare LF", |token| token_line(&token.replacen('.', "\n", 1)).into(), None),
    ("with the end of a line", |token| token_line(&token.replacen('.', "\r\n", 1)).into(), None),
    (
        "folded",
        |token| format!("x-process-identity: {token}\r\n {token}\r\n").into(),
        Some("malformed-identity"),
    ),
    (
        // RFC 9110 section 7.6.1: a proxy takes out what `connection` names, before any filter sees it.
        "named as hop-by-hop",
        |token| format!("connection: x-process-identity\r\n{}", token_line(token)).into(),
        Some("no-identity"),
    ),
];

#[test]
fn a_spoiled_header_is_refused_by_its_own_name_and_harms_nobody() {
    let proxy = Proxy::start();
    for (how, spoil, reason) in SPOILED {
        let mut connection = Connection::open(proxy.envoy.address());
        let token = proxy.key.mint(&proxy.claims(&connection));
        let lines = spoil(&token);
        let head = b"GET /charge/1 HTTP/1.1\r\nhost: payments.shop.example\r\n";
        connection.send([&head[..], &lines, b"\r\n"].concat());
        let answer = connection.read();
        let (status, found) = answer.as_ref().map_or((0, None), |answer| (answer.status, answer.reason()));
        assert_eq!(found.as_deref(), reason, "{how}: {status}");
        assert_ne!(status, 200, "{how}");
    }
    assert_eq!(proxy.upstream.requests(), 0);
    assert_eq!(proxy.approved("/charge/1").status, 200);
    assert_unharmed(&proxy);
}

/// As frames, since no library writes such fields.
#[test]
fn a_spoiled_header_over_http2_is_refused_by_its_own_name_and_harms_nobody() {
    let spoiled: [Spoiled<String>; 7] = [
        ("empty", |_| String::new(), Some("malformed-identity")),
        ("padded", |token| format!("{token}="), Some("malformed-identity")),
        ("with a NUL", |token| format!("{token}\0"), None),
        ("with a CR", |token| format!("{token}\r"), None),
        ("with a LF", |token| format!("{token}\n"), None),
        ("with a line of its own", |token| format!("{token}\r\na: b"), None),
        ("50 kB", |_| "a".repeat(50_000), Some("identity-too-large")),
    ];
    let proxy = Proxy::start();
    for (how, spoil, reason) in spoiled {
        let mut connection = Connection::open(proxy.envoy.address());
        let field = hpack_field(&spoil(&proxy.key.mint(&proxy.claims(&connection))));
        let block = [frames::block("/charge/1"), field].concat();
        connection.send([frames::BEGINNING, &frames::request(1, block.chunks(frames::LARGEST))].concat());
        let body = frames::answer(&mut connection);
        let answer = body.map(|body| serde_json::from_slice::<serde_json::Value>(&body).unwrap());
        let found = answer.as_ref().and_then(|answer| answer["reason"].as_str());
        assert_eq!(found, reason, "{how}");
    }
    assert_eq!(proxy.upstream.requests(), 0);
    assert_eq!(proxy.approved("/charge/1").status, 200);
    assert_unharmed(&proxy);
}

#[test]
fn spelling_that_http_leaves_open_is_understood() {
    let proxy = Proxy::start();
    let spellings: [fn(&str) -> String; 3] = [
        |token| format!("X-PROCESS-IDENTITY: {token}\r\n"),
        |token| format!("x-process-identity:{token}\r\n"),
        |token| format!("x-process-identity:  {token} \t\r\n"),
    ];
    for spell in spellings {
        let mut connection = Connection::open(proxy.envoy.address());
        let token = proxy.key.mint(&proxy.claims(&connection));
        let answer = connection.ask(get("/charge/1", &spell(&token)));
        assert_eq!(answer.status, 200, "{}", spell("…"));
        assert!(!answer.text().contains(&token), "it reached the upstream");
    }
}

#[test]
fn a_second_identity_on_a_connection_is_refused_and_the_same_one_is_not() {
    let proxy = Proxy::start();
    let (mut connection, line) = proxy.connect();
    let other = token_line(&proxy.key.mint(&proxy.claims(&connection)));
    assert_eq!(connection.ask(get("/charge/1", &line)).status, 200);
    assert_eq!(connection.ask(get("/charge/2", &line)).status, 200);
    assert_eq!(connection.ask(get("/charge/3", &other)).reason().as_deref(), Some("ambiguous-identity"));
    assert_eq!(connection.ask(get("/charge/4", "")).status, 200);
}

#[test]
fn a_refused_identity_stays_refused_on_its_connection() {
    let proxy = Proxy::start();
    let (mut connection, line) = proxy.connect();
    let forged = token_line("one.two.three");
    for lines in [forged.as_str(), "", &line, ""] {
        assert_eq!(connection.ask(get("/charge/1", lines)).status, 403, "{lines}");
    }
}

#[test]
fn an_identity_belongs_to_its_connection_and_not_to_the_pooled_one_behind_it() {
    let proxy = Proxy::start();
    for _ in 0..20 {
        assert_eq!(proxy.approved("/charge/1").status, 200);
        assert_eq!(proxy.unidentified("/charge/2").reason().as_deref(), Some("no-identity"));
    }
}

#[test]
fn the_path_that_is_judged_is_the_path_that_the_upstream_gets() {
    let proxy = Proxy::start();
    let passes = |path: &str, seen: &str| {
        let answer = proxy.approved(path);
        assert_eq!((answer.status, answer.json()["path"].as_str()), (200, Some(seen)), "{path}");
    };
    passes("/charge/a?next=/refund/1", "/charge/a?next=/refund/1");
    passes("//charge///a", "/charge/a");
    passes("/refund/../charge/a", "/charge/a");
    passes("/charge/%61", "/charge/a");
    for path in ["/charge/../refund/1", "/charge/%2e%2e/refund/1", "/charge/./../refund/1", "/CHARGE/1", "*"]
    {
        assert_ne!(proxy.approved(path).status, 200, "{path}");
    }
    for path in ["/charge/a%2Fb", "/charge/a%5Cb", "/charge/..%2Frefund/1"] {
        assert_eq!(proxy.approved(path).status, 400, "{path}");
    }
}

/// Whichever of several hosts is believed: rules and server believe the same.
#[test]
fn the_host_that_is_judged_is_the_host_that_the_upstream_gets() {
    let proxy = Proxy::start();
    let heads: [(&str, &[&str]); 5] = [
        ("/charge/1", &["payments.shop.example", "admin.shop.example"]),
        ("http://admin.shop.example/charge/1", &["payments.shop.example"]),
        ("http://payments.shop.example/charge/1", &["admin.shop.example"]),
        ("/charge/1", &["payments.shop.example@admin.shop.example"]),
        ("/charge/1", &["admin.shop.example:80#payments.shop.example"]),
    ];
    for (target, hosts) in heads {
        let (mut connection, line) = proxy.connect();
        let hosts: String = hosts.iter().map(|host| format!("host: {host}\r\n")).collect();
        let answer = connection.ask(format!("GET {target} HTTP/1.1\r\n{hosts}{line}\r\n"));
        assert_hosts(&answer);
    }
    let mut connection = Http2::open(proxy.envoy.address());
    let claims = tokens::claims(exe(), None, connection.source(), proxy.envoy.address());
    let token = proxy.key.mint(&claims);
    assert_hosts(
        &connection.get("/charge/1", &[("host", "admin.shop.example"), ("x-process-identity", &token)]),
    );
    assert_eq!(proxy.approved("/charge/1").status, 200);
}

/// Refused, or every host that the upstream sees is the one that the rule allows.
fn assert_hosts(answer: &Answer) {
    if answer.status == 200 {
        let seen = answer.json();
        let hosts = [&seen["authority"], &seen["headers"]["host"][0]];
        assert!(hosts.iter().all(|host| host.is_null() || *host == HOST), "{seen}");
    }
}

#[test]
fn a_request_behind_another_one_is_judged_by_itself() {
    let proxy = Proxy::start();
    let (mut connection, line) = proxy.connect();
    connection.send([get("/charge/1", &line), get("/refund/1", ""), get("/charge/2", "")].concat());
    let statuses: Vec<_> = (0..3).map_while(|_| connection.read()).map(|answer| answer.status).collect();
    // Envoy ends a connection with requests in the pipe when a filter answers one of them.
    assert!(matches!(statuses[..], [200, 403] | [200, 403, 200]), "{statuses:?}");

    let (mut connection, line) = proxy.connect();
    let smuggled = format!("{line}transfer-encoding: chunked\r\n");
    let Answer { status, .. } =
        connection.ask(procgate_tests::wire::request("POST", "/charge/1", &smuggled, "0\r\n\r\n"));
    assert_eq!(status, 400, "two lengths");
}

/// The VM is the one that Envoy started with.
fn assert_unharmed(proxy: &Proxy) {
    let log = proxy.envoy.log();
    assert!(!log.contains("RuntimeError") && !log.contains("panicked"), "{log}");
}
