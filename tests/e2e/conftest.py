# SPDX-License-Identifier: Apache-2.0

import fcntl
import os
import secrets

import pytest

import keelson
import kube

WORKERS = "PYTEST_XDIST_WORKER" in os.environ


def new_namespace(**labels):
    name = f"test-{secrets.token_hex(3)}"
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    return name


@pytest.fixture(scope="module")
def namespace():
    """A namespace of the module's own, removed with all in it."""
    name = new_namespace()
    kube.wait_until(lambda: kube.get("serviceaccount", "default", name), 30, "the service account")
    yield name
    kube.delete("namespace", name)


@pytest.fixture
def own_cluster():
    """For tests that break machines, change the whole cluster, or ask Services from here: only ever ours."""
    if not kube.OWN_CLUSTER:
        pytest.skip("breaks nodes or needs a way into the cluster, so it runs on hack/cluster only")
    if "stopped" in kube.cluster("status"):  # a test before this one failed half-way: it fails alone
        kube.cluster("up")


def once(tmp_path_factory, name, do):
    """Does it, unless another worker of this run has, or waits until that has."""
    base = tmp_path_factory.getbasetemp()
    with open((base.parent if WORKERS else base) / name, "a+", encoding="utf-8") as state:
        fcntl.flock(state, fcntl.LOCK_EX)
        state.seek(0)
        if not state.read():
            do()
            state.write("yes")


def install():
    was_there = keelson.is_installed() and not keelson.may_be_removed()
    keelson.install()
    if not was_there:
        keelson.mark_for_removal()


@pytest.fixture(scope="session")
def operator(tmp_path_factory):
    """Keelson of this tree, installed; removed at the end unless it was there before.

    With several workers the first one installs it. KEELSON_E2E_LEAVE=1 leaves it to the
    next run to remove it, which hack/test's second run does."""
    once(tmp_path_factory, "installed", install)
    yield
    if not WORKERS and "KEELSON_E2E_LEAVE" not in os.environ and keelson.may_be_removed():
        keelson.uninstall()


@pytest.fixture(scope="session")
def binary(tmp_path_factory):
    """The program of this tree, built."""
    once(tmp_path_factory, "built", lambda: keelson.hack("build"))
    return kube.ROOT / "build" / "release" / "keelson"


def pytest_collection_modifyitems(items):
    """Long tests first, lest they end long after all others. Tests that break what others
    stand on run last: whoever runs them all, in any order, may see to that."""
    items.sort(key=lambda item: (*(item.get_closest_marker(name) is not None for name in ("alone", "last")), -seconds(item)))


def seconds(item):
    mark = item.get_closest_marker("long")
    return mark.args[0] if mark else 0


def pytest_terminal_summary(terminalreporter):
    for line in keelson.figures:
        terminalreporter.write_line(f"figure {line}")


def pytest_configure(config):
    config.addinivalue_line("markers", "long(seconds): waits for Kubernetes most of that time; begins before the others")
    config.addinivalue_line("markers", "last: looks back at what all others did")
    config.addinivalue_line("markers", "alone: breaks or counts what the other tests need: never beside another test")


def restricted_namespace():
    """A namespace for Apps. Their pods take a while to go, and nobody waits for that here."""
    name = new_namespace(**{"pod-security.kubernetes.io/enforce": "restricted"})
    yield name
    # The Apps first: while a namespace goes, their children could not be made again.
    kube.kubectl("-n", name, "delete", "apps.keelson.dev", "--all", check=False)
    kube.delete("namespace", name, wait=False)


space = pytest.fixture(restricted_namespace, name="space")
module_space = pytest.fixture(restricted_namespace, scope="module", name="module_space")
