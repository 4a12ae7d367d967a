# SPDX-License-Identifier: Apache-2.0
"""hack/cluster up and down, also when up is killed half-way: the host is as before."""

import os
import signal
import subprocess
import time

import pytest

import host
import kube

pytestmark = pytest.mark.alone

NAME = "kt"
PREFIX = {"KEELSON_CLUSTER_PREFIX": NAME}


@pytest.fixture
def clean_host():
    if os.geteuid() != 0:
        pytest.skip("needs root to look everywhere")
    kube.cluster("down", **PREFIX)
    yield host.marks(NAME)
    kube.cluster("down", **PREFIX)


def test_up_and_down_leave_nothing(clean_host):
    kube.cluster("up", **PREFIX)
    kube.cluster("up", **PREFIX)
    ours = host.processes(NAME)
    assert len(ours) > 20
    kube.cluster("down", **PREFIX)
    kube.cluster("down", **PREFIX)
    assert not host.alive(ours)
    host.assert_as_before(NAME, clean_host)


@pytest.mark.parametrize("seconds", [1, 2, 4])
def test_broken_up_is_repaired_or_removed(clean_host, seconds):
    up = subprocess.Popen([kube.ROOT / "hack" / "cluster", "up"], env={**os.environ, **PREFIX}, start_new_session=True)
    time.sleep(seconds)
    os.killpg(up.pid, signal.SIGKILL)
    up.wait()
    if seconds != 2:
        kube.cluster("up", **PREFIX)
        assert "stopped" not in kube.cluster("status", **PREFIX)
    ours = host.processes(NAME)
    kube.cluster("down", **PREFIX)
    assert not host.alive(ours)
    host.assert_as_before(NAME, clean_host)
