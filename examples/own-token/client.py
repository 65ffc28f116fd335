#!/usr/bin/env python3
"""A request over TLS by a program that carries its token itself: it begins TLS, so nobody else can put it in.

usage: procgate-shim run --token-socket /procgate --exempt ADDRESS ... -- client.py ADDRESS PORT NAME [CA-FILE]
"""

import os
import socket
import ssl
import sys

DESK = os.environ.get("PROCGATE_TOKEN_SOCKET", "/procgate")
PART = 240  # a protocol name has at most 255 bytes


def written(name):
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def token_for(connection):
    """The token for this connection, which has to be there: the token holds for its two addresses only."""
    with socket.socket(socket.AF_UNIX) as desk:
        desk.connect(f"{DESK}/{written(connection.getsockname())}/{written(connection.getpeername())}")
        return b"".join(iter(lambda: desk.recv(4096), b"")).decode()


def protocols(token):
    parts = [token[start : start + PART] for start in range(0, len(token), PART)]
    return [f"procgate/{index}/{part}" for index, part in enumerate(parts)]


def main(address, port, name, authority=None):
    connection = socket.create_connection((address, int(port)), timeout=10)
    context = ssl.create_default_context(cafile=authority)
    # What is really spoken comes first: the server picks it.
    context.set_alpn_protocols(["http/1.1", *protocols(token_for(connection))])
    with context.wrap_socket(connection, server_hostname=name) as server:
        server.sendall(f"GET / HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n".encode())
        print(server.selected_alpn_protocol(), server.recv(4096).split(b"\r\n")[0].decode())


main(*sys.argv[1:])
