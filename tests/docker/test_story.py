"""The demo as a whole, and the images. `make test-docker` runs it, once they are built."""

import time
import unittest

from harness import engine, play

# docs/demo.md states them.
MOST_SECONDS = 60
MOST_BYTES = {"procgate-shim": 5_000_000, "procgate-sidecar": 150_000_000}


class Story(unittest.TestCase):
    def test_every_beat_is_as_promised_and_nothing_is_left(self):
        began = time.monotonic()
        played = play()
        took = time.monotonic() - began
        self.assertEqual(played.returncode, 0, played.stdout + played.stderr)
        self.assertNotIn("NOT", played.stdout)
        self.assertEqual(played.stdout.count("\n   ok "), 30, played.stdout)
        self.assertLess(took, MOST_SECONDS)
        page = (engine.OUT / "graph.html").read_text()
        self.assertIn("checkout-charges", page)
        self.assertEqual(engine.left_over(), [])

    def test_images_are_as_small_as_stated(self):
        for image, most in MOST_BYTES.items():
            size = int(engine.run("docker", "image", "inspect", "--format", "{{.Size}}", image).stdout)
            self.assertLess(size, most, image)

    def test_shim_plugin_and_sidecar_have_no_shell_and_are_not_root(self):
        for image in ("procgate-shim", "procgate-plugin", "procgate-sidecar"):
            shell = engine.run("docker", "run", "--rm", "--entrypoint", "/bin/sh", image, "-c", "true")
            self.assertNotEqual(shell.returncode, 0, image)
        for image in ("procgate-shim", "procgate-plugin", "procgate-sidecar"):
            user = engine.run("docker", "image", "inspect", "--format", "{{.Config.User}}", image).stdout.strip()
            self.assertNotIn(user, ("", "0", "root"), image)


if __name__ == "__main__":
    unittest.main()
