# SPDX-License-Identifier: Apache-2.0
"""hack/demo from nothing to an App that answers, twice; and hack/demo down: the host is as before."""

import os
import re
import subprocess
import time

import pytest

import host
import kube

pytestmark = pytest.mark.alone

NAME = "kd"


def demo(*args):
    """hack/demo as somebody runs it: without a KUBECONFIG, so it makes its own cluster."""
    settings = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
    settings["KEELSON_CLUSTER_PREFIX"] = NAME
    return subprocess.run(
        [kube.ROOT / "hack" / "demo", *args],
        env=settings,
        check=True,
        timeout=900,
        text=True,
        stdout=subprocess.PIPE,
    ).stdout


@pytest.fixture
def clean_host(own_cluster):
    if os.geteuid() != 0:
        pytest.skip("needs root to look everywhere")
    demo("down")
    yield host.marks(NAME)
    demo("down")


def assert_shown(text):
    """The demo's last words: that the App is ready, and an answer of it."""
    assert re.search(r"^app\.keelson\.dev/shop +True +Ready +2 +2 ", text, re.MULTILINE)
    for condition, status in [("Ready", "True"), ("Available", "True"), ("Reconciling", "False"), ("Stalled", "False")]:
        assert re.search(rf"^{condition} +{status} ", text, re.MULTILINE)
    assert re.search(r"^redis\.keelson\.dev/sessions +True +Ready +sessions-\d +3 +3 ", text, re.MULTILINE)
    assert re.search(r"^\$ curl http://[\d.]+:8080/\nHello from shop-\S+, version 1$", text, re.MULTILINE)


def test_demo_twice_and_down(clean_host):
    assert_shown(demo())
    start = time.monotonic()
    assert_shown(demo())
    assert time.monotonic() - start < 180
    ours = host.processes(NAME)
    assert len(ours) > 20
    demo("down")
    assert not host.alive(ours)
    host.assert_as_before(NAME, clean_host)
    demo("down")
