//! `procgate digest --image`.

use crate::digest::Sleeper;
use crate::place::{Place, Ran};
use flate2::Compression;
use flate2::write::GzEncoder;
use procgate_identity::{CodeList, Digest};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::Command;
use tar::{Builder, EntryType, Header};

/// A file, folder or link of a layer.
pub(crate) enum Part<'a> {
    File(&'a str, &'a [u8], u32),
    Folder(&'a str),
    Link(&'a str, &'a str),
    Hard(&'a str, &'a str),
}
use Part::{File, Folder, Hard, Link};

fn header(kind: EntryType, mode: u32, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(u64::try_from(size).unwrap());
    header
}

/// A layer, as a tar archive.
pub(crate) fn layer(parts: &[Part<'_>]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for part in parts {
        match part {
            File(path, bytes, mode) => {
                tar.append_data(&mut header(EntryType::Regular, *mode, bytes.len()), path, *bytes).unwrap();
            }
            Folder(path) => {
                tar.append_data(&mut header(EntryType::Directory, 0o755, 0), path, &[][..]).unwrap();
            }
            Link(path, to) => tar.append_link(&mut header(EntryType::Symlink, 0o777, 0), path, to).unwrap(),
            Hard(path, to) => tar.append_link(&mut header(EntryType::Link, 0o755, 0), path, to).unwrap(),
        }
    }
    tar.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// Zstandard in two frames with a note between them, as layers that can be fetched in pieces have it.
fn zstd(bytes: &[u8]) -> Vec<u8> {
    let (one, two) = bytes.split_at(bytes.len() / 2);
    let packed = |part| ruzstd::encoding::compress_to_vec(part, ruzstd::encoding::CompressionLevel::Fastest);
    let note = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], b"note"].concat();
    [packed(one), note, packed(two)].concat()
}

/// An OCI layout in the folder of this name.
pub(crate) struct Layout<'a>(pub(crate) &'a Place, pub(crate) &'a str);

impl Layout<'_> {
    fn blob(&self, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes).to_string();
        self.0.write(format!("{}/blobs/{}", self.1, digest.replace(':', "/")), bytes);
        json!({"mediaType": "application/octet-stream", "digest": digest, "size": bytes.len()})
    }

    /// An image of these layers; its descriptor.
    fn image(&self, layers: &[Vec<u8>], platform: Option<&str>) -> Value {
        self.configured(&json!({}), layers, platform)
    }

    /// The same that is started like this.
    pub(crate) fn configured(&self, config: &Value, layers: &[Vec<u8>], platform: Option<&str>) -> Value {
        let layers: Vec<Value> = layers.iter().map(|layer| self.blob(layer)).collect();
        let config = self.blob(config.to_string().as_bytes());
        let manifest = json!({"schemaVersion": 2, "config": config, "layers": layers}).to_string();
        let mut descriptor = self.blob(manifest.as_bytes());
        descriptor["mediaType"] = "application/vnd.oci.image.manifest.v1+json".into();
        if let Some((os, architecture)) = platform.and_then(|platform| platform.split_once('/')) {
            descriptor["platform"] = json!({"os": os, "architecture": architecture});
        }
        descriptor
    }

    pub(crate) fn index(&self, images: &[Value]) {
        let index = json!({"schemaVersion": 2, "manifests": images}).to_string();
        self.0.write(format!("{}/index.json", self.1), index.as_bytes());
        self.0.write(format!("{}/oci-layout", self.1), br#"{"imageLayoutVersion":"1.0.0"}"#);
    }
}

/// The image of these layers as an OCI layout called `image`.
pub(crate) fn layout(place: &Place, layers: &[Vec<u8>]) {
    let layout = Layout(place, "image");
    layout.index(&[layout.image(layers, None)]);
}

fn digest(place: &Place, more: &[&str]) -> Ran {
    place.run(&[&["digest", "--image", "image"], more].concat())
}

pub(crate) fn tar(place: &Place, line: &[&str]) {
    assert!(Command::new("tar").args(line).current_dir(place.path("")).status().unwrap().success());
}

fn paths(ran: &Ran) -> Vec<String> {
    let list = |name: &str| ran.json()[name].as_array().cloned().unwrap_or_default();
    let all = list("files").into_iter().chain(list("scripts"));
    all.map(|file| file["path"].as_str().unwrap().to_string()).collect()
}

pub(crate) fn elf(text: &str) -> Vec<u8> {
    [b"\x7fELF ", text.as_bytes()].concat()
}

/// What the layers come to, whichever way they are packed.
fn listed(layers: &[Vec<u8>]) -> Vec<String> {
    let place = Place::new();
    layout(&place, layers);
    let ran = digest(&place, &["--output", "json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let packed = Place::new();
    layout(&packed, &[gzip(&layers[0]), zstd(layers.last().unwrap())]);
    if layers.len() == 2 {
        assert_eq!(digest(&packed, &["--output", "json"]).json(), ran.json());
    }
    paths(&ran)
}

#[test]
fn an_image_s_list_is_that_of_its_unpacked_tree() {
    let place = Place::new();
    let (app, library) = (elf("app"), elf("library"));
    let long = format!("opt/{}/lib.so", "deep/".repeat(40));
    let parts = [
        Folder("bin"),
        File("bin/app", &app, 0o755),
        File("lib/libx.so", &library, 0o644),
        File("bin/run.sh", b"#!/bin/sh\n", 0o755),
        File("bin/notes.sh", b"#!/bin/sh\n# data\n", 0o644),
        File("etc/motd", b"hello", 0o644),
        File("etc/empty", b"", 0o644),
        File(&long, &library, 0o644),
        Link("bin/link", "app"),
        Hard("bin/hard", "bin/app"),
    ];
    let layer = layer(&parts);
    place.write("layer.tar", &layer);
    std::fs::create_dir(place.path("tree")).unwrap();
    tar(&place, &["-xf", "layer.tar", "-C", "tree"]);
    layout(&place, &[layer]);
    let of_tree = place.run(&["digest", "--tree", "tree"]);
    let of_image = digest(&place, &[]);
    assert_eq!((of_image.code, of_image.out), (0, of_tree.out));
}

#[test]
fn a_later_layer_replaces_hides_and_empties_what_earlier_ones_have() {
    let (old, new) = (elf("old"), elf("new"));
    let below = layer(&[
        File("bin/a", &old, 0o755),
        File("bin/gone", &old, 0o755),
        File("lib/x/one.so", &old, 0o644),
        File("lib/x/two.so", &old, 0o644),
        File("opt/y/deep/old.so", &old, 0o644),
        File("srv/z/old.so", &old, 0o644),
    ]);
    let above = layer(&[
        File("bin/a", &new, 0o755),
        File("bin/.wh.gone", b"", 0),
        File("bin/.wh.never-was", b"", 0),
        File("lib/.wh.x", b"", 0),
        // What an emptied folder gets in the same layer stays, wherever the mark stands.
        File("opt/y/deep/new.so", &new, 0o644),
        File("opt/y/.wh..wh..opq", b"", 0),
        File("srv/z/.wh..wh..opq", b"", 0),
        File("srv/z/new.so", &new, 0o644),
        File("srv/.wh..wh.plnk", b"", 0),
    ]);
    assert_eq!(listed(&[below, above]), ["/bin/a", "/opt/y/deep/new.so", "/srv/z/new.so"]);
}

#[test]
fn a_file_and_a_folder_of_one_name_replace_each_other() {
    let code = elf("x");
    let below = layer(&[File("a/one", &code, 0o755), File("b", &code, 0o755)]);
    let above = layer(&[File("a", &code, 0o755), Folder("b"), File("b/two", &code, 0o755)]);
    assert_eq!(listed(&[below, above]), ["/a", "/b/two"]);
}

#[test]
fn links_are_followed_within_the_image_and_never_out_of_it() {
    let (code, other) = (elf("x"), elf("y"));
    let below =
        layer(&[Link("lib", "usr/lib"), Link("up", "../../../etc"), Link("abs", "/usr"), Folder("usr/lib")]);
    let above = layer(&[
        File("lib/x.so", &code, 0o644),
        File("up/y.so", &other, 0o644),
        File("abs/z.so", &code, 0o644),
        Hard("hard", "lib/x.so"),
    ]);
    assert_eq!(listed(&[below, above]), ["/etc/y.so", "/hard", "/usr/lib/x.so", "/usr/z.so"]);
}

/// Replaces the name in the archive's first header, which the archive's own writer would refuse to write.
fn renamed(mut layer: Vec<u8>, name: &[u8]) -> Vec<u8> {
    let mut header = Header::from_byte_slice(&layer[..512]).clone();
    let field = &mut header.as_old_mut().name;
    field.fill(0);
    field[..name.len()].copy_from_slice(name);
    header.set_cksum();
    layer[..512].copy_from_slice(header.as_bytes());
    layer
}

#[test]
fn a_hostile_image_is_refused_with_the_layer_and_the_reason() {
    let code = elf("x");
    let one = || layer(&[File("a", &code, 0o755)]);
    let mut torn = one();
    torn.truncate(700);
    let mut name = layer(&[]);
    name.truncate(0);
    // A name of 2 MiB, in the form that GNU tar has for long ones.
    let mut long = header(EntryType::GNULongName, 0, 2 << 20);
    long.set_path("././@LongLink").unwrap();
    long.set_cksum();
    name.extend_from_slice(long.as_bytes());
    name.resize(name.len() + (2 << 20), b'a');
    let loops = layer(&[Link("a", "b"), Link("b", "a"), File("a/x", &code, 0o755)]);
    let deep = format!("{}x", "d/".repeat(201));
    for (bytes, what) in [
        (renamed(one(), b"../../evil"), "leads out of its folder"),
        (renamed(one(), b"bad\0name"), ""),
        (torn, ""),
        (gzip(&name), "have no end"),
        (loops, "goes round in symbolic links"),
        (layer(&[File(&deep, &code, 0o755)]), "longer than any path"),
        (layer(&[File("a", b"", 0o644), File("a/b", &code, 0o755)]), "goes through a file"),
        (layer(&[Hard("a", "nowhere")]), "is linked to and not there"),
        (b"\x1f\x8b rubbish".to_vec(), ""),
        (b"\x28\xb5\x2f\xfd rubbish".to_vec(), ""),
    ] {
        let place = Place::new();
        layout(&place, &[bytes]);
        let ran = digest(&place, &[]);
        if what.is_empty() && ran.code == 0 {
            continue;
        }
        if what.is_empty() {
            ran.refused();
        } else {
            assert!(ran.refused().contains(what) && ran.refused().contains("layer 1"), "{what}: {ran:?}");
        }
    }
}

#[test]
fn a_blob_that_is_another_than_its_name_says_is_refused() {
    for broken in ["layer", "manifest"] {
        let place = Place::new();
        let layer = layer(&[File("a", &elf("x"), 0o755)]);
        layout(&place, std::slice::from_ref(&layer));
        let index: Value = serde_json::from_str(&place.read("image/index.json")).unwrap();
        let manifest = index["manifests"][0]["digest"].as_str().unwrap().replace(':', "/");
        let name =
            if broken == "layer" { Digest::of(&layer).to_string().replace(':', "/") } else { manifest };
        let path = format!("image/blobs/{name}");
        let text = [&std::fs::read(place.path(&path)).unwrap()[..], b" "].concat();
        place.write(&path, &text);
        assert!(digest(&place, &[]).refused().contains("another digest"), "{broken}");
        std::fs::remove_file(place.path(&path)).unwrap();
        assert!(digest(&place, &[]).refused().contains("is missing"), "{broken}");
    }
}

#[test]
fn what_docker_saves_is_read_like_a_layout() {
    let (place, code) = (Place::new(), elf("x"));
    let (one, two) =
        (layer(&[File("a", &code, 0o755), File("b", &code, 0o755)]), layer(&[File(".wh.a", b"", 0)]));
    layout(&place, &[one.clone(), two.clone()]);
    let manifest =
        json!([{"Config": "c.json", "RepoTags": ["x:1"], "Layers": ["1/layer.tar", "2/layer.tar"]}]);
    let saved = layer(&[
        File("1/layer.tar", &one, 0o644),
        File("real/layer.tar", &two, 0o644),
        Link("2/layer.tar", "../real/layer.tar"),
        File("manifest.json", manifest.to_string().as_bytes(), 0o644),
    ]);
    place.write("saved.tar", &saved);
    let of_docker = place.run(&["digest", "--image", "saved.tar"]);
    assert_eq!((of_docker.code, &of_docker.out), (0, &digest(&place, &[]).out));
    tar(&place, &["-cf", "layout.tar", "-C", "image", "."]);
    assert_eq!(place.run(&["digest", "--image", "layout.tar"]).out, of_docker.out);
    place.write("saved.tar.gz", &gzip(&saved));
    assert!(place.run(&["digest", "--image", "saved.tar.gz"]).refused().contains("gunzip"));
}

#[test]
fn what_docker_saved_for_another_platform_is_refused() {
    let place = Place::new();
    let only = layer(&[File("a", &elf("x"), 0o755)]);
    let save = |config: &[u8]| {
        let manifest = json!([{"Config": "c.json", "Layers": ["1/layer.tar"]}]);
        let saved = layer(&[
            File("1/layer.tar", &only, 0o644),
            File("c.json", config, 0o644),
            File("manifest.json", manifest.to_string().as_bytes(), 0o644),
        ]);
        place.write("saved.tar", &saved);
    };
    let read = |platform: &str| place.run(&["digest", "--image", "saved.tar", "--platform", platform]);
    save(br#"{"os":"linux","architecture":"arm64","variant":"v8","config":{}}"#);
    assert_eq!((read("linux/arm64").code, read("linux/arm64/v8").code), (0, 0));
    let refused = read("windows/amd64");
    assert!(
        refused.refused().contains("1 images, for linux/arm64/v8, and not one that is meant"),
        "{refused:?}"
    );
    read("linux/arm64/v7").refused();
    save(br#"{"config":{}}"#);
    read("linux/arm64").refused();
    assert_eq!(place.run(&["digest", "--image", "saved.tar"]).code, 0);
}

#[test]
fn of_several_images_the_one_for_the_platform_is_read() {
    let place = Place::new();
    let of = |name: &str| vec![layer(&[File(name, &elf("x"), 0o755)])];
    let all = Layout(&place, "image");
    let statement = all.image(&of("no"), Some("unknown/unknown"));
    let here = match std::env::consts::ARCH {
        "x86_64" => "linux/amd64",
        "aarch64" => "linux/arm64",
        other => panic!("{other}"),
    };
    let images =
        [all.image(&of("here"), Some(here)), all.image(&of("there"), Some("linux/s390x")), statement];
    all.index(&images);
    let listed = |more: &[&str]| paths(&digest(&place, &[&["--output", "json"], more].concat()));
    assert_eq!(listed(&[]), ["/here"]);
    assert_eq!(listed(&["--platform", "linux/s390x"]), ["/there"]);
    let refused = digest(&place, &["--platform", "linux/mips"]);
    assert!(refused.refused().contains("linux/s390x"), "{refused:?}");
    digest(&place, &["--platform", "linux"]).refused();
    let inner = json!({"schemaVersion": 2, "manifests": images}).to_string();
    let mut nested = all.blob(inner.as_bytes());
    nested["mediaType"] = "application/vnd.oci.image.index.v1+json".into();
    all.index(&[nested]);
    assert_eq!(listed(&[]), ["/here"]);
}

#[test]
fn what_is_no_image_is_refused() {
    let place = Place::new();
    place.write("text", b"hello");
    place.write("empty/x", b"");
    place.write("broken/index.json", b"{}");
    place.write("other/index.json", br#"{"manifests":[{"digest":"md5:../../../etc/passwd"}]}"#);
    for name in ["text", "empty", "broken", "other", "missing"] {
        place.run(&["digest", "--image", name]).refused();
    }
}

/// The files that a program has mapped executable, by the kernel's own words.
fn mapped(sleeper: &Sleeper) -> Vec<String> {
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", sleeper.id())).unwrap();
    let code =
        maps.lines().filter(|line| line.split_whitespace().nth(1).is_some_and(|mode| mode.contains('x')));
    let mut paths: Vec<_> =
        code.filter_map(|line| line.split_whitespace().nth(5)).filter(|path| path.starts_with('/')).collect();
    paths.dedup();
    paths.into_iter().map(String::from).collect()
}

#[test]
fn the_list_covers_what_the_image_s_program_maps_when_it_runs() {
    let place = Place::new();
    let sleeper = Sleeper::start(&place, "nap");
    let files: Vec<(String, Vec<u8>)> = mapped(&sleeper)
        .into_iter()
        .map(|path| (path.trim_start_matches('/').to_string(), std::fs::read(path).unwrap()))
        .collect();
    assert!(files.len() >= 3, "a program, its libraries and their loader: {}", files.len());
    let parts: Vec<Part<'_>> = files.iter().map(|(path, bytes)| File(path, bytes, 0o755)).collect();
    layout(&place, &[gzip(&layer(&parts))]);
    let list = CodeList::parse(&digest(&place, &[]).out).unwrap();
    let runs = place.run(&["digest", "--pid", &sleeper.id()]);
    assert_eq!(CodeList::parse(&runs.out), Ok(list), "{runs:?}");
}
