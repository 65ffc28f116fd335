"""The servers of the Istio tests: servers.py ADDRESS CERTIFICATE KEY

Each says hello as its client expects it: over HTTP, over TLS, or as bytes, in answer or by itself.
"""

import socket
import ssl
import sys
import threading

ADDRESS, CERTIFICATE, KEY = sys.argv[1:4]
HTTP = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nhello\n"


def answer(connection):
    """HTTP where the client speaks it, bytes otherwise."""
    asked = connection.recv(65536)
    if asked.split(b"\r\n")[0].endswith(b"HTTP/1.1"):
        connection.sendall(HTTP)
    elif asked:
        connection.sendall(b"hello, you said " + asked)


def greet(connection):
    """The server speaks first, as in SMTP."""
    connection.sendall(b"220 hello\r\n")
    while asked := connection.recv(4096):
        connection.sendall(b"221 bye\r\n" if asked.startswith(b"QUIT") else b"250 ok\r\n")


def secret(connection):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, KEY)
    with context.wrap_socket(connection, server_side=True) as tls:
        tls.recv(65536)
        tls.sendall(HTTP)


def serve(port, act):
    listener = socket.create_server((ADDRESS, port), backlog=64)

    def one(connection):
        try:
            with connection:
                connection.settimeout(10)
                act(connection)
        except OSError:
            pass

    while True:
        threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()


PORTS = {80: answer, 8080: answer, 9000: answer, 7000: answer, 5555: answer, 9300: greet, 443: secret, 8443: secret}
servers = [threading.Thread(target=serve, args=each, daemon=True) for each in PORTS.items()]
for server in servers:
    server.start()
servers[0].join()
