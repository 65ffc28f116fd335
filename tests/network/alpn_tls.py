"""Names a token's parts among its protocols: AUTHORITY HOST SOURCE-PORT PORT NAMES…; prints what the server says."""
import socket
import ssl
import sys

authority, host, source, port, *names = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
context.set_alpn_protocols(["h2", "http/1.1", *names])
plain = socket.create_connection(("127.0.0.1", int(port)), timeout=20, source_address=("127.0.0.1", int(source)))
with context.wrap_socket(plain, server_hostname=host) as stream:
    assert stream.selected_alpn_protocol() == "h2"
    while data := stream.recv(4096):
        sys.stdout.write(data.decode())
