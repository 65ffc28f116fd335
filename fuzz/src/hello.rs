//! ClientHellos, written by the letter of RFC 8446, 6066 and 7301.

/// A message for this server that names these protocols.
pub fn message(server_name: Option<&str>, protocols: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut extensions = Vec::new();
    if let Some(name) = server_name {
        extensions.extend(extension(0, &long(&[&[0], &*long(name.as_bytes())].concat())));
    }
    if !protocols.is_empty() {
        extensions.extend(extension(16, &long(&list(protocols))));
    }
    let body = [&[3, 3][..], &[7; 32], &[0], &[0, 2, 0x13, 1], &[1, 0], &long(&extensions)].concat();
    let [_, length @ ..] = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[1][..], &length, &body].concat()
}

/// Names, each with its length ahead.
pub fn list(names: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let name = |name: &[u8]| [&[u8::try_from(name.len()).unwrap()], name].concat();
    names.iter().flat_map(|text| name(text.as_ref())).collect()
}

/// The message in TLS records of this many bytes each.
pub fn records(message: &[u8], bytes: usize) -> Vec<u8> {
    message.chunks(bytes).flat_map(|part| [&[22, 3, 1][..], &long(part)].concat()).collect()
}

fn extension(kind: u16, contents: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &long(contents)].concat()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}
