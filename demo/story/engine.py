"""The container engine and its compose, by their commands."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

DEMO = Path(__file__).resolve().parent.parent
OUT = DEMO / "out"
PORT = int(os.environ.get("PROCGATE_DEMO_PORT", "8088"))
# The first whose `run` and `up` know everything that compose.yaml says.
OLDEST_COMPOSE = (2, 20)
IMAGES = ["procgate-sidecar", "procgate-tools"] + [f"procgate-demo-{of}" for of in ("setup", "app", "programs", "servers")]
# Until something is there that has to come.
LONGEST_WAIT = 30
# How often in a row nothing is to be found after everything was taken down, and how often it is looked at most.
LOOKS, MOST_LOOKS, SECONDS_BETWEEN_LOOKS = 4, 40, 0.5


class Refusal(Exception):
    """What is in the way, and the remedy, in one line."""


def run(*command, input=None, timeout=120):
    """What came of a command: its code, output and errors.

    Raises Refusal if it takes longer than so many seconds.
    """
    try:
        return subprocess.run(command, input=input, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise Refusal(f"no answer within {timeout} s: {' '.join(command)}") from None


def compose(*words, **options):
    return run("docker", "compose", "--file", str(DEMO / "compose.yaml"), *words, **options)


def last_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"


def check():
    """Whether everything is there that the demo takes. What an earlier run left is taken down.

    Raises Refusal with what is not.
    """
    if not shutil.which("docker"):
        raise Refusal("no docker command: install Docker, or as root on Debian `make demo-docker`")
    about = run("docker", "info", "--format", "{{json .}}")
    errors = about.stderr + about.stdout
    if "permission denied" in errors:
        raise Refusal("this user may not use the engine: run as root, or join the group docker and log in again")
    if about.returncode != 0 or not json.loads(about.stdout).get("KernelVersion"):
        raise Refusal("no engine answers: start it (systemctl start docker), or as root `make demo-docker`")
    version = run("docker", "compose", "version", "--short").stdout.strip()
    numbers = re.match(r"v?(\d+)\.(\d+)", version)
    if not numbers or tuple(map(int, numbers.groups())) < OLDEST_COMPOSE:
        oldest = ".".join(map(str, OLDEST_COMPOSE))
        raise Refusal(f"docker compose is {version or 'missing'}: {oldest} or newer, the package docker-compose-plugin")
    missing = [image for image in IMAGES if run("docker", "image", "inspect", image).returncode != 0]
    if missing:
        build = "docker compose -f demo/compose.yaml --profile images build"
        raise Refusal(f"no image {', '.join(missing)}: `{build}`, or where no registry can be reached `make demo-docker`")
    # Not labelled as part of the demo, which its image is: it ends by itself.
    confined = ["--network", "none", "--user", "1000:1000", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    shim = run("docker", "run", "--rm", "--label", "com.docker.compose.project=", *confined,
               "--entrypoint", "/procgate-shim", "procgate-demo-app", "check", "--output", "json")
    if not shim.stdout.startswith("{"):
        raise Refusal(f"the engine runs no container: {last_line(shim.stderr)}")
    for fact in json.loads(shim.stdout)["facts"]:
        if not fact["ok"] and (fact["needed"] or fact["what"] == "making the program's sockets"):
            raise Refusal(f"the shim cannot work here: {fact['what']}: {fact['found']}; {fact['meaning']}")
    down()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            raise Refusal(f"port {PORT} of 127.0.0.1 is taken: PROCGATE_DEMO_PORT=18088 demo/run.sh") from None


def up():
    """Starts everything, and waits until it is healthy; `down` takes it down, also what of it is up on failure.

    Raises Refusal with what compose says.
    """
    OUT.mkdir(exist_ok=True)
    started = compose("up", "--detach", "--wait", "--no-build", "setup", "app", "neighbour", "ledger")
    if started.returncode != 0:
        raise Refusal(f"the pod does not start: {last_line(started.stderr)}")


def left_over(project="procgate-demo"):
    """Containers, volumes and networks of a compose project."""
    label = f"label=com.docker.compose.project={project}"
    listed = [run("docker", *what, "--quiet", "--filter", label).stdout
              for what in (["ps", "--all"], ["volume", "ls"], ["network", "ls"])]
    return "".join(listed).split()


def down():
    """Takes everything down, with its volumes."""
    everything = ["--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "5"]
    compose(*everything)
    # What a compose that failed or was interrupted had asked for, the engine still makes.
    found = []
    while len(found) < MOST_LOOKS and (len(found) < LOOKS or any(found[-LOOKS:])):
        time.sleep(SECONDS_BETWEEN_LOOKS)
        found.append(bool(left_over()))
        if found[-1]:
            compose(*everything)


def execute(service, *command, user=None):
    """Runs a command in a running container."""
    return compose("exec", "-T", *(["--user", user] if user else []), service, *command)


def once(service, *command):
    """Runs a container of its own, which goes once its exit code is known: Podman's API forgets that with --rm."""
    name = f"procgate-demo-once-{os.getpid()}"
    try:
        return compose("run", "--name", name, "-T", "--no-deps", service, *command)
    finally:
        run("docker", "rm", "--force", name)


class Log:
    """The records of an Envoy's access log, as they come."""

    def __init__(self, service):
        container = compose("ps", "--quiet", service).stdout.strip()
        there = run("docker", "logs", container).stdout.count("\n")
        self.lines = []
        self.records = []
        self.news = threading.Condition()
        self.process = subprocess.Popen(["docker", "logs", "--follow", container], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.follower = threading.Thread(target=self.follow, daemon=True)
        self.follower.start()
        # What was there before is nobody's answer.
        with self.news:
            self.news.wait_for(lambda: len(self.lines) >= there, LONGEST_WAIT)

    def follow(self):
        for line in self.process.stdout:
            entry = json.loads(line)
            with self.news:
                self.lines.append(line)
                if entry["procgate"]:
                    self.records.append(json.loads(entry["procgate"]))
                self.news.notify_all()

    def mark(self):
        """Where the log ends now."""
        with self.news:
            return len(self.records)

    def since(self, mark, fits):
        """The first record after the mark that fits. Nothing if none comes."""
        found = None

        def come():
            nonlocal found
            found = next((record for record in self.records[mark:] if fits(record)), None)
            return found

        with self.news:
            self.news.wait_for(come, LONGEST_WAIT)
        return found

    def write(self, name):
        """Saves the log as it is now, in the folder for people."""
        with self.news:
            (OUT / name).write_text("".join(self.lines))

    def close(self):
        self.process.terminate()
        self.follower.join()
        self.process.stdout.close()
        self.process.wait()


def say(text=""):
    print(text, flush=True)


def complain(text):
    print(f"demo: {text}", file=sys.stderr, flush=True)
