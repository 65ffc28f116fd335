//! Everything the plugin asks of Envoy: the only caller of host functions.
//!
//! The SDK panics on host statuses it does not expect, and a panic ends the VM. Only byte getters are
//! used where a peer chooses the bytes, and a read-only property is never written twice.

use core::net::SocketAddr;
use core::time::Duration;
use procgate_identity::UnixNanos;
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, GrpcStatusCode, LogLevel, MapType, MetricType, Status};
use std::time::SystemTime;

/// Filter state that a `set_filter_state` listener filter fills with the peer's own address
/// (`%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%`).
const DIRECT_SOURCE: &str = "procgate.source";
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

/// Whether the listener's configuration says that its traffic comes in (`traffic_direction`, 1 for
/// INBOUND). Envoy tells it with a stream only, not while it loads the configuration.
pub(crate) fn is_inbound() -> bool {
    property(&["xds", "listener_direction"]).is_some_and(|value| value == 1i64.to_le_bytes())
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

/// One field of the request; of several with this name, the first.
pub(crate) fn request_field(name: &str) -> Option<Vec<u8>> {
    hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, name).ok().flatten()
}

/// All values of this field.
pub(crate) fn request_fields(name: &str) -> Vec<Vec<u8>> {
    let all = hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default();
    all.into_iter().filter(|(field, _)| field == name).map(|(_, value)| value).collect()
}

/// Takes every field of this name out of the request.
pub(crate) fn remove_request_field(name: &str) {
    let _ = hostcalls::remove_map_value(MapType::HttpRequestHeaders, name);
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

/// Counts one more.
pub(crate) fn increment(Metric(id): Metric) {
    let _ = hostcalls::increment_metric(id, 1);
}

/// Sets a gauge, or adds a value to a histogram.
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
