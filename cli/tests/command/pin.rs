//! `procgate policy pin`.

use crate::place::{Place, Ran};
use crate::policy::shop;
use procgate_identity::Digest;
use serde_json::json;

fn pin(place: &Place, more: &[&str]) -> Ran {
    place.run(&[&["policy", "pin", "policy.yaml", "--digests", "digests.json"][..], more].concat())
}

/// A shop and what `digest` says of a build with these files, each as long as its path.
fn built(paths: &[&str]) -> Place {
    let place = shop("enforce");
    let files =
        paths.iter().map(|path| json!({"digest": Digest::of(path.as_bytes()).to_string(), "path": path}));
    let build = json!({"code": Digest::of(b"code").to_string(), "files": files.collect::<Vec<_>>()});
    place.write("digests.json", build.to_string().as_bytes());
    place
}

#[test]
fn a_digest_is_added_where_it_is_missing_and_all_else_stays_to_the_letter() {
    let place = built(&["bin/sh", "app/checkout"]);
    let before = place.read("policy.yaml").replace("processes:", "# Who\nprocesses: # all of them");
    place.write("policy.yaml", before.as_bytes());
    let (old, new) = (Digest::of(b"checkout"), Digest::of(b"app/checkout"));
    let ran = pin(&place, &[]);
    let expected = before.replace(&format!("[\"{old}\"]"), &format!("[\"{old}\", \"{new}\"]"));
    assert_eq!((ran.code, ran.out.as_str()), (0, expected.as_str()), "{ran:?}");
    assert_eq!(place.read("policy.yaml"), before);
    let ran = pin(&place, &["--out", "policy.yaml"]);
    assert_eq!(ran.out, format!("checkout: exe {new}\n1 digest added, written to policy.yaml\n"));
    assert_eq!(place.read("policy.yaml"), expected);
    let again = pin(&place, &["--out", "policy.yaml"]);
    assert_eq!(again.out, "nothing to add: policy.yaml has all of them\n");
    assert_eq!(place.read("policy.yaml"), expected);
}

#[test]
fn a_code_list_is_pinned_where_one_is_already_and_only_for_the_container_that_is_meant() {
    let place = built(&["/app/checkout"]);
    let other = Digest::of(b"other");
    let pinned = place.read("policy.yaml").replace(
        ", path: /app/checkout}",
        &format!(
            ", code: [{other}], path: /app/checkout}}\n  - {{name: till, container: till, exe: [{other}], path: /app/checkout}}"
        ),
    );
    place.write("policy.yaml", pinned.as_bytes());
    let added = pin(&place, &["--container", "checkout", "--output", "json"]).json()["added"].clone();
    let one = |process: &str, field: &str, digest: &[u8]| json!({"process": process, "field": field, "digest": Digest::of(digest).to_string()});
    let [exe, code] = [one("checkout", "exe", b"/app/checkout"), one("checkout", "code", b"code")];
    assert_eq!(added, json!([exe, code]));
    let added = pin(&place, &["--output", "json"]).json()["added"].clone();
    assert_eq!(added, json!([exe, code, one("till", "exe", b"/app/checkout")]));
}

#[test]
fn that_a_script_s_digest_is_missing_is_said() {
    let place = built(&["/app/checkout"]);
    let script = format!(", script: [{}], path: /app/checkout", Digest::of(b"script"));
    let pinned = place.read("policy.yaml").replace(", path: /app/checkout", &script);
    place.write("policy.yaml", pinned.as_bytes());
    let warning = "checkout pins a script, which `digest` does not tell apart: add its digest by hand";
    assert_eq!(pin(&place, &["--output", "json"]).json()["warnings"], json!([warning]));
    for said in ["1 digest added, written to policy.yaml\n", "nothing added to policy.yaml\n"] {
        let ran = pin(&place, &["--out", "policy.yaml"]);
        assert!(ran.out.ends_with(said), "{ran:?}");
        assert_eq!(ran.err, format!("procgate: warning: {warning}\n"));
    }
}

#[test]
fn what_belongs_to_no_process_and_what_is_no_digest_is_refused() {
    pin(&built(&["/app/till"]), &[]).refused();
    pin(&built(&["/app/checkout"]), &["--container", "till"]).refused();
    let place = built(&["/app/checkout"]);
    let good = place.read("digests.json");
    for bad in ["", "[]", "{}", &good.replace("sha256:", "md5:"), &good.replace("\"path\"", "\"place\"")] {
        place.write("digests.json", bad.as_bytes());
        let ran = pin(&place, &["--out", "policy.yaml"]);
        assert!(ran.refused().starts_with("digests.json: "), "{bad}: {ran:?}");
    }
    assert!(!place.read("policy.yaml").contains("md5"));
}
