"""Does what its arguments say, one after the other, and prints what came of each.

get URL            the status of the answer, or "failed"
import MODULE      loads an extension late, as Python does
resolve HOST       looks a name up, for which the C library may load more
open LIBRARY       loads a library as a plug-in
rewrite FILE       changes the last byte in place, and puts the time of modification back
mapped NAME        whether a file of this name is mapped
wait FILE          until there is such a file
talk PORT WORD     waits for a greeting, sends the word, prints the greeting and the answer
send PORT FILE     sends the file's bytes, prints the status of each answer that comes within a second
"""

import ctypes
import importlib
import os
import re
import socket
import sys
import time
import urllib.error
import urllib.request


def get(url):
    try:
        return urllib.request.urlopen(url, timeout=20).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return "failed"


def resolve(host):
    socket.getaddrinfo(host, 80)
    return "resolved"


def rewrite(file):
    before = os.stat(file)
    with open(file, "r+b") as opened:
        opened.seek(-1, os.SEEK_END)
        opened.write(b"?")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    return "rewritten"


def mapped(name):
    with open("/proc/self/maps") as maps:
        return any(name in line for line in maps)


def wait(file):
    deadline = time.monotonic() + 60
    while not os.path.exists(file):
        if time.monotonic() > deadline:
            sys.exit(f"waited in vain for {file}")
        time.sleep(0.01)
    return "waited"


def talk(port, word):
    with socket.create_connection(("127.0.0.1", int(port)), timeout=20) as connection:
        greeting = connection.recv(100).decode().strip()
        connection.sendall(f"{word}\n".encode())
        return f"{greeting} {connection.recv(100).decode().strip()}"


def send(port, file):
    answers = b""
    with open(file, "rb") as opened, socket.create_connection(("127.0.0.1", int(port)), timeout=20) as connection:
        connection.sendall(opened.read())
        connection.settimeout(1)
        try:
            while piece := connection.recv(65536):
                answers += piece
        except OSError:
            pass
    return " ".join(http1_statuses(answers) or http2_statuses(answers))


def http1_statuses(answers):
    return [status.decode() for status in re.findall(rb"HTTP/1\.1 (\d+)", answers)]


# A header block begins with its status, and 0x88 is what HPACK writes for 200 (RFC 7541 appendix A). Answers come in
# any order.
def http2_statuses(answers):
    statuses = []
    while len(answers) > 9:
        end = 9 + int.from_bytes(answers[:3], "big")
        if answers[3] == 1:
            statuses.append("200" if answers[9] == 0x88 else "another")
        answers = answers[end:]
    return sorted(statuses)


STEPS = {
    "get": (1, get),
    "import": (1, lambda module: importlib.import_module(module) and "imported"),
    "resolve": (1, resolve),
    "open": (1, lambda library: ctypes.CDLL(library) and "opened"),
    "rewrite": (1, rewrite),
    "mapped": (1, mapped),
    "wait": (1, wait),
    "talk": (2, talk),
    "send": (2, send),
}

words = sys.argv[1:]
while words:
    count, step = STEPS[words.pop(0)]
    print(step(*words[:count]), flush=True)
    del words[:count]
