"""The pod, and who may be asked to try something in it."""

import json
import subprocess
import urllib.request
from dataclasses import dataclass

import engine

PSQL = "/usr/lib/postgresql/15/bin/psql"
SELECT = ["-At", "-h", "database", "-U", "postgres", "-c", "select 'report of '||2026"]


@dataclass
class Attempt:
    """What somebody tried, what was promised of it, and what came of it."""

    what: str
    promised: str
    got: str
    record: dict | None = None
    note: str = ""

    @property
    def kept(self):
        return self.got == self.promised

    def describe(self):
        lines = [f"   {'ok ' if self.kept else 'NOT'} {self.what}: {self.got}"]
        if not self.kept:
            lines.append(f"       promised: {self.promised}")
        if self.record:
            why = self.record.get("detail") or (f"rule {self.record['rule']}" if "rule" in self.record else "")
            lines.append(f"       record {self.record['id']}: {self.record['reason']}{why and ', '}{why}")
        lines += [f"       {line}" for line in self.note.splitlines()]
        return "\n".join(lines)


class Pod:
    """What runs, with the logs of its two proxies."""

    def __init__(self, sidecar, receiver):
        self.sidecar = sidecar
        self.receiver = receiver

    def close(self):
        self.sidecar.close()
        self.receiver.close()

    def request(self, what, promised, send, log=None, fits=lambda record: True, mark=None):
        """Somebody sends a request: promised and got are the status and the reason on record, such as "200 allowed".

        The record is the first one that fits, behind the mark or whatever the log has now.
        """
        log = log or self.sidecar
        mark = log.mark() if mark is None else mark
        status = send()
        record = log.since(mark, fits)
        return Attempt(what, promised, f"{status} {record['reason'] if record else 'without a record'}", record)

    def connection(self, what, promised, send, port):
        """Somebody opens a connection to a port: "reached allowed", or "refused" and why."""
        mark = self.sidecar.mark()
        reached = send()
        record = self.sidecar.since(mark, lambda record: record["destination"].get("port") == port)
        word = "reached" if reached else "refused"
        return Attempt(what, promised, f"{word} {record['reason'] if record else 'without a record'}", record)


def call(verb, port=engine.PORT, **wanted):
    """Has the approved program do something: see demo/programs/checkout.py."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/{verb}", json.dumps(wanted).encode())
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def app_asks(url, method="POST"):
    """The approved program asks by itself. Returns the status."""
    return call("ask", url=url, method=method)["status"]


def app_starts(*command):
    """The approved program starts another one. Returns what that printed."""
    return call("start", command=command)["output"].strip()


def curl(url, *more, program="curl"):
    """A command that asks, and prints the status behind whatever it was answered."""
    return [program, "-s", "--max-time", "20", "-XPOST", "-o", "/dev/null", "-w", "%{http_code}", *more, url]


def in_container(service, *command, user=None):
    """Somebody runs a command in a container. Returns what it printed."""
    return engine.execute(service, *command, user=user).stdout.strip()


class Thief:
    """A container of the pod that reads the token of the next connection, and uses it."""

    def __enter__(self):
        command = ["docker", "compose", "--file", str(engine.DEMO / "compose.yaml"), "run", "--rm", "-T", "--no-deps", "thief"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if self.process.stdout.readline() != "listening\n":
            raise engine.Refusal("the thief could not listen")
        return self

    def answer(self):
        """The status that it got with the stolen token, once somebody has connected."""
        out, _ = self.process.communicate(timeout=engine.LONGEST_WAIT)
        return out.split(" ")[1] if out.startswith("HTTP/") else "no answer"

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()
