# SPDX-License-Identifier: Apache-2.0

import secrets

import pytest

import kube


@pytest.fixture(scope="module")
def namespace():
    """A namespace of the module's own, removed with all in it."""
    name = f"test-{secrets.token_hex(3)}"
    kube.kubectl("create", "namespace", name)
    kube.wait_until(lambda: kube.get("serviceaccount", "default", name), 30, "the service account")
    yield name
    kube.delete("namespace", name)


@pytest.fixture
def own_cluster():
    """For tests that break machines: only ever ours."""
    if not kube.OWN_CLUSTER:
        pytest.skip("breaks nodes, so it runs on hack/cluster only")
