//! Any bytes as a ClientHello: what is read of it, written by the letter of the RFCs, is read the same; cut
//! anywhere it is none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use procgate_fuzz::hello;
use procgate_identity::carrier::client_hello::{ClientHello, MAX_CLIENT_HELLO};

fuzz_target!(|message: &[u8]| {
    let Ok(read) = ClientHello::parse(message) else { return };
    assert!(message.len() <= MAX_CLIENT_HELLO);
    let protocols: Vec<&[u8]> = read.protocols().collect();
    assert!(protocols.iter().all(|name| !name.is_empty()));
    assert_eq!(ClientHello::parse(&hello::message(read.server_name(), &protocols)).as_ref(), Ok(&read));
    let place = usize::from(message[5]) * 7 % message.len();
    assert!(ClientHello::parse(&message[..place]).is_err(), "cut at {place}");
});
