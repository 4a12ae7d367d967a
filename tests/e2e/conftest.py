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


def restricted_namespace():
    """A namespace for Apps. Their pods take a while to go, and nobody waits for that here."""
    name = new_namespace(**{"pod-security.kubernetes.io/enforce": "restricted"})
    yield name
    # The Apps first: while a namespace goes, their children could not be made again.
    kube.kubectl("-n", name, "delete", "apps.keelson.dev", "--all", check=False)
    kube.delete("namespace", name, wait=False)


space = pytest.fixture(restricted_namespace, name="space")
module_space = pytest.fixture(restricted_namespace, scope="module", name="module_space")
