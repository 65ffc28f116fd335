//! The head of a request: what it asks for, and what the plugin needs of its fields.

use procgate_identity::carrier::header;
use procgate_policy::Http;
use std::borrow::Cow;

/// What one pass over a request's fields finds. Text is as it came: Envoy passes no field that is not
/// ASCII but the path, where whatever replaces such bytes is as unclear as they were.
#[derive(Debug, Default)]
pub(crate) struct Head<'a> {
    pub(crate) authority: Cow<'a, str>,
    pub(crate) method: Cow<'a, str>,
    pub(crate) path: Cow<'a, str>,
    /// The values of the identity's field.
    pub(crate) identities: Vec<&'a [u8]>,
    /// Whether it says on whose behalf it comes, as a client may.
    pub(crate) is_forwarded: bool,
    pub(crate) is_grpc: bool,
    #[cfg(feature = "crash-for-tests")]
    pub(crate) crash: bool,
}

impl<'a> Head<'a> {
    /// The head with these fields.
    pub(crate) fn of(fields: &[(&'a [u8], &'a [u8])]) -> Self {
        let mut head = Self::default();
        for (name, value) in fields {
            match *name {
                b":authority" => head.authority = String::from_utf8_lossy(value),
                b":method" => head.method = String::from_utf8_lossy(value),
                b":path" => head.path = String::from_utf8_lossy(value),
                b"x-forwarded-for" => head.is_forwarded = true,
                b"content-type" => head.is_grpc = is_grpc(value),
                #[cfg(feature = "crash-for-tests")]
                b"x-procgate-crash" => head.crash = true,
                name if name == header::NAME.as_bytes() => head.identities.push(value),
                _ => {}
            }
        }
        head
    }

    /// What it asks for, in the policy's terms.
    pub(crate) fn http(&self) -> Http<'_> {
        Http { method: &self.method, path: &self.path }
    }
}

fn is_grpc(content_type: &[u8]) -> bool {
    let kind = content_type.strip_prefix(b"application/grpc");
    kind.is_some_and(|rest| matches!(rest, [] | [b'+' | b';', ..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_the_identity_s_field_is_found() {
        let name = header::NAME.as_bytes();
        let head = Head::of(&[(name, b"a"), (b":path", b"/x"), (name, b"b"), (b":authority", b"h")]);
        assert_eq!(head.identities, [b"a", b"b"]);
        assert_eq!((&*head.path, &*head.authority, &*head.method), ("/x", "h", ""));
        assert!(!head.is_forwarded && !head.is_grpc);
    }

    #[test]
    fn grpc_is_told_by_its_content_type() {
        for (content_type, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;x=y", true),
            ("application/grpc-web", false),
            ("application/json", false),
            ("", false),
        ] {
            let head = Head::of(&[(b"content-type", content_type.as_bytes())]);
            assert_eq!(head.is_grpc, expected, "{content_type}");
        }
    }
}
