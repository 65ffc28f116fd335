"""The demo's containers under an engine's own restrictions. `make test-docker` runs it, once the images are built."""

import json
import subprocess
import threading
import unittest
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

from harness import engine, profile

import latency
from pod import Pod, app_asks, curl, in_container

POD, APP, SIDECAR = "procgate-demo-pod-1", "procgate-demo-app-1", "procgate-demo-sidecar-1"
CHARGE = "http://payments/charge/1"
REFUND = curl("http://payments/refund/1", program="/app/bin/refund")
# As compose.yaml confines the approved container.
CONFINED = ["--user", "1000:1000", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"]
REFUSED = 125


class Containers(unittest.TestCase):
    """One pod for all of them."""

    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(engine.down)
        engine.down()
        engine.up()
        variables = json.loads(engine.run("docker", "inspect", "--format", "{{json .Config.Env}}", APP).stdout)
        cls.environment = [word for variable in variables if variable.startswith("PROCGATE_") for word in ("--env", variable)]

    def setUp(self):
        self.pod = Pod(engine.Log("sidecar"), engine.Log("receiver"))
        self.addCleanup(self.pod.close)

    def started(self, options, command=REFUND, environment=()):
        """Another container with the approved one's image and key, in the pod's network."""
        return engine.run("docker", "run", "--rm", "--network", f"container:{POD}", "--volume",
                          "procgate-demo_app:/run/procgate:ro", *self.environment, *environment, *options,
                          "procgate-demo-app", *command)

    def assert_admitted(self, options, environment=()):
        def send():
            ran = self.started(options, environment=environment)
            self.log = ran.stderr
            return ran.stdout.strip() or ran.stderr
        attempt = self.pod.request("refund", "200 allowed", send)
        self.assertTrue(attempt.kept, attempt.describe())

    def assert_serves(self):
        attempt = self.pod.request("app", "200 allowed", lambda: app_asks(CHARGE))
        self.assertTrue(attempt.kept, attempt.describe())
        attempt = self.pod.request("neighbour", "403 no-identity", lambda: in_container("neighbour", *curl(CHARGE)))
        self.assertTrue(attempt.kept, attempt.describe())

    def wait_until_healthy(self, service):
        """What compose itself waits for."""
        waited = engine.compose("up", "--detach", "--wait", "--no-build", "--no-deps", "--no-recreate", service)
        self.assertEqual(waited.returncode, 0, waited.stderr)

    def test_the_engine_s_default_profile_and_uid_1000_without_capabilities(self):
        about = json.loads(engine.run("docker", "inspect", APP).stdout)[0]
        self.assertEqual(about["HostConfig"]["SecurityOpt"], ["no-new-privileges"])
        self.assertEqual((about["Config"]["User"], about["HostConfig"]["CapDrop"]), ("1000:1000", ["ALL"]))
        self.assertIn("mode own-socket", engine.run("docker", "logs", APP).stderr)
        self.assert_admitted(CONFINED)
        self.assertIn("mode own-socket", self.log)

    def test_uid_0_with_the_engine_s_default_capabilities(self):
        self.assert_admitted(["--user", "0:0"])

    def test_a_shim_that_starts_as_root_keeps_its_key_from_the_program(self):
        keep = "install -m 0400 -o 0 -g 0 /run/procgate/key.jwk /kept/key.jwk"
        volume = ["--volume", "procgate-test-key:/kept"]
        self.addCleanup(engine.run, "docker", "volume", "rm", "--force", "procgate-test-key")
        made = self.started(["--user", "0:0", "--entrypoint", "sh", *volume], ["-c", keep])
        self.assertEqual(made.returncode, 0, made.stderr)
        only = ["--user", "0:0", "--cap-drop", "ALL", "--cap-add", "SETUID", "--cap-add", "SETGID", "--security-opt",
                "no-new-privileges", "--read-only", *volume]
        drops = ["--env", "PROCGATE_USER=1000:1000", "--env", "PROCGATE_STRICT=true"]
        self.assert_admitted(only, [*drops, "--env", "PROCGATE_KEY=/kept/key.jwk"])
        self.assertNotIn("can be read by the program", self.log)
        readable = self.started(["--user", "1000:1000"], environment=drops[2:])
        self.assertEqual(readable.returncode, REFUSED, readable.stderr)

    def test_a_stricter_profile(self):
        debugging = ["ptrace", "process_mrelease", "io_uring_setup", "io_uring_enter", "io_uring_register", "memfd_secret"]
        self.assert_admitted([*CONFINED, "--security-opt", profile(self, *debugging)])

    def test_a_profile_without_seccomp_is_refused_before_the_program_starts(self):
        mark = self.pod.sidecar.mark()
        refused = self.started([*CONFINED, "--security-opt", profile(self, "seccomp")])
        self.assertEqual((refused.returncode, refused.stdout), (REFUSED, ""), refused.stderr)
        self.assertIn("seccomp", engine.last_line(refused.stderr))
        self.assertEqual(self.pod.sidecar.mark(), mark)

    def test_another_s_process_namespace(self):
        self.assert_admitted([*CONFINED, "--pid", f"container:{APP}"])

    def test_the_engine_s_init(self):
        self.assert_admitted([*CONFINED, "--init"])

    def test_a_program_s_exit_code_is_the_container_s(self):
        self.assertEqual(self.started(CONFINED, ["sh", "-c", "exit 7"]).returncode, 7)
        self.assertEqual(self.started(CONFINED, ["/no/such/program"]).returncode, 127)

    def test_docker_stop_reaches_the_program(self):
        name = "procgate-test-stop"
        self.addCleanup(engine.run, "docker", "rm", "--force", name)
        waits = "trap 'echo stopping; exit 3' TERM; echo waiting; while :; do sleep 1 & wait $!; done"
        engine.run("docker", "run", "--detach", "--name", name, "--volume", "procgate-demo_app:/run/procgate:ro",
                   *self.environment, *CONFINED, "procgate-demo-app", "sh", "-c", waits)
        follow = subprocess.Popen(["docker", "logs", "--follow", name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                  text=True)
        self.assertEqual(follow.stdout.readline(), "waiting\n")
        engine.run("docker", "stop", "--time", "20", name)
        self.assertEqual(follow.communicate(timeout=20)[0], "stopping\n")
        self.assertEqual(engine.run("docker", "inspect", "--format", "{{.State.ExitCode}}", name).stdout.strip(), "3")

    def test_the_shim_cannot_be_killed_from_within_and_without_it_nothing_connects(self):
        in_container("app", "sh", "-c", "kill -KILL 1")
        self.assert_serves()
        # With another's process namespace the shim is not the first process: it can be killed.
        program = ("import os, signal, subprocess, sys; ask = sys.argv[1:]; subprocess.run(ask); "
                   "os.kill(os.getppid(), signal.SIGKILL); subprocess.run(ask)")
        mark = self.pod.sidecar.mark()
        ended = self.started([*CONFINED, "--pid", f"container:{APP}"], ["/usr/bin/python3.11", "-c", program, *REFUND])
        self.assertEqual((ended.returncode, ended.stdout[:3]), (137, "200"), ended.stderr)
        self.assertNotIn("200", ended.stdout[3:])
        self.assert_serves()
        allowed = [record for record in self.pod.sidecar.records[mark:] if record.get("process") == "refund"]
        self.assertEqual(len(allowed), 1)

    def test_the_approved_container_restarts(self):
        self.assertEqual(engine.run("docker", "restart", "--time", "5", APP).returncode, 0)
        self.wait_until_healthy("app")
        self.assert_serves()

    def test_the_sidecar_restarts_under_traffic_and_nobody_slips_through(self):
        over = threading.Event()
        def ask_on(send, statuses):
            while not over.is_set():
                statuses.append(send())
        by_app, by_neighbour = [], []
        askers = [threading.Thread(target=ask_on, args=(lambda: app_asks(CHARGE), by_app)),
                  threading.Thread(target=ask_on, args=(lambda: in_container("neighbour", *curl(CHARGE)), by_neighbour))]
        for asker in askers:
            asker.start()
        try:
            restarted = engine.run("docker", "restart", "--time", "5", SIDECAR)
            self.wait_until_healthy("sidecar")
        finally:
            over.set()
            for asker in askers:
                asker.join()
        self.assertEqual(restarted.returncode, 0, restarted.stderr)
        # Both were at it before and after, and while there was no sidecar nobody got an answer of the upstream's.
        self.assertLessEqual({"403"}, set(by_neighbour), Counter(by_neighbour))
        self.assertLessEqual(set(by_neighbour), {"403", "000", "503"}, Counter(by_neighbour))
        self.assertLessEqual({200}, set(by_app), Counter(by_app))
        self.assertLessEqual(set(by_app), {200, 503, None}, Counter(by_app))
        self.pod.close()
        self.pod = Pod(engine.Log("sidecar"), engine.Log("receiver"))
        self.addCleanup(self.pod.close)
        self.assert_serves()

    def test_200_connections_at_once_while_the_neighbour_hammers(self):
        hammer = ("import http.client, collections\nfrom concurrent.futures import ThreadPoolExecutor\n"
                  "def ask(_):\n"
                  "    c = http.client.HTTPConnection('payments', timeout=20); c.request('POST', '/charge/1')\n"
                  "    return c.getresponse().status\n"
                  "print(*set(ThreadPoolExecutor(32).map(ask, range(1000))))")
        with ThreadPoolExecutor(201) as crowd:
            neighbour = crowd.submit(in_container, "neighbour", "python3", "-c", hammer)
            app = [crowd.submit(app_asks, CHARGE) for _ in range(200)]
            statuses = Counter(asked.result() for asked in app)
            self.assertEqual(neighbour.result(), "403")
        self.assertEqual(statuses, {200: 200})

    def test_every_pod_of_the_latency_table_serves_and_none_stays(self):
        with mock.patch.multiple(latency, ROUNDS=2, REQUESTS=10):
            medians = latency.compare()
        self.assertGreaterEqual(len(medians), 4)
        self.assertGreater(min(medians.values()), 0)
        self.assertEqual(engine.run("docker", "ps", "--all", "--quiet", "--filter", "name=latency").stdout, "")
        self.assert_serves()


if __name__ == "__main__":
    unittest.main()
