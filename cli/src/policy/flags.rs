//! A connection as options of `policy explain`.

use crate::process::label_text;
use crate::words::Words;
use procgate_identity::Claims;
use procgate_policy::diff::Connection;

impl From<&Connection> for Words {
    fn from(Connection { claims, host, address, http }: &Connection) -> Self {
        let mut words = Self::default();
        match claims {
            None => words.push("--unidentified"),
            Some(claims) => add_claims(&mut words, claims),
        }
        words.option("--host", host.as_ref());
        words.option("--address", address.as_ref());
        words.option("--method", http.as_ref().map(|(method, _)| method));
        words.option("--path", http.as_ref().map(|(_, path)| path));
        words
    }
}

fn add_claims(words: &mut Words, claims: &Claims) {
    words.option("--exe", Some(claims.exe));
    words.option("--subject", Some(&claims.subject));
    words.option("--code", claims.code);
    words.option("--script", claims.script);
    words.option("--name", Some(&claims.name).filter(|name| !name.is_empty()));
    for (name, value) in claims.labels.iter() {
        words.option("--label", Some(label_text(name, value)));
    }
}
