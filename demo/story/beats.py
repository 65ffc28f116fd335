"""The eight beats. Each is a function that tries something in the pod and returns its attempts; its first line of
documentation is its title.
"""

import time

import engine
from pod import PSQL, SELECT, Attempt, Thief, app_asks, app_starts, curl, in_container

CHARGE = "http://payments/charge/1"
REFUND = "http://payments/refund/1"
INVOICE = "http://payments/invoices/{}"
ENTRY = "http://ledger/entries/1"


def approved(pod):
    """The approved program reaches what the policy allows."""
    return [
        pod.request("app, HTTP/1.1", "200 allowed", lambda: app_asks(CHARGE)),
        pod.request("app's own helper, HTTP/2", "200 allowed",
                    lambda: app_starts(*curl(REFUND, "--http2-prior-knowledge", program="/app/bin/refund"))),
        pod.connection("app, its own TLS", "reached allowed", lambda: app_asks("https://bank/", "GET") == 200, 443),
        pod.request("app, where no rule leads", "403 no-matching-rule", lambda: app_asks("http://payments/admin")),
    ]


def neighbour(pod):
    """Another container of the pod has no identity."""
    return [pod.request("neighbour, curl", "403 no-identity", lambda: in_container("neighbour", *curl(CHARGE)))]


def strangers(pod):
    """In the approved container too, only what runs counts."""
    return [
        pod.request("docker exec app curl: the shim did not start it", "403 no-identity",
                    lambda: in_container("app", *curl(CHARGE))),
        pod.request("curl that the approved program was talked into starting", "403 unknown-process",
                    lambda: app_starts(*curl(CHARGE))),
    ]


def replaced(pod):
    """The binary is replaced in the running container."""
    helper = curl(REFUND, program="/app/bin/refund")
    before = pod.request("refund as it was built", "200 allowed", lambda: app_starts(*helper))
    in_container("app", "cp", "/usr/bin/curl", "/app/bin/refund", user="1000")
    after = pod.request("refund, replaced", "403 code-changed", lambda: app_starts(*helper))
    pod.sidecar.write("access.log")
    explained = policy("1", "explain", "--policy", "policy.yaml", "--id", after.record["id"], "access.log")
    patched = (engine.OUT / "policy.yaml").read_text().replace(before.record["exe"], after.record["exe"])
    (engine.OUT / "patched.yaml").write_text(patched)
    admitted = policy("0", "explain", "--policy", "patched.yaml", "--id", after.record["id"], "access.log")
    return [before, after, explained, admitted]


def stolen(pod):
    """A token is read off the wire and used."""
    mark = pod.sidecar.mark()
    with Thief() as thief:
        first = pod.request("app, while somebody listens on loopback", "200 allowed", lambda: app_asks(CHARGE),
                            fits=lambda record: record["reason"] == "allowed")
        second = pod.request("the listener, with app's token", "403 wrong-source", thief.answer, mark=mark,
                             fits=lambda record: record["reason"] != "allowed")
    return [first, second]


def database(pod):
    """Not only HTTP: psql."""
    answered = "report of 2026"
    return [
        pod.connection("psql that app starts", "reached allowed", lambda: app_starts(PSQL, *SELECT) == answered, 5432),
        pod.connection("neighbour, psql", "refused no-identity",
                       lambda: in_container("neighbour", PSQL, *SELECT) == answered, 5432),
    ]


def learnt(pod):
    """A policy is learnt from what happened, checked, enforced and explained."""
    put_in_force(pod, "audit.yaml", (engine.OUT / "policy.yaml").read_text().replace("mode: enforce", "mode: audit"))
    attempts = [
        pod.request("app asks for an invoice, in mode audit", "200 no-matching-rule",
                    lambda number=number: app_asks(INVOICE.format(number), "GET"))
        for number in range(4)
    ]
    attempts.append(pod.request("neighbour asks for one", "200 no-identity",
                                lambda: in_container("neighbour", *curl(INVOICE.format(9), "-XGET"))))
    pod.sidecar.write("access.log")
    attempts += [
        policy("0", "learn", "--merge", "policy.yaml", "--out", "proposed.yaml", "access.log"),
        policy("0", "lint", "proposed.yaml"),
        policy("1", "diff", "policy.yaml", "proposed.yaml"),
        policy("0", "simulate", "proposed.yaml", "access.log", "--fail-on", "newly-denied"),
    ]
    put_in_force(pod, "proposed.yaml", (engine.OUT / "proposed.yaml").read_text())
    attempts.append(pod.request("app asks for an invoice, in mode enforce", "200 allowed",
                                lambda: app_asks(INVOICE.format(5), "GET")))
    last = pod.request("neighbour asks for one", "403 no-identity",
                       lambda: in_container("neighbour", *curl(INVOICE.format(9), "-XGET")))
    pod.sidecar.write("access.log")
    explained = policy("1", "explain", "--policy", "proposed.yaml", "--id", last.record["id"], "access.log")
    return [*attempts, last, explained]


def around(pod):
    """A process with the proxy's own uid gets around its proxy, and ends at the receiver's."""
    stolen = ["--cert", "/sidecar/own.pem", "--key", "/sidecar/own.key", "--insecure", "--header", "host: ledger"]
    rogue = curl("https://ledger:8443/entries/2", *stolen)
    seen = pod.sidecar.mark()
    attempts = [
        pod.request("app, at the ledger", "200 allowed", lambda: app_asks(ENTRY), pod.receiver),
        pod.request("uid 1337 with the proxy's certificate", "403 no-identity",
                    lambda: engine.once("rogue", *rogue).stdout.strip(), pod.receiver),
    ]
    passed_by = len(pod.sidecar.records) - seen == 1
    attempts.append(Attempt("its own proxy", "saw app only", "saw app only" if passed_by else "saw both"))
    return attempts


def policy(code, verb, *words):
    """A verb of `procgate policy` over the files in demo/out."""
    told = engine.once("tools", "policy", verb, *words)
    note = (told.stdout + told.stderr).strip()
    return Attempt(" ".join(["procgate policy", verb, *words]), f"exit code {code}", f"exit code {told.returncode}", note=note)


def put_in_force(pod, name, text):
    """Gives the running sidecar another policy, and asks until a record shows that it decides."""
    (engine.OUT / name).write_text(text)
    mode = "audit" if "mode: audit" in text else "enforce"
    applied = engine.once("setup", "apply", f"/out/{name}")
    if applied.returncode != 0:
        raise engine.Refusal(f"the policy {name} cannot be applied: {engine.last_line(applied.stderr)}")
    deadline = time.monotonic() + engine.LONGEST_WAIT
    while pod.request("", "", lambda: app_asks(CHARGE)).record["mode"] != mode:
        if time.monotonic() > deadline:
            raise engine.Refusal(f"the sidecar does not take {name}: see docker compose logs sidecar")


BEATS = [approved, neighbour, strangers, replaced, stolen, database, learnt, around]
