//! Policies and connections, drawn from small universes, so that rules overlap, labels meet, ranges
//! share ports and paths hide dots. The same seed draws the same.
#![allow(clippy::unwrap_used, clippy::as_conversions, reason = "only tests use it")]

use procgate_identity::{
    Binding, Claims, Digest, KeyId, Labels, Lifetime, Serial, SigningKey, Subject, TOKEN_LIFE_SECONDS,
    TrustedKeys, UnixNanos, UnverifiedToken, VerifiedIdentity,
};
use procgate_policy::{
    Destination, Effect, Http, Mode, RawDestination, RawFrom, RawJwk, RawKey, RawLint, RawPolicy, RawPort,
    RawProcess, RawRule, RawSelector, RawTo, RawTrust,
};
use std::net::SocketAddr;

/// How many different identities connect.
pub const IDENTITIES: usize = 400;
const NOW: UnixNanos = UnixNanos(1_800_000_000_000_000_000);

/// splitmix64: a stream of numbers from a seed.
#[derive(Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below this one.
    pub fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    /// True in so many of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    pub fn pick<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len() as u64) as usize]
    }

    /// Something in so many of a hundred cases.
    pub fn maybe<T>(&mut self, percent: u64, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.chance(percent).then(|| make(self))
    }

    /// One to `most` different ones of these.
    pub fn some<'a>(&mut self, all: &[&'a str], most: u64) -> Vec<&'a str> {
        let mut picked: Vec<&str> = (0..=self.below(most)).map(|_| self.pick(all)).collect();
        picked.sort_unstable();
        picked.dedup();
        picked
    }
}

const EXES: &[&str] = &["e0", "e1", "e2", "e3"];
const CODES: &[&str] = &["c0", "c1"];
const SCRIPTS: &[&str] = &["s0", "s1"];
const CONTAINERS: &[&str] = &["app", "side"];
const NAMESPACES: &[&str] = &["shop", "lab"];
const ACCOUNTS: &[&str] = &["one", "two"];
const PATHS: &[&str] = &["/bin/a", "/bin/b", "/bin/c"];
const LABELS: &[&str] = &["seg", "tier", "env"];
const VALUES: &[&str] = &["x", "y", "z"];
const HOST_PATTERNS: &[&str] =
    &["a.ex", "*.ex", "*.a.ex", "b.a.ex", "B.A.ex.", "*", "10.0.0.1", "[fd00::1]", "*.0.1", "c.ex", "ex"];
const HOSTS: &[&str] = &[
    "a.ex",
    "A.EX:80",
    "b.a.ex",
    "x.b.a.ex.",
    "c.ex",
    "ex",
    "aex",
    "10.0.0.1",
    "10.0.0.1:80",
    "[fd00::1]:80",
    "fd00::1",
    "[FD00:0::1]",
    "[::ffff:10.0.0.1]",
    "a..ex",
    "u@a.ex",
    "a.ex:x",
    "x.0.1",
    "10.0.0.01",
    "",
    ".",
    "b.a.ex:",
    "a.ex.:1",
];
const RANGES: &[&str] = &[
    "10.0.0.0/8",
    "10.0.0.0/24",
    "10.0.0.1/32",
    "10.0.0.1",
    "0.0.0.0/0",
    "::/0",
    "fd00::/8",
    "fd00::1/128",
    "10.128.0.0/9",
];
const ADDRESSES: &[&str] = &[
    "10.0.0.1",
    "10.0.0.2",
    "10.200.0.1",
    "192.0.2.1",
    "fd00::1",
    "fd00::2",
    "2001:db8::1",
    "::ffff:10.0.0.1",
];
const PORTS: &[u16] = &[1, 79, 80, 81, 443, 8_080, 8_081, 15_000, 15_020, 15_021, 65_535];
const PORT_RANGES: &[&str] =
    &["1-65535", "80-81", "80-80", "8000-8099", "15000-15020", "79-443", "1-1024", "60000-65535"];
const METHODS: &[&str] = &["GET", "POST", "PUT", "get"];
const PATH_PATTERNS: &[&str] = &[
    "/",
    "/**",
    "/a",
    "/a/",
    "/a/**",
    "/a/*",
    "/*/b",
    "/a/b",
    "/*",
    "/a/*/c/**",
    "/%61/b%20c",
    "/caf%c3%A9/**",
    "/a/b/*/**",
    DEEP,
    DEEPER_OPEN,
];
const REQUEST_PATHS: &[&str] = &[
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/a/b/c",
    "/a?x=/..",
    "/%61",
    "/a/%2e%2e/b",
    "/a//b",
    "/a%2fb",
    "/a/b%20c",
    "/caf%C3%A9/x",
    "/caf%c3%a9",
    "/b",
    "/b/b",
    "/a/x/c",
    "/a/x/c/d",
    "/A",
    "/a/./b",
    "/a/..;/b",
    "",
    "*",
    "/a\\b",
    "/a%",
    "/a/b/#c",
    "/caf\u{e9}",
    DEEP,
    DEEPER,
];
/// As many segments as a pattern can have.
const DEEP: &str = "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a";
const DEEPER: &str = "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a";
const DEEPER_OPEN: &str = "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/**";
const NAMES: u64 = 5;

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn digests(texts: Vec<&str>) -> Vec<Digest> {
    texts.into_iter().map(digest).collect()
}

fn labels(dice: &mut Dice, most: u64) -> Vec<(String, String)> {
    let names = dice.some(LABELS, most);
    names.into_iter().map(|name| (name.to_string(), dice.pick(VALUES).to_string())).collect()
}

fn names(kind: &str, count: u64) -> Vec<String> {
    (0..count).map(|index| format!("{kind}{index}")).collect()
}

/// A process of this name.
#[must_use]
pub fn process(dice: &mut Dice, name: String) -> RawProcess {
    RawProcess {
        name,
        container: dice.maybe(35, |dice| dice.pick(CONTAINERS).into()),
        namespace: dice.maybe(12, |dice| dice.pick(NAMESPACES).into()),
        service_account: dice.maybe(12, |dice| dice.pick(ACCOUNTS).into()),
        exe: digests(dice.some(EXES, 4)),
        code: dice.maybe(15, |dice| digests(dice.some(CODES, 2))).unwrap_or_default(),
        script: dice.maybe(10, |dice| digests(dice.some(SCRIPTS, 2))).unwrap_or_default(),
        path: dice.maybe(50, |dice| dice.pick(PATHS).into()),
    }
}

/// A destination of this name.
#[must_use]
pub fn destination(dice: &mut Dice, name: String) -> RawDestination {
    let owned = |texts: Vec<&str>| texts.into_iter().map(String::from).collect::<Vec<_>>();
    let hosts = dice.chance(70);
    RawDestination {
        name,
        hosts: if hosts { owned(dice.some(HOST_PATTERNS, 3)) } else { Vec::new() },
        cidrs: if !hosts || dice.chance(40) { owned(dice.some(RANGES, 3)) } else { Vec::new() },
        labels: dice.maybe(60, |dice| labels(dice, 3)).unwrap_or_default(),
    }
}

fn selector(dice: &mut Dice, names: &[String], same: Option<String>) -> RawSelector {
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let most = if names.len() > 20 && dice.chance(50) { names.len() as u64 * 2 } else { 3 };
    RawSelector {
        names: dice
            .maybe(50, |dice| dice.some(&all, most))
            .unwrap_or_default()
            .into_iter()
            .map(String::from)
            .collect(),
        labels: dice.maybe(25, |dice| labels(dice, 2)).unwrap_or_default(),
        same,
    }
}

/// A rule of this name about these processes and destinations.
#[must_use]
pub fn rule(dice: &mut Dice, name: String, processes: &[String], destinations: &[String]) -> RawRule {
    let effect = if dice.chance(25) { Effect::Deny } else { Effect::Allow };
    let same = dice.maybe(20, |dice| dice.pick(LABELS).to_string());
    let from = if same.is_none() && dice.chance(10) {
        Some(RawFrom::Unidentified)
    } else {
        Some(selector(dice, processes, same.clone()))
            .filter(|from| *from != RawSelector::default())
            .map(RawFrom::Selected)
    };
    let ports = dice.maybe(35, |dice| {
        (0..=dice.below(3))
            .map(|_| match dice.chance(50) {
                true => RawPort::One(PORTS[dice.below(PORTS.len() as u64) as usize]),
                false => RawPort::Range(dice.pick(PORT_RANGES).into()),
            })
            .collect()
    });
    let owned = |texts: Vec<&str>| texts.into_iter().map(String::from).collect();
    let to = RawTo {
        selector: selector(dice, destinations, same),
        ports: ports.unwrap_or_default(),
        methods: dice.maybe(25, |dice| owned(dice.some(METHODS, 3))).unwrap_or_default(),
        paths: dice.maybe(35, |dice| owned(dice.some(PATH_PATTERNS, 4))).unwrap_or_default(),
    };
    RawRule { name, effect, from, to: Some(to).filter(|to| *to != RawTo::default()), description: None }
}

/// One policy in fifty is large enough that its lists do not fit multiplied out.
#[must_use]
pub fn policy(dice: &mut Dice, trust: &RawTrust) -> RawPolicy {
    let large = dice.chance(2);
    let count = |dice: &mut Dice| if large { 90 } else { 1 + dice.below(NAMES) };
    let processes = names("p", count(dice));
    let destinations = names("d", count(dice));
    let rules = names("r", dice.below(14));
    RawPolicy {
        mode: if dice.chance(10) { Mode::Audit } else { Mode::Enforce },
        forward: false,
        trust: trust.clone(),
        processes: processes.iter().map(|name| process(dice, name.clone())).collect(),
        destinations: destinations.iter().map(|name| destination(dice, name.clone())).collect(),
        rules: rules.into_iter().map(|name| rule(dice, name, &processes, &destinations)).collect(),
        lint: RawLint::default(),
    }
}

/// A policy of so many rules, each of them with the same kind of condition, that they are only found by
/// what tells them apart.
#[must_use]
pub fn crowd(dice: &mut Dice, trust: &RawTrust) -> RawPolicy {
    let mut crowd = policy(dice, trust);
    let processes = names("p", crowd.processes.len() as u64);
    let destinations = names("d", crowd.destinations.len() as u64);
    let kind = dice.below(5);
    for name in names("c", 10 + dice.below(30)) {
        let mut rule = rule(dice, name, &processes, &destinations);
        let mut to = rule.to.take().unwrap_or_default();
        let owned = |texts: Vec<&str>| texts.into_iter().map(String::from).collect();
        match kind {
            0 => to.paths = owned(dice.some(PATH_PATTERNS, 2)),
            1 => to.ports = vec![RawPort::One(PORTS[dice.below(PORTS.len() as u64) as usize])],
            2 => to.ports = vec![RawPort::Range(dice.pick(PORT_RANGES).into())],
            3 => to.methods = owned(dice.some(METHODS, 2)),
            _ => {
                let labels = labels(dice, 2);
                rule.from = Some(RawFrom::Selected(RawSelector { labels, ..RawSelector::default() }));
                to.selector.same = None;
            }
        }
        rule.to = Some(to).filter(|to| *to != RawTo::default());
        crowd.rules.push(rule);
    }
    crowd
}

/// The claims of an identity.
#[must_use]
pub fn claims(dice: &mut Dice) -> Claims {
    let domain = "shop.example".parse().unwrap();
    let container = dice.pick(CONTAINERS);
    let subject = match dice.chance(10) {
        true => Subject::on_host(&domain, "node-1", container),
        false => Subject::in_pod(&domain, dice.pick(NAMESPACES), dice.pick(ACCOUNTS), container),
    };
    let labels = dice.maybe(80, |dice| labels(dice, 3)).unwrap_or_default();
    Claims {
        subject: subject.unwrap(),
        lifetime: Lifetime::starting(NOW, TOKEN_LIFE_SECONDS),
        serial: Serial(NOW.0),
        exe: match dice.chance(5) {
            true => digest("unknown"),
            false => digest(dice.pick(EXES)),
        },
        code: dice.maybe(70, |dice| digest(dice.pick(CODES))),
        stray: None,
        script: dice.maybe(50, |dice| digest(dice.pick(SCRIPTS))),
        name: dice.pick(PATHS).into(),
        labels: Labels::from_pairs(labels).unwrap(),
        source: "10.9.9.9:40000".parse().unwrap(),
        destination: "10.0.0.1:80".parse().unwrap(),
    }
}

/// Identities as real ones come about: minted and verified.
#[must_use]
pub fn identities(dice: &mut Dice, key: &SigningKey) -> Vec<VerifiedIdentity> {
    let mut trusted = TrustedKeys::new("shop.example".parse().unwrap());
    trusted.add(key.public().unwrap(), "spiffe://shop.example/".parse().unwrap()).unwrap();
    (0..IDENTITIES)
        .map(|_| {
            let token = key.sign_token(&claims(dice)).unwrap();
            let token = UnverifiedToken::parse(token.as_bytes()).unwrap();
            token.verify(&trusted, NOW, Binding::Unbound).unwrap()
        })
        .collect()
}

/// A destination with a request, or without.
#[must_use]
pub fn connection(dice: &mut Dice) -> Destination<'static> {
    Destination {
        host: dice.maybe(75, |dice| dice.pick(HOSTS)),
        address: dice.maybe(75, |dice| {
            SocketAddr::new(
                dice.pick(ADDRESSES).parse().unwrap(),
                PORTS[dice.below(PORTS.len() as u64) as usize],
            )
        }),
        http: dice.maybe(70, |dice| Http { method: dice.pick(METHODS), path: dice.pick(REQUEST_PATHS) }),
    }
}

/// The key that all of them are signed with.
#[must_use]
pub fn key() -> SigningKey {
    SigningKey::from_seed(KeyId::new("2026-11").unwrap(), &zeroize::Zeroizing::new([7; 32]))
}

/// Trust in [`key`].
#[must_use]
pub fn trust() -> RawTrust {
    RawTrust {
        domain: "shop.example".into(),
        keys: vec![RawKey {
            jwk: RawJwk { kid: "2026-11".into(), x: key().public().unwrap().jwk().x, y: None },
            scope: "spiffe://shop.example/".into(),
        }],
    }
}
