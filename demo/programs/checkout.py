#!/usr/bin/python3.11
"""The demo's approved program: a service that asks other services, as unaware of procgate as any.

GET  /healthy     says that it serves.
POST /ask         {"url", "method"}: asks by itself, over a connection of its own, and tells {"status", "body"}.
POST /start       {"command", "input"}: starts a program and tells {"code", "output"}. This is the hole through which
                  an intruder comes in.
POST /measure     {"url", "requests"}: asks that often over one connection, and tells how long each took, in us.
"""

import http.client
import json
import ssl
import subprocess
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

LONGEST_WAIT = 20


def connect(url):
    place = urlsplit(url)
    if place.scheme == "http":
        return http.client.HTTPConnection(place.hostname, place.port, timeout=LONGEST_WAIT), place.path
    trusted = ssl.create_default_context(cafile="/run/tls/authority.pem")
    return http.client.HTTPSConnection(place.hostname, place.port, timeout=LONGEST_WAIT, context=trusted), place.path


def ask(url, method="GET"):
    connection, path = connect(url)
    try:
        connection.request(method, path, headers={"connection": "close"})
        answer = connection.getresponse()
        return {"status": answer.status, "body": answer.read().decode()}
    except OSError as error:
        return {"status": None, "body": str(error)}
    except http.client.HTTPException as error:
        return {"status": None, "body": type(error).__name__}
    finally:
        connection.close()


def start(command, input=""):
    try:
        ended = subprocess.run(command, input=input, capture_output=True, text=True, timeout=LONGEST_WAIT, check=False)
        return {"code": ended.returncode, "output": ended.stdout + ended.stderr}
    except OSError as error:
        return {"code": None, "output": str(error)}


def measure(url, requests):
    connection, path = connect(url)
    took = []
    for _ in range(requests):
        began = time.perf_counter_ns()
        connection.request("POST", path)
        answer = connection.getresponse()
        answer.read()
        took.append((time.perf_counter_ns() - began) / 1000)
        if answer.status != 200:
            return {"error": f"status {answer.status}"}
    connection.close()
    return {"took": took}


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    DOES = {"/ask": ask, "/start": start, "/measure": measure}

    def do_GET(self):
        self.answer(200 if self.path == "/healthy" else 404, {})

    def do_POST(self):
        wanted = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path in self.DOES:
            self.answer(200, self.DOES[self.path](**wanted))
        else:
            self.answer(404, {})

    def answer(self, status, told):
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 512


Server(("", 8080), Service).serve_forever()
