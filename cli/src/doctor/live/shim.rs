//! A running shim, and whether the proxy knows the tokens that it mints.

use crate::doctor::checks::Checks;
use crate::escape::path_text;
use crate::failure::Problem;
use crate::files;
use procgate_identity::{PublicKey, SigningKey, Subject, TrustDomain};
use procgate_policy::Policy;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What of its command line and environment says who it is.
#[derive(Debug)]
pub(in crate::doctor) struct Shim {
    place: String,
    subject: Subject,
    carrier: String,
    key: Result<PublicKey, String>,
}

impl Shim {
    /// Looks at the process with this id.
    pub(in crate::doctor) fn find(pid: u32) -> Result<Self, Problem> {
        let place = format!("shim {pid}");
        let proc = PathBuf::from(format!("/proc/{pid}"));
        let problem = |what: &str| {
            Problem::new(what)
                .at(&place)
                .next("name the process id of a `procgate-shim run`, as its user or root")
        };
        let line = fs::read(proc.join("cmdline")).map_err(|_| problem("there is no such process"))?;
        let options = Options::read(&line, &fs::read(proc.join("environ")).unwrap_or_default())
            .ok_or_else(|| problem("this is no procgate-shim that runs a program"))?;
        let subject = options.subject().ok_or_else(|| problem("its command line does not say who it is"))?;
        let carrier = options.get("carrier").unwrap_or("header").to_owned();
        let key = options.get("key").ok_or("its command line names no key").map_err(String::from);
        let key =
            key.and_then(|key| public_key(&proc, Path::new(key)).map_err(|problem| problem.to_string()));
        Ok(Self { place, subject, carrier, key })
    }

    /// Holds it against a policy that proxies have, and against what they listen for.
    pub(in crate::doctor) fn check(&self, policy: &Policy, reads_prefaces: bool, checks: &mut Checks) {
        self.check_scope(policy, checks);
        let brings_preface = self.carrier == "proxy-v2";
        if brings_preface && !reads_prefaces {
            checks.error(
                "carrier",
                &self.place,
                "it begins connections with a preface, and no listener takes prefaces off: servers would get them",
                "add proxy_protocol to the listeners (envoy-config/tcp.yaml), or use --carrier header",
            );
        } else {
            checks.ok(
                "carrier",
                &self.place,
                format!("listeners take tokens by the carrier {}", self.carrier),
            );
        }
    }

    fn check_scope(&self, policy: &Policy, checks: &mut Checks) {
        const ID: &str = "key-scope";
        let keys = policy.model().keys();
        let covers = |key: &&procgate_policy::Key| key.scope.covers(&self.subject);
        let subject = &self.subject;
        match &self.key {
            Ok(own) => match keys.iter().find(|key| key.key == *own) {
                Some(key) if covers(&key) => {
                    checks.ok(ID, &self.place, format!("the policy trusts its key for {subject}"));
                }
                Some(key) => checks.error(
                    ID,
                    &self.place,
                    format!("it speaks for {subject}, and its key may sign for {} only", key.scope),
                    "give it a key of its own, or widen the key's scope in trust.keys",
                ),
                None => checks.error(
                    ID,
                    &self.place,
                    format!("the policy does not have its key {}", own.id().as_str()),
                    "add the public key to trust.keys, or give the shim one of these",
                ),
            },
            Err(why) if keys.iter().any(|key| covers(&key)) => checks.warn(
                ID,
                &self.place,
                format!("the policy has a key for {subject}; whether it is this shim's was not seen ({why})"),
                "run this as root, where the shim's key file is",
            ),
            Err(_) => checks.error(
                ID,
                &self.place,
                format!("the policy has no key that may sign for {subject}"),
                "add the shim's public key to trust.keys, with this scope",
            ),
        }
    }
}

/// The public half of the key in the shim's own file system. The private half is forgotten at once.
fn public_key(proc: &Path, key: &Path) -> Result<PublicKey, Problem> {
    let place = if key.is_absolute() {
        proc.join("root").join(key.strip_prefix("/").unwrap_or(key))
    } else {
        proc.join("cwd").join(key)
    };
    let key = SigningKey::from_jwk(&files::read_key(&place)?);
    let problem = |error| Problem::new(error).at(path_text(&place));
    key.and_then(|key| key.public()).map_err(problem)
}

/// The options that a shim was started with: on its command line or, where they are not there, in its
/// environment.
#[derive(Debug)]
struct Options(BTreeMap<String, String>);

impl Options {
    fn read(line: &[u8], environment: &[u8]) -> Option<Self> {
        let words = |bytes: &[u8]| -> Vec<String> {
            bytes.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
        };
        let line = words(line);
        let mut rest = line.iter().skip(1).take_while(|word| *word != "--");
        if rest.next()? != "run" {
            return None;
        }
        let mut options = BTreeMap::new();
        for variable in words(environment) {
            if let Some((name, value)) =
                variable.strip_prefix("PROCGATE_").and_then(|pair| pair.split_once('='))
            {
                options.insert(name.to_lowercase().replace('_', "-"), value.to_owned());
            }
        }
        while let Some(word) = rest.next() {
            let Some(option) = word.strip_prefix("--") else { continue };
            match option.split_once('=') {
                Some((name, value)) => drop(options.insert(name.into(), value.into())),
                None if option != "strict" => {
                    options.insert(option.into(), rest.next().cloned().unwrap_or_default());
                }
                None => {}
            }
        }
        Some(Self(options))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn subject(&self) -> Option<Subject> {
        let domain: TrustDomain = self.get("trust-domain")?.parse().ok()?;
        let container = self.get("container")?;
        let subject = match (self.get("namespace"), self.get("service-account"), self.get("host")) {
            (Some(namespace), Some(account), _) => Subject::in_pod(&domain, namespace, account, container),
            (_, _, host) => Subject::on_host(&domain, host?, container),
        };
        subject.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str, environment: &str) -> Option<Options> {
        let zeroed = |text: &str| text.replace(' ', "\0").into_bytes();
        Options::read(&zeroed(line), &zeroed(environment))
    }

    #[test]
    fn a_command_line_is_read_up_to_the_program_and_wins_over_the_environment() {
        let line = "/shim run --trust-domain shop.example --namespace=shop --strict --service-account pay -- x --container y";
        let options = read(line, "PROCGATE_CONTAINER=app PROCGATE_NAMESPACE=other HOME=/").unwrap();
        let subject = options.subject().unwrap();
        assert_eq!(subject.as_str(), "spiffe://shop.example/ns/shop/sa/pay/container/app");
    }

    #[test]
    fn what_is_no_shim_that_runs_something_is_none() {
        for line in ["", "sleep", "sleep infinity", "/shim check --dst 1.2.3.4"] {
            assert!(read(line, "").is_none(), "{line}");
        }
        assert!(read("/shim run --host h", "").unwrap().subject().is_none());
    }
}
