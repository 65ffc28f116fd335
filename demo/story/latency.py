"""What procgate adds to a request: the approved program asks over a connection that it keeps, in its pod and in the same
pod without procgate (no shim, and Envoy without plugin, tokens and PROXY preface), in turns.
"""

import statistics

import engine
from pod import call

# Many short turns: whatever else the machine does meanwhile falls on both alike.
ROUNDS, REQUESTS = 200, 100
URL = "http://payments/charge/1"
PLAIN = "procgate-demo-plain"
PORT = engine.PORT + 1
CONFINED = ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"]
# The sidecar's configuration, without whatever is there for procgate.
WITHOUT = """
import sys, yaml
config = yaml.safe_load(sys.stdin)
listener = config['static_resources']['listeners'][0]
ours = ('procgate', 'procgate.source', 'procgate.original_dst', 'envoy.filters.listener.proxy_protocol')
keep = lambda filters: [one for one in filters if one['name'] not in ours]
listener['listener_filters'] = keep(listener['listener_filters'])
for chain in listener['filter_chains'] + [listener['default_filter_chain']]:
    chain['filters'] = keep(chain['filters'])
    manager = chain['filters'][0]['typed_config']
    if 'http_filters' in manager:
        manager['http_filters'] = keep(manager['http_filters'])
yaml.safe_dump(config, sys.stdout)
"""


def start(name, *words, detached=True):
    """Starts a container of the pod without procgate."""
    ran = engine.run("docker", "run", *(["--detach"] if detached else []), "--name", f"{PLAIN}-{name}", *words)
    if ran.returncode != 0:
        raise engine.Refusal(f"the pod without procgate does not start: {engine.last_line(ran.stderr)}")


def end():
    engine.run("docker", "rm", "--force", *(f"{PLAIN}-{name}" for name in ("pod", "rules", "sidecar", "app")))


def begin():
    """The pod without procgate, as compose.yaml has the one with it."""
    config = engine.compose("run", "--rm", "-T", "--no-deps", "--entrypoint", "cat", "setup", "/sidecar/tcp.yaml").stdout
    plain = engine.run("docker", "run", "--rm", "--interactive", "--entrypoint", "python3", "procgate-tools", "-c", WITHOUT,
                       input=config).stdout
    (engine.OUT / "plain.yaml").write_text(plain)
    inside = ["--network", f"container:{PLAIN}-pod"]
    start("pod", "--network", "procgate-demo_mesh", "--ip", "10.77.0.3", "--publish", f"127.0.0.1:{PORT}:8080", "--init",
          *CONFINED, "procgate-demo-programs", "sleep", "infinity")
    start("rules", *inside, *CONFINED, "--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW", "--tmpfs", "/run",
          "procgate-demo-programs", "rules", detached=False)
    start("sidecar", *inside, *CONFINED, "--volume", f"{engine.OUT}/plain.yaml:/plain.yaml:ro", "--volume",
          "procgate-demo_sidecar:/sidecar:ro", "procgate-sidecar", "--config-path", "/plain.yaml")
    start("app", *inside, *CONFINED, "--user", "1000:1000", "--volume", "procgate-demo_tls:/run/tls:ro", "--tmpfs", "/tmp",
          "--entrypoint", "/app/checkout.py", "procgate-demo-app")
    ready = engine.run("docker", "exec", f"{PLAIN}-app", "curl", "-s", "--retry", "60", "--retry-delay", "1",
                       "--retry-all-errors", "--fail", "-XPOST", "-o", "/dev/null", URL)
    serving = engine.run("docker", "exec", f"{PLAIN}-app", "curl", "-s", "--retry", "60", "--retry-delay", "1",
                         "--retry-all-errors", "--fail", "http://127.0.0.1:8080/healthy")
    if ready.returncode or serving.returncode:
        raise engine.Refusal("the pod without procgate does not serve")


def compare():
    """Medians in microseconds: with procgate and without."""
    end()
    try:
        begin()
        took = {engine.PORT: [], PORT: []}
        for turn in range(ROUNDS):
            for port, times in reversed(took.items()) if turn % 2 else took.items():
                times += call("measure", port=port, url=URL, requests=REQUESTS)["took"]
    finally:
        end()
    return statistics.median(took[engine.PORT]), statistics.median(took[PORT])
