"""Plays the demo: eight beats, each with what was tried, what happened, why, and the id of the record. Ends with 1 if
anything is not as promised, with 2 if there is nothing to play with.
"""

import argparse
import os
import signal
import sys
import time

import engine
import latency
from beats import BEATS
from engine import Log, Refusal, complain, say
from pod import Pod


def play(pod):
    """How many attempts there were, and how many of them were as promised."""
    tried = kept = 0
    for number, beat in enumerate(BEATS, 1):
        say(f"\n{number}. {beat.__doc__}")
        for attempt in beat(pod):
            say(attempt.describe())
            tried += 1
            kept += attempt.kept
    return tried, kept


def draw(pod):
    """Writes the page that shows who reaches what, at both proxies."""
    pod.sidecar.write("checkout.log")
    pod.receiver.write("ledger.log")
    drawn = engine.once("tools", "graph", "--policy", "proposed.yaml", "--out", "graph.html", "checkout.log", "ledger.log")
    if drawn.returncode != 0:
        raise Refusal(f"the page cannot be drawn: {engine.last_line(drawn.stderr)}")


def main():
    options = argparse.ArgumentParser(prog="demo/run.sh", description="Plays the demo of procgate in containers.")
    options.add_argument("--keep", action="store_true", help="leave everything up to play with")
    options.add_argument("--latency", action="store_true", help="measure also what procgate adds to a request")
    options = options.parse_args()
    began = time.monotonic()
    os.environ.setdefault("PROCGATE_DEMO_USER", f"{os.getuid()}:{os.getgid()}")
    engine.check()
    try:
        engine.up()
        say(f"a pod of containers is up and healthy after {time.monotonic() - began:.0f} s")
        pod = Pod(Log("sidecar"), Log("receiver"))
        tried, kept = play(pod)
        draw(pod)
        pod.close()
        say(f"\n{kept} of {tried} as promised, {time.monotonic() - began:.0f} s after the images were there")
        if options.latency:
            for line in latency.table(latency.compare()):
                say(line)
    except BaseException:
        engine.down()
        raise
    say(f"who reaches what, as a page: {engine.OUT / 'graph.html'}")
    if options.keep:
        say(KEPT.format(port=engine.PORT))
    else:
        engine.down()
    return 0 if tried == kept else 1


KEPT = """
It stays up, with http://127.0.0.1:{port} as the approved program:
  curl http://127.0.0.1:{port}/ask -d '{{"url": "http://payments/charge/1", "method": "POST"}}'
  docker compose -f demo/compose.yaml exec neighbour curl -XPOST http://payments/charge/1
  docker compose -f demo/compose.yaml logs -f sidecar
A container of your own in this pod:
  docker run --rm -it --network container:procgate-demo-pod-1 IMAGE
Another policy: edit demo/out/proposed.yaml, then
  docker compose -f demo/compose.yaml run --rm --no-deps setup apply /out/proposed.yaml
Your own compose file: docs/demo.md. To take it down:
  docker compose -f demo/compose.yaml down --volumes"""


def interrupt(*_):
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupt)
    try:
        sys.exit(main())
    except Refusal as refusal:
        complain(refusal)
        sys.exit(2)
    except KeyboardInterrupt:
        complain("interrupted; everything is taken down")
        sys.exit(130)
