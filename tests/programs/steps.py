"""Does what its arguments say, one after the other, and prints what came of each.

get URL            the status of the answer, or "failed"
import MODULE      loads an extension late, as Python does
resolve HOST       looks a name up, for which the C library may load more
open LIBRARY       loads a library as a plug-in
rewrite FILE       changes the last byte in place, and puts the time of modification back
mapped NAME        whether a file of this name is mapped
wait FILE          until there is such a file
talk PORT WORD     waits for a greeting, sends the word, prints the greeting and the answer
"""

import ctypes
import importlib
import os
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


STEPS = {
    "get": (1, get),
    "import": (1, lambda module: importlib.import_module(module) and "imported"),
    "resolve": (1, resolve),
    "open": (1, lambda library: ctypes.CDLL(library) and "opened"),
    "rewrite": (1, rewrite),
    "mapped": (1, mapped),
    "wait": (1, wait),
    "talk": (2, talk),
}

words = sys.argv[1:]
while words:
    count, step = STEPS[words.pop(0)]
    print(step(*words[:count]), flush=True)
    del words[:count]
