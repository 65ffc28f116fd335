"""What is in the way is told in one line, and nothing is left half up. `make test-docker` runs it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from harness import NO_SUCH_CALL, ROOT, RUN, engine, play, profile

# Of before engine.OLDEST_COMPOSE.
OLD_COMPOSE = "2.19.1"
INTERRUPTED = 130
NOBODY = {"user": 65534, "group": 65534, "extra_groups": []}


class Refusals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        engine.down()

    def assert_told(self, played, code, told):
        """One line, which says this, and nothing else."""
        self.assertEqual((played.returncode, played.stdout), (code, ""), played.stderr)
        self.assertIn(told, played.stderr)
        self.assertEqual(played.stderr.count("\n"), 1, played.stderr)

    def assert_refused(self, told, **options):
        self.assert_told(play(**options), 2, told)
        self.assertEqual(engine.left_over(), [])

    def folder(self):
        """A folder for the length of the test, which everybody may read."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        Path(folder.name).chmod(0o755)
        return Path(folder.name)

    def forbidden_engine(self):
        """A socket of an engine that the kernel keeps from whoever is not root."""
        place = self.folder() / "docker.sock"
        taken = socket.socket(socket.AF_UNIX)
        self.addCleanup(taken.close)
        taken.bind(str(place))
        place.chmod(0)
        return f"unix://{place}"

    def for_nobody(self, *names):
        """These of this checkout, where somebody without rights may run them, and who that is."""
        place = self.folder()
        for name in names:
            shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("out", "__pycache__"))
        return place, NOBODY if os.getuid() == 0 else {}

    def test_no_docker_command(self):
        folder = self.folder()
        for name in ("python3", "dirname"):
            (folder / name).symlink_to(shutil.which(name))
        self.assert_refused("no docker command", PATH=str(folder))

    def test_no_engine(self):
        self.assert_refused("no engine answers", DOCKER_HOST="unix:///nonexistent/docker.sock")

    def test_an_engine_that_is_not_permitted(self):
        place, nobody = self.for_nobody("demo")
        self.assert_refused("may not use the engine", run=place / "demo/run.sh", who=nobody,
                            DOCKER_HOST=self.forbidden_engine(), DOCKER_CONFIG=str(place))

    def with_docker(self, host):
        """What `make demo-docker` runs, by somebody who may not install anything."""
        place, nobody = self.for_nobody("scripts")
        environment = {name: value for name, value in os.environ.items() if name != "CI"}
        return subprocess.run([place / "scripts/with-docker", "true"], capture_output=True, text=True, check=False, **nobody,
                              env=environment | {"DOCKER_HOST": host, "DOCKER_CONFIG": str(place), "HOME": str(place)})

    def test_make_demo_docker_where_no_engine_can_be_started(self):
        self.assert_told(self.with_docker("unix:///nonexistent/docker.sock"), 1, "Start one (systemctl start docker)")

    def test_make_demo_docker_with_an_engine_that_is_not_permitted(self):
        self.assert_told(self.with_docker(self.forbidden_engine()), 1, "join the group docker")

    def test_an_old_compose(self):
        """A plugin of docker's, which says of itself what such a Compose says: none is to be had as a package."""
        plugin = self.folder() / "cli-plugins/docker-compose"
        plugin.parent.mkdir()
        about = json.dumps({"SchemaVersion": "0.1.0", "Vendor": "Docker Inc.", "Version": OLD_COMPOSE})
        plugin.write_text(f"#!/bin/sh\n[ $1 = docker-cli-plugin-metadata ] && echo '{about}' || echo {OLD_COMPOSE}\n")
        plugin.chmod(0o755)
        self.assert_refused(f"docker compose is {OLD_COMPOSE}: 2.20 or newer", DOCKER_CONFIG=str(plugin.parent.parent))

    def test_no_compose(self):
        """As with Debian's docker-compose, which is 1.29: that is no plugin of docker's."""
        without = str(self.folder())
        if engine.run("docker", "--config", without, "compose", "version").returncode == 0:
            self.skipTest("this machine's docker brings Compose along for everybody")
        self.assert_refused("docker compose is missing: 2.20 or newer", DOCKER_CONFIG=without)

    def test_an_image_that_is_missing(self):
        image, kept = "procgate-demo-setup", "procgate-test-kept"
        engine.run("docker", "tag", image, kept)
        self.addCleanup(engine.run, "docker", "rmi", kept)
        self.addCleanup(engine.run, "docker", "tag", kept, image)
        engine.run("docker", "rmi", image)
        self.assert_refused(f"no image {image}: `docker compose")

    def test_a_kernel_that_lacks_what_the_shim_needs(self):
        for call, told in [("pidfd_open", "pidfd_open: Function not implemented"), ("seccomp", "Linux be 5.19 or later")]:
            with self.subTest(call):
                lacking = profile(self, call, error=NO_SUCH_CALL)
                docker = self.folder() / "docker"
                # As an engine on such a kernel: no container has the call.
                docker.write_text(f"#!/bin/sh\nreal={shutil.which('docker')}\n[ $1 = run ] || exec $real \"$@\"\nshift\n"
                                  f"exec $real run --security-opt {lacking} \"$@\"\n")
                docker.chmod(0o755)
                self.assert_refused(told, PATH=f"{docker.parent}:{os.environ['PATH']}")

    def test_a_port_that_is_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            self.assert_refused("is taken", PROCGATE_DEMO_PORT=str(taken.getsockname()[1]))

    def test_a_network_that_is_taken(self):
        self.addCleanup(engine.run, "docker", "network", "rm", "procgate-test-taken")
        engine.run("docker", "network", "create", "--subnet", "10.77.0.0/16", "procgate-test-taken")
        self.assert_refused("does not start")

    def test_a_name_that_is_taken(self):
        """Compose has then made most of the pod."""
        self.addCleanup(engine.run, "docker", "rm", "procgate-demo-app-1")
        # Compose has labelled its images, and containers inherit that.
        foreign = ["--label", "com.docker.compose.project="]
        engine.run("docker", "create", *foreign, "--name", "procgate-demo-app-1", "procgate-demo-app")
        self.assert_refused("does not start")

    def test_whoever_is_interrupted_on_the_way_takes_everything_down(self):
        played = subprocess.Popen([RUN], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while not engine.left_over() and time.monotonic() < deadline and played.poll() is None:
            time.sleep(0.05)
        self.assertNotEqual(engine.left_over(), [])
        played.send_signal(signal.SIGTERM)
        _, errors = played.communicate(timeout=120)
        self.assertEqual((played.returncode, errors), (INTERRUPTED, "demo: interrupted; everything is taken down\n"))
        self.assertEqual(engine.left_over(), [])


if __name__ == "__main__":
    unittest.main()
