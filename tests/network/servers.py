"""Servers for the pod's programs to reach: HTTPS and HTTP, gRPC, SMTP. Says "ready" once all of them serve.

usage: servers.py ADDRESS CERTIFICATE KEY
"""

import http.server
import ssl
import sys
import threading
from concurrent import futures

import grpc
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink

address, certificate, key = sys.argv[1:]


class Hello(http.server.BaseHTTPRequestHandler):
    """Answers every GET."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        seen = " ".join(sorted(name.lower() for name in self.headers))
        body = f"hello, headers {seen}\n".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve(port, context=None):
    server = http.server.ThreadingHTTPServer((address, port), Hello)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
serve(443, context)
serve(80)

echo = grpc.unary_unary_rpc_method_handler(lambda request, _: b"hello " + request)
rpc = grpc.server(futures.ThreadPoolExecutor(4))
rpc.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("shop.Echo", {"Say": echo})])
rpc.add_insecure_port(f"{address}:50051")
rpc.start()

Controller(Sink(), hostname=address, port=25).start()
print("ready", flush=True)
threading.Event().wait()
