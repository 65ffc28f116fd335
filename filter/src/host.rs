//! Everything the plugin asks of Envoy: the only caller of host functions.
//!
//! The SDK panics on host statuses it does not expect, and a panic ends the VM. Only byte getters are
//! used where a peer chooses the bytes, and a read-only property is never written twice.

use core::net::SocketAddr;
use core::time::Duration;
use procgate_identity::{Es256Signature, UnixNanos};
use procgate_policy::Direction;
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, GrpcStatusCode, LogLevel, MapType, MetricType, Status};
use std::time::SystemTime;

/// Filter state that a `set_filter_state` listener filter fills with the peer's own address
/// (`%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%`).
const DIRECT_SOURCE: &str = "procgate.source";
/// Where the proxy_protocol listener filter puts the TLVs that its rules name, and the name under which
/// its rule for [`TLV_TYPE`](procgate_identity::carrier::proxy_v2::TLV_TYPE) puts ours.
const TLVS: &str = "envoy.network.proxy_protocol.tlv";
const TOKEN_TLV: &str = "procgate";
/// What is remembered with a connection; Envoy shows it as `wasm.procgate_connection`.
const CONNECTION_MEMORY: &str = "procgate_connection";
/// The record of a decision; access logs show it with `%FILTER_STATE(wasm.procgate:PLAIN)%`.
const RECORD: &str = "procgate";

/// Envoy's clock.
pub(crate) fn now() -> UnixNanos {
    let time = hostcalls::get_current_time().unwrap_or(SystemTime::UNIX_EPOCH);
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    UnixNanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// A line in Envoy's own log.
pub(crate) fn log(level: LogLevel, line: &str) {
    let _ = hostcalls::log(level, line);
}

/// The plugin's configuration, empty where there is none.
pub(crate) fn configuration(size: usize) -> Vec<u8> {
    hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size).ok().flatten().unwrap_or_default()
}

/// Which way the listener's configuration says that its traffic goes (`traffic_direction`, 1 for INBOUND): out unless
/// it says in. Envoy tells it with a stream only, not while it loads the configuration.
pub(crate) fn direction() -> Direction {
    let inbound = property(&["xds", "listener_direction"]).is_some_and(|value| value == 1i64.to_le_bytes());
    if inbound { Direction::Inbound } else { Direction::Outbound }
}

/// Declares the connection's memory: bytes that live as long as the downstream connection and that
/// nobody can write a second time.
pub(crate) fn declare_connection_memory() {
    // DeclarePropertyArguments: 1 name, 2 readonly, 5 span = DOWNSTREAM_CONNECTION.
    let mut arguments = vec![0x0a, 0x13];
    arguments.extend_from_slice(CONNECTION_MEMORY.as_bytes());
    arguments.extend_from_slice(&[0x10, 1, 0x28, 2]);
    // A second declaration, by another plugin in this VM, is refused and changes nothing.
    let _ = hostcalls::call_foreign_function("declare_property", Some(&arguments));
}

/// Whether a signature is good, as BoringSSL says.
pub(crate) fn verifies_es256(signature: &Es256Signature<'_>) -> bool {
    // VerifySignatureArguments: 1 hash function, 2 public key, 3 signature, 4 text.
    let mut arguments = Vec::new();
    let fields = [b"sha256", signature.key.as_slice(), &signature.signature, signature.text];
    for (number, field) in (1..).zip(fields) {
        push_field(&mut arguments, number, field);
    }
    // VerifySignatureResult: 1 true, and no 2, which tells an error.
    let good = hostcalls::call_foreign_function("verify_signature", Some(&arguments));
    good.ok().flatten().is_some_and(|result| result == [0x08, 1])
}

/// Bytes as a field of a protobuf message: number and wire type, length, contents.
fn push_field(message: &mut Vec<u8>, number: u8, contents: &[u8]) {
    const LENGTH_DELIMITED: u8 = 2;
    message.push(number << 3 | LENGTH_DELIMITED);
    let mut length = contents.len();
    while length >= 0x80 {
        message.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
        length >>= 7;
    }
    message.push(u8::try_from(length).unwrap_or_default());
    message.extend_from_slice(contents);
}

/// What was remembered with this connection.
pub(crate) fn connection_memory() -> Option<Vec<u8>> {
    property(&[CONNECTION_MEMORY])
}

/// Remembers this with the connection. To be called once: the property is read-only.
pub(crate) fn remember(bytes: &[u8]) {
    let _ = hostcalls::set_property(vec![CONNECTION_MEMORY], Some(bytes));
}

/// Leaves the decision's record for the access log.
pub(crate) fn record(json: &str) {
    let _ = hostcalls::set_property(vec![RECORD], Some(json.as_bytes()));
}

/// The token of a PROXY v2 preface, of which the proxy_protocol listener filter has kept it.
pub(crate) fn preface_token() -> Option<Vec<u8>> {
    property(&["filter_state", TLVS, TOKEN_TLV])
}

/// The server name of the TLS handshake, where a listener filter has read it.
pub(crate) fn server_name() -> Option<String> {
    let name = property(&["connection", "requested_server_name"])?;
    String::from_utf8(name).ok().filter(|name| !name.is_empty())
}

/// The name in the peer's certificate: the first URI among its alternative names.
pub(crate) fn peer_principal() -> Option<String> {
    let name = property(&["connection", "uri_san_peer_certificate"])?;
    String::from_utf8(name).ok().filter(|name| !name.is_empty())
}

/// The name that the configuration gives to this use of the plugin (`root_id`).
pub(crate) fn root_id() -> Vec<u8> {
    property(&["plugin_root_id"]).unwrap_or_default()
}

/// Bytes that the peer has sent on this connection and no filter has taken. Nothing beyond their end.
pub(crate) fn downstream_data(start: usize, most: usize) -> Vec<u8> {
    hostcalls::get_buffer(BufferType::DownstreamData, start, most).ok().flatten().unwrap_or_default()
}

/// Takes the first bytes off, before the filters behind see them.
pub(crate) fn drop_downstream(bytes: usize) {
    let _ = hostcalls::set_buffer(BufferType::DownstreamData, 0, bytes, &[]);
}

/// Has what follows be about the connection of this number, also where Envoy has not called for it.
pub(crate) fn speak_for(connection: u32) {
    let _ = hostcalls::set_effective_context(connection);
}

/// Lets the filters behind go on with the connection, after a pause.
pub(crate) fn resume_downstream() {
    let _ = hostcalls::resume_downstream();
}

/// Asks Envoy to call again and again, or no more where the period is zero.
pub(crate) fn tick(period: Duration) {
    let _ = hostcalls::set_tick_period(period);
}

/// Ends the connection with the peer.
pub(crate) fn close_downstream() {
    let _ = hostcalls::close_downstream();
}

/// The peer's own address as a listener filter saw it.
pub(crate) fn direct_source() -> Option<SocketAddr> {
    address(&["filter_state", DIRECT_SOURCE])
}

/// The peer's address as the HTTP connection manager sees it.
pub(crate) fn source() -> Option<SocketAddr> {
    address(&["source", "address"])
}

/// The address that the peer connected to.
pub(crate) fn destination() -> Option<SocketAddr> {
    address(&["destination", "address"])
}

fn address(path: &[&str]) -> Option<SocketAddr> {
    let bytes = property(path)?;
    core::str::from_utf8(&bytes).ok()?.parse().ok()
}

fn property(path: &[&str]) -> Option<Vec<u8>> {
    hostcalls::get_property(path.to_vec()).ok().flatten()
}

/// The fields of a request, as Envoy hands them over: in one call and one piece, since each call that
/// returns bytes costs a microsecond.
#[derive(Debug)]
pub(crate) struct Fields(Vec<u8>);

/// All fields of the request.
pub(crate) fn request_fields() -> Fields {
    let (mut start, mut size) = (core::ptr::null_mut(), 0);
    // SAFETY: the host writes to the two places given, and only during the call. It gives bytes that the
    // module's own allocator made for it with exactly this capacity, or leaves the pointer null.
    #[allow(unsafe_code, reason = "the SDK's call copies each name and value into a vector of its own")]
    let bytes = unsafe {
        let status = proxy_get_header_map_pairs(MapType::HttpRequestHeaders, &raw mut start, &raw mut size);
        let given = status == Status::Ok && !start.is_null();
        if given { Vec::from_raw_parts(start, size, size) } else { Vec::new() }
    };
    Fields(bytes)
}

#[allow(unsafe_code, reason = "an import of the proxy-wasm ABI 0.2.1, as the SDK declares it")]
#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_header_map_pairs(map: MapType, start: *mut *mut u8, size: *mut usize) -> Status;
}

impl Fields {
    /// Name and value of each field. Nothing where the bytes do not have the ABI's form: a count, two
    /// lengths for each field, then each text with a NUL after it; numbers are `u32`, little-endian.
    pub(crate) fn entries(&self) -> Option<Vec<(&[u8], &[u8])>> {
        let (count, rest) = number(&self.0)?;
        let (mut lengths, mut texts) = rest.split_at_checked(count.checked_mul(8)?)?;
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            let (name, value);
            (name, lengths) = number(lengths)?;
            (value, lengths) = number(lengths)?;
            let (name, rest) = text(texts, name)?;
            let (value, rest) = text(rest, value)?;
            texts = rest;
            entries.push((name, value));
        }
        texts.is_empty().then_some(entries)
    }
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((usize::try_from(u32::from_le_bytes(*number)).ok()?, rest))
}

fn text(bytes: &[u8], length: usize) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(length)?;
    Some((text, rest.strip_prefix(&[0])?))
}

/// Takes every field of this name out of the request.
pub(crate) fn remove_request_field(name: &str) {
    let _ = hostcalls::remove_map_value(MapType::HttpRequestHeaders, name);
}

/// Adds a field to the request.
pub(crate) fn add_request_field(name: &str, value: &[u8]) {
    let _ = hostcalls::add_map_value_bytes(MapType::HttpRequestHeaders, name, value);
}

/// Answers the request in the upstream's place.
pub(crate) fn respond(status: u32, fields: Vec<(&str, &str)>, body: &str) {
    let _ = hostcalls::send_http_response(status, fields, Some(body.as_bytes()));
}

/// Answers a gRPC call with PERMISSION_DENIED, trailers only.
pub(crate) fn respond_grpc_denied(message: &str) {
    let _ = hostcalls::send_grpc_response(GrpcStatusCode::PermissionDenied, Some(message), Vec::new());
}

/// A metric that Envoy knows by this number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric(u32);

/// Defines a counter, gauge or histogram. Nothing where Envoy refuses.
pub(crate) fn metric(kind: MetricType, name: &str) -> Option<Metric> {
    hostcalls::define_metric(kind, name).ok().map(Metric)
}

/// Counts one more, where there is a counter.
pub(crate) fn increment(counter: Option<Metric>) {
    if let Some(counter) = counter {
        add(counter, 1);
    }
}

/// Adds to a counter, or to a gauge, which may become less by it.
pub(crate) fn add(Metric(id): Metric, more: i64) {
    let _ = hostcalls::increment_metric(id, more);
}

/// Adds a value to a histogram.
pub(crate) fn observe(Metric(id): Metric, value: u64) {
    let _ = hostcalls::record_metric(id, value);
}

/// A value that all workers share, with the version it was read at.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) value: Vec<u8>,
    version: u32,
}

/// Reads a value that all workers share.
pub(crate) fn shared(key: &str) -> Option<Shared> {
    let (value, version) = hostcalls::get_shared_data(key).ok()?;
    Some(Shared { value: value.unwrap_or_default(), version: version? })
}

/// Creates a shared value. Two workers that do so at once overwrite each other.
pub(crate) fn create_shared(key: &str, value: &[u8]) {
    let _ = hostcalls::set_shared_data(key, Some(value), None);
}

/// Replaces a shared value; false where another worker was quicker.
pub(crate) fn replace_shared(key: &str, read: &Shared, value: &[u8]) -> bool {
    hostcalls::set_shared_data(key, Some(value), Some(read.version)) != Err(Status::CasMismatch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(fields: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = u32::try_from(fields.len()).unwrap().to_le_bytes().to_vec();
        for text in fields.iter().flat_map(|(name, value)| [name, value]) {
            bytes.extend_from_slice(&u32::try_from(text.len()).unwrap().to_le_bytes());
        }
        for text in fields.iter().flat_map(|(name, value)| [name, value]) {
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
        }
        bytes
    }

    #[test]
    fn fields_come_in_order_with_what_is_empty_and_what_is_twice() {
        let fields = [(":path", "/"), ("a", ""), ("b", "x\0y"), ("a", "2")];
        let expected = fields.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        assert_eq!(Fields(packed(&fields)).entries().unwrap(), expected);
        assert_eq!(Fields(packed(&[])).entries().unwrap(), []);
    }

    #[test]
    fn lengths_of_protobuf_fields_take_seven_bits_a_byte() {
        let start = |length: usize| {
            let mut message = Vec::new();
            push_field(&mut message, 4, &vec![b'x'; length]);
            message.truncate(message.len() - length);
            message
        };
        assert_eq!(start(0), [0x22, 0]);
        assert_eq!(start(127), [0x22, 127]);
        assert_eq!(start(128), [0x22, 0x80, 1]);
        assert_eq!(start(4_096), [0x22, 0x80, 0x20]);
    }

    #[test]
    fn bytes_of_another_form_are_no_fields() {
        let whole = packed(&[(":path", "/"), ("a", "1")]);
        for end in 0..whole.len() {
            assert!(Fields(whole[..end].to_vec()).entries().is_none(), "{end}");
        }
        let longer = [&whole[..], b"x"].concat();
        let many = u32::MAX.to_le_bytes().to_vec();
        assert!(Fields(longer).entries().is_none() && Fields(many).entries().is_none());
    }
}
