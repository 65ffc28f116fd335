"""What procgate adds to a request, and which part of it costs what: the approved program asks over a connection that it
keeps, in pods that differ in nothing but what stands in the table, in turns.
"""

import json
import os
import shutil
import statistics
from pathlib import Path

import engine
from pod import call

# Many short turns: whatever else the machine does meanwhile falls on all alike.
ROUNDS, REQUESTS = 100, 100
URL = "http://payments/charge/1"
CONFINED = ["--no-healthcheck", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"]
# The plugin that does nothing: `make wasm-noop`.
NOOP = Path(os.environ.get("CARGO_TARGET_DIR", engine.DEMO.parent / "target")) / "wasm/noop.wasm"
# Whoever need not work meanwhile, their health checks included.
BYSTANDERS = ["app", "neighbour", "sidecar", "database", "receiver", "ledger"]
# Reads the sidecar's configuration, and writes it without whatever is there for procgate, or with another module.
EDIT = """
import sys, yaml
module, listener_too = sys.argv[1:]
config = yaml.safe_load(sys.stdin)
listener = config['static_resources']['listeners'][0]
theirs = ('procgate.source', 'procgate.original_dst', 'envoy.filters.listener.proxy_protocol')
if listener_too:
    listener['listener_filters'] = [one for one in listener['listener_filters'] if one['name'] not in theirs]
vm = {'runtime': 'envoy.wasm.runtime.v8', 'code': {'local': {'filename': module}}}
other = {'name': 'other', 'typed_config': {'@type': 'type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm',
                                           'config': {'name': 'other', 'vm_config': vm}}}
def replaced(filters, by):
    return by + [one for one in filters if one['name'] != 'procgate']
for chain in listener['filter_chains'] + [listener['default_filter_chain']]:
    chain['filters'] = replaced(chain['filters'], [])
    manager = chain['filters'][0]['typed_config']
    if 'http_filters' in manager:
        manager['http_filters'] = replaced(manager['http_filters'], [other] if module else [])
yaml.safe_dump(config, sys.stdout)
"""


def edited(files, module="", listener_too=""):
    """The sidecar's files, with another module or none; without procgate's listener filters, if so wished."""
    made = engine.run("docker", "run", "--rm", "--interactive", "--entrypoint", "python3", "procgate-tools", "-c", EDIT,
                      module, listener_too, input=files["tcp.yaml"])
    return {"tcp.yaml": made.stdout}


def unforwarded(files):
    """The sidecar's files, where no token goes along with requests."""
    watched = ['"/sidecar/http-filter.yaml"', '"/sidecar/tcp-filter.yaml"', '"/sidecar"']
    made = {name: text.replace('"forward": true', '"forward": false') for name, text in files.items()}
    for place in watched:
        made["tcp.yaml"] = made["tcp.yaml"].replace(place, place.replace("/sidecar", "/own"))
    return made


# What is measured, the sidecar's files of it, and whether the program is started by the shim.
PODS = {
    "without procgate": (lambda files: edited(files, listener_too="yes"), False),
    "with its shim and listener filters": (edited, True),
    "and a plugin that does nothing": (lambda files: edited(files, "/noop.wasm"), True),
    "or procgate, nothing forwarded": (unforwarded, True),
    "or procgate, as the demo has it": (None, True),
}


class MeasuredPod:
    """One of the pods. What is there of it, on failure too, stays until `end`."""

    def __init__(self, number, files, shim):
        self.name = f"procgate-demo-latency-{number}"
        self.port = engine.PORT + 1 + number
        self.folder = engine.OUT / self.name
        self.took = []
        self.number, self.files, self.shim = number, files, shim

    def start(self, part, *words, detached=True):
        ran = engine.run("docker", "run", *(["--detach"] if detached else []), "--name", f"{self.name}-{part}", *CONFINED, *words)
        if ran.returncode != 0:
            raise engine.Refusal(f"a pod to measure does not start: {engine.last_line(ran.stderr)}")

    def begin(self, environment):
        """As compose.yaml has the pod."""
        self.folder.mkdir(exist_ok=True)
        for name, text in (self.files or {}).items():
            (self.folder / name).write_text(text)
        inside = ["--network", f"container:{self.name}-pod"]
        volumes = [f"{self.folder}:/own:ro", "procgate-demo_sidecar:/sidecar:ro"]
        if NOOP.exists():
            volumes.append(f"{NOOP}:/noop.wasm:ro")
        self.start("pod", "--network", "procgate-demo_mesh", "--ip", f"10.77.0.{100 + self.number}", "--publish",
                   f"127.0.0.1:{self.port}:8080", "--init", "procgate-demo-programs", "sleep", "infinity")
        self.start("rules", *inside, "--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW", "--tmpfs", "/run",
                   "procgate-demo-programs", "rules", detached=False)
        self.start("sidecar", *inside, *(word for volume in volumes for word in ("--volume", volume)), "procgate-sidecar",
                   "--config-path", "/own/tcp.yaml" if self.files else "/sidecar/tcp.yaml")
        program = [*environment, "procgate-demo-app"] if self.shim else ["--entrypoint", "/app/checkout.py", "procgate-demo-app"]
        self.start("app", *inside, "--user", "1000:1000", "--volume", "procgate-demo_tls:/run/tls:ro", "--volume",
                   "procgate-demo_app:/run/procgate:ro", "--tmpfs", "/tmp", *program)
        retry = ["curl", "-s", "--retry", "60", "--retry-delay", "1", "--retry-all-errors", "--fail", "-o", "/dev/null"]
        # The program, and Envoy's admin interface.
        serving = engine.run("docker", "exec", f"{self.name}-app", *retry, "http://127.0.0.1:8080/healthy", "-o", "/dev/null",
                             "http://127.0.0.1:9901/ready")
        if serving.returncode != 0:
            raise engine.Refusal(f"a pod to measure does not serve: see docker logs {self.name}-app")

    def turn(self):
        measured = call("measure", port=self.port, url=URL, requests=REQUESTS)
        if "took" not in measured:
            raise engine.Refusal(f"a pod to measure is not served: {measured['error']}")
        self.took += measured["took"]

    def end(self):
        engine.run("docker", "rm", "--force", *(f"{self.name}-{part}" for part in ("app", "sidecar", "rules", "pod")))
        shutil.rmtree(self.folder, ignore_errors=True)


def compare():
    """For each title the median in microseconds; the first is the pod without procgate."""
    cat = ["run", "--rm", "-T", "--no-deps", "--entrypoint", "cat", "setup"]
    files = {name: engine.compose(*cat, f"/sidecar/{name}").stdout for name in ("tcp.yaml", "http-filter.yaml", "tcp-filter.yaml")}
    variables = json.loads(engine.run("docker", "inspect", "--format", "{{json .Config.Env}}", "procgate-demo-app-1").stdout)
    environment = [word for one in variables if one.startswith("PROCGATE_") for word in ("--env", one)]
    chosen = {title: of for title, of in PODS.items() if NOOP.exists() or "does nothing" not in title}
    pods = {title: MeasuredPod(number, make and make(files), shim) for number, (title, (make, shim)) in enumerate(chosen.items())}
    engine.compose("pause", *BYSTANDERS)
    try:
        for pod in pods.values():
            pod.end()
            pod.begin(environment)
        order = list(pods.values())
        for _ in range(ROUNDS):
            for pod in order:
                pod.turn()
            order = order[1:] + order[:1]
    finally:
        for pod in pods.values():
            pod.end()
        engine.compose("unpause", *BYSTANDERS)
    return {title: statistics.median(pod.took) for title, pod in pods.items()}


def table(medians):
    """The lines for people."""
    first = next(iter(medians.values()))
    yield f"a request on a kept connection, p50 of {ROUNDS * REQUESTS:,}"
    for title, median in medians.items():
        yield f"   {title:36}{median:6.0f} us {median - first:+6.0f} us {(median / first - 1) * 100:+6.1f} %"
