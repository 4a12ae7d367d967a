# SPDX-License-Identifier: Apache-2.0
"""The simulator's API server is worth something only if it answers as a real one.

tests/sim/conformance/scripts are questions with the answers that a real server gave. The
unit tests ask the simulator's; here the real one is asked again."""

import os
import pathlib
import secrets
import subprocess

import pytest

import kube

HERE = kube.ROOT / "tests" / "sim" / "conformance"


@pytest.fixture
def program():
    """hack/test e2e builds it; whoever runs pytest alone has it from a build of the tree."""
    for build in ("test", "dev", "asan"):
        path = kube.ROOT / "build" / build / "tests" / "sim" / "conformance" / "sim_conformance"
        if path.exists():
            return path
    pytest.skip("build the tree first: meson setup build/dev && ninja -C build/dev")


@pytest.fixture
def widgets():
    """A kind that nobody but the scripts knows."""
    kube.kubectl("apply", "-f", str(HERE / "widgets.yaml"))
    kube.kubectl("wait", "--for", "condition=Established", "--timeout=30s", "crd/widgets.sim.keelson.dev")
    yield
    kube.kubectl("delete", "-f", str(HERE / "widgets.yaml"), "--ignore-not-found", timeout=120)


def ask(program, script):
    """What differs, or nothing."""
    namespace = f"sim-{script.stem}-{secrets.token_hex(3)}"
    kube.kubectl("create", "namespace", namespace)
    try:
        done = subprocess.run(
            [program, "real", script],
            env={**os.environ, "KEELSON_SIM_NAMESPACE": namespace},
            capture_output=True,
            text=True,
            timeout=600,
        )
    finally:
        kube.delete("namespace", namespace, wait=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_real_server_answers_as_the_scripts_say(program, widgets):
    scripts = sorted(pathlib.Path(HERE / "scripts").glob("*.txt"))
    assert len(scripts) >= 5
    failed = [text for text in (ask(program, script) for script in scripts) if text]
    assert not failed, "\n".join(failed)
