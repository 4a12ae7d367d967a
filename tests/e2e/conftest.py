# SPDX-License-Identifier: Apache-2.0

import secrets

import pytest

import keelson
import kube


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
    """For tests that break machines: only ever ours."""
    if not kube.OWN_CLUSTER:
        pytest.skip("breaks nodes, so it runs on hack/cluster only")


@pytest.fixture(scope="session")
def operator():
    """Keelson of this tree, installed; removed at the end unless it was there before."""
    was_there = kube.get("deployment", keelson.OPERATOR, keelson.SYSTEM)
    keelson.install()
    yield
    if not was_there:
        keelson.uninstall()


@pytest.fixture(scope="session")
def spaces(operator):
    """Makes namespaces for Apps, which take only pods that are restricted; all gone at the end."""
    made = []

    def make():
        made.append(new_namespace(**{"pod-security.kubernetes.io/enforce": "restricted"}))
        return made[-1]

    yield make
    for name in made:
        kube.delete("namespace", name)


@pytest.fixture
def space(spaces):
    """A namespace of the test's own. Pods need a while to go; nobody waits for them here."""
    name = spaces()
    yield name
    kube.delete("namespace", name, wait=False)
