"""docs/demo.md's five steps, followed to the letter with a compose file that knows nothing of procgate."""

import json
import re
import subprocess
import tempfile
import textwrap
import time
import unittest
from pathlib import Path

from harness import ROOT, engine

PROJECT = "procgate-test-own"
SUBJECT = "spiffe://shop.example/host/pod/container/app"
# What `learn` takes for more than a rarity.
ENOUGH = 5
LONGEST_WAIT = 60

OWN = {
    "compose.yaml": f"""
        name: {PROJECT}
        services:
          app: {{build: ., image: my-app}}
          shop: {{image: procgate-demo-programs, init: true, command: [python3, -m, http.server, "80"], working_dir: /var}}
        """,
    "Dockerfile": """
        FROM procgate-demo-programs
        COPY buyer.py /buyer.py
        CMD ["python3", "/buyer.py"]
        """,
    "buyer.py": """
        import time, urllib.request
        while True:
            try:
                print(urllib.request.urlopen("http://shop/lib", timeout=5).status, flush=True)
            except OSError as error:
                print(error, flush=True)
            time.sleep(0.2)
        """,
}


def blocks():
    """The page's blocks in the order of its steps: (language, text)."""
    page = (ROOT / "docs/demo.md").read_text()
    section = re.search(r"^## In front of your own compose file$(.*?)^## ", page, re.MULTILINE | re.DOTALL)[1]
    return [(language, textwrap.dedent(text))
            for language, text in re.findall(r"^ *```(\w+)\n(.*?)^ *```$", section, re.MULTILINE | re.DOTALL)]


class OwnPod(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        for name, text in OWN.items():
            (self.folder / name).write_text(textwrap.dedent(text))
        self.addCleanup(engine.run, "docker", "rmi", "--force", "my-app")
        self.addCleanup(self.compose, "down", "--volumes", "--remove-orphans", "--timeout", "1")

    def compose(self, *words):
        return engine.run("docker", "compose", "--project-directory", str(self.folder), *words)

    def shell(self, text, folder):
        """Runs it as if it were typed into the shell of the block before."""
        known = self.folder / ".functions"
        known.touch()
        ran = subprocess.run(["bash", "-euo", "pipefail", "-c", f"source {known}\n{text}\ndeclare -f >{known}"], cwd=folder,
                             capture_output=True, text=True, check=False, timeout=300)
        self.assertEqual(ran.returncode, 0, f"{text}\n{ran.stdout}{ran.stderr}")

    def records(self, fits):
        """The sidecar's records that fit, once there are enough."""
        deadline = time.monotonic() + LONGEST_WAIT
        while True:
            lines = self.compose("logs", "--no-log-prefix", "sidecar").stdout.splitlines()
            logged = [json.loads(line)["procgate"] for line in lines if line.startswith("{")]
            found = [record for record in map(json.loads, filter(None, logged)) if fits(record)]
            if len(found) >= ENOUGH:
                return found
            self.assertLess(time.monotonic(), deadline, "\n".join(lines[-5:]) + self.compose("logs", "app").stdout[-500:])
            time.sleep(0.5)

    def test_the_page_s_five_steps(self):
        images, dockerfile, key, policy, pod, up, enforce = blocks()
        self.assertEqual([language for language, _ in (images, dockerfile, key, policy, pod, up, enforce)],
                         ["sh", "dockerfile", "sh", "sh", "yaml", "sh", "sh"])
        self.shell(images[1], ROOT)
        with (self.folder / "Dockerfile").open("a") as file:
            file.write(dockerfile[1])
        self.shell(key[1], self.folder)
        self.shell(policy[1], self.folder)
        (self.folder / "compose.override.yaml").write_text(pod[1])
        self.shell(up[1], self.folder)

        seen = self.records(lambda record: record.get("sub") == SUBJECT)
        self.assertEqual({(record["mode"], record["reason"]) for record in seen}, {("audit", "unknown-process")})
        self.assertTrue(all(record["code"] and record["destination"]["host"] == "shop" for record in seen), seen[0])

        self.shell(enforce[1], self.folder)
        seen = self.records(lambda record: record["mode"] == "enforce")
        self.assertEqual({(record["sub"], record["reason"]) for record in seen}, {(SUBJECT, "allowed")})
        stranger = self.compose("exec", "-T", "app", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://shop/lib")
        self.assertEqual(stranger.stdout, "403", stranger.stderr)
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "1")
        self.assertEqual(engine.left_over(PROJECT), [])


if __name__ == "__main__":
    unittest.main()
