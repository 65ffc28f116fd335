"""The demo as its tests find it: where its modules are, how people call it, and profiles for its containers."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "demo" / "story"))

import engine  # noqa: E402

RUN = ROOT / "demo" / "run.sh"
# ENOSYS of linux/errno.h: what a kernel answers to a call that it does not have.
NO_SUCH_CALL = 38


def play(*options, run=RUN, who=None, **environment):
    """demo/run.sh, as people call it; `who` are subprocess's words for another user."""
    return subprocess.run([run, *options], capture_output=True, text=True, check=False, timeout=300,
                          env=os.environ | environment, **(who or {}))


def profile(test, *less, error=1):
    """An engine's word for a seccomp profile: its default as the shim's tests have it, in which these calls fail with
    this errno of linux/errno.h.
    """
    calls = (ROOT / "shim/tests/run/docker-calls.txt").read_text().split() + ["clone", "personality"]
    answers = [
        {"names": [call for call in calls if call not in less], "action": "SCMP_ACT_ALLOW"},
        {"names": less, "action": "SCMP_ACT_ERRNO", "errnoRet": error},
        # No such call, so that C libraries take clone.
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": NO_SUCH_CALL},
    ]
    file = tempfile.NamedTemporaryFile("w", suffix=".json")
    test.addCleanup(file.close)
    json.dump({"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": answers}, file)
    file.flush()
    return f"seccomp={file.name}"
