//! What `procgate digest --image` says of an image is what the shim says of its program while that runs.

use procgate_identity::Digest;
use procgate_policy::Reason;
use procgate_tests::pod::{Confinement, Pod, folder};
use procgate_tests::process::succeed;
use procgate_tests::program::{Program, copy_with_its_own_digest, may_load};
use procgate_tests::tools;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

/// An image of a program and all that it may load, as `docker save` writes it: the upper layer has another build of the
/// program and takes away a library. Gives what the command says of it.
fn digests(curl: &Path, folder: &Path) -> Value {
    for layer in ["lower", "upper", "tree"] {
        fs::create_dir_all(folder.join(layer).join("app")).unwrap();
    }
    fs::create_dir(folder.join("lower/lib")).unwrap();
    for file in may_load(&[curl.to_owned()]) {
        fs::copy(&file, folder.join("lower/lib").join(file.file_name().unwrap())).unwrap();
    }
    copy_with_its_own_digest(curl, &folder.join("lower/app/checkout"), "the build before");
    let library = fs::read_dir(folder.join("lower/lib")).unwrap().map(|file| file.unwrap().path());
    let library = library.into_iter().find(|path| path.to_string_lossy().contains("libz")).unwrap();
    copy_with_its_own_digest(&library, &folder.join("lower/app/libgone.so"), "gone");
    copy_with_its_own_digest(curl, &folder.join("upper/app/checkout"), "this build");
    fs::write(folder.join("upper/app/.wh.libgone.so"), "").unwrap();
    for layer in ["lower", "upper"] {
        let archive = format!("{layer}.tar");
        succeed(Command::new("tar").args(["-cf", &archive, "-C", layer, "."]).current_dir(folder));
        succeed(Command::new("tar").args(["-xf", &archive, "-C", "tree"]).current_dir(folder));
    }
    for gone in ["libgone.so", ".wh.libgone.so"] {
        fs::remove_file(folder.join("tree/app").join(gone)).unwrap();
    }
    let manifest = json!([{"Config": "config.json", "Layers": ["lower.tar", "upper.tar"]}]);
    fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
    fs::write(folder.join("config.json"), "{}").unwrap();
    let parts = ["manifest.json", "config.json", "lower.tar", "upper.tar"];
    succeed(Command::new("tar").args(["-cf", "image.tar"]).args(parts).current_dir(folder));
    let line = ["digest", "--image", "image.tar", "--code-list", "code.list", "--output", "json"];
    let said = succeed(Command::new(tools::cli()).args(line).current_dir(folder)).stdout;
    serde_json::from_str(&said).unwrap()
}

#[test]
fn the_digests_of_an_image_are_those_of_its_program_as_it_runs() {
    let Some(curl) = tools::client("curl") else { return };
    let folder = folder();
    let said = digests(&curl, folder.path());
    let parse = |text: &Value| text.as_str().unwrap().parse::<Digest>().unwrap();
    let is_program = |file: &&Value| file["path"].as_str().unwrap().trim_start_matches('/') == "app/checkout";
    let files = said["files"].as_array().unwrap();
    let exe = parse(&files.iter().find(is_program).unwrap()["digest"]);
    let [tree, gone, code_list] =
        ["tree", "lower/app/libgone.so", "code.list"].map(|name| folder.path().join(name));
    let program = Program {
        name: "checkout".into(),
        path: tree.join("app/checkout"),
        exe,
        code_list,
        code: parse(&said["code"]),
    };
    let pod = Pod::start(folder, &[&program]);
    let get = |preloaded: Option<&Path>| {
        let mut command = pod.shim(&program, Confinement::best(), &[pod.envoy.address()]);
        command.arg(&program.path).args(["-sS", "-o", "/dev/null", "-w", "%{http_code}"]);
        command.arg(format!("http://{}/charge/1", pod.envoy.address()));
        command
            .env("LD_LIBRARY_PATH", tree.join("lib"))
            .envs(preloaded.map(|library| ("LD_PRELOAD", library)));
        succeed(&mut command).stdout
    };
    assert_eq!(get(None), "200");
    let allowed = pod.envoy.record("the permission", |record| record.reason == Reason::Allowed);
    assert_eq!((allowed.exe, allowed.code, allowed.stray), (Some(exe), Some(program.code), None));
    // What the image does not show any more is not on its list.
    assert_eq!(get(Some(&gone)), "403");
    let denied = pod.envoy.record("the denial", |record| record.reason == Reason::CodeChanged);
    assert_eq!(denied.stray.unwrap().0, gone.to_string_lossy());
}
