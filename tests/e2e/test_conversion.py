# SPDX-License-Identifier: Apache-2.0
"""The App in two versions, one of which exists here only (tests/conversion): clients use the
one they like, the operator uses v1alpha1, and the storage version changes beneath them.

The operator and the webhook are children of this process. The definition is changed for
the whole cluster, and put back at the end.
"""

import base64
import json
import subprocess
import sys

import pytest

import keelson
import kube
from keelson import WEBAPP_1, app
from kube import apply, get, kubectl, wait_until
from program import Running
from test_verdicts import Certificates, own_address

sys.path += [str(kube.ROOT / "tests" / "webhook"), str(kube.ROOT / "tests" / "conversion")]
from definition import two_versions  # noqa: E402
from webhook import Webhook  # noqa: E402

pytestmark = pytest.mark.alone

CRD = "apps.keelson.dev"
REPOSITORY, TAG = WEBAPP_1.rsplit(":", 1)
APP = app(
    env=[{"name": "B", "value": "2"}, {"name": "A", "value": "$(B)"}],
    tier="backend",
    replicas=2,
    revisionHistoryLimit=3,
)


@pytest.fixture(scope="module")
def program():
    """hack/test e2e builds it; whoever runs pytest alone has it from a build of the tree."""
    for build in ("test", "dev"):
        path = kube.ROOT / "build" / build / "tests" / "conversion" / "keelson_v2"
        if path.exists():
            return path
    pytest.skip("build the tree first: meson setup build/dev && ninja -C build/dev")


# --- the definition and its webhook ----------------------------------------------------


class Converter:
    """The webhook, at one address however often it is started."""

    def __init__(self, program, certificates):
        self.program, self.certificates = program, certificates
        self.running, self.port = None, 0
        self.start()
        self.port = self.running.port

    def start(self):
        if not self.running:
            self.running = Webhook(self.program, "--listen", f"{self.certificates.address}:{self.port}",
                                   "--tls-cert", self.certificates.cert, "--tls-key", self.certificates.key)

    def stop(self):
        if self.running:
            assert self.running.stop() == 0, self.running.lines.decode()
        self.running = None

    def count(self, version):
        """How many Apps became that version."""
        others = (name for name in ("v1alpha1", "v1alpha2") if name != version)
        return sum(self.running.metric(f'keelson_conversion_requests_total{{kind="App",from="{other}",'
                                       f'to="{version}",result="converted"}}') for other in others)

    def define(self, storage):
        """The definition, from the moment on at which the API server goes by it."""
        with open(self.certificates.ca, "rb") as f:
            bundle = base64.b64encode(f.read()).decode()
        url = f"https://{self.certificates.address}:{self.port}/convert"
        kubectl("apply", "--server-side", "--force-conflicts", "-f", "-",
                stdin=json.dumps(two_versions(url, bundle, storage)))
        wait_until(lambda: storage in stored_versions(), 30, "the definition to take effect")
        wait_until(lambda: read("v1alpha2", "default", "") is not None, 60, "both versions to be served")


def stored_versions():
    return get("crd", CRD)["status"]["storedVersions"]


def forget_other_versions(storage):
    """As who migrates does when every object has been written anew."""
    kubectl("patch", "crd", CRD, "--subresource=status", "--type=merge", "-p",
            json.dumps({"status": {"storedVersions": [storage]}}))


def migrate(converter, storage):
    """All Apps of the cluster are stored as another version; nobody need stop for that."""
    converter.define(storage)
    # The API server goes on storing the old version for a moment.
    wait_until(lambda: rewrite(converter, storage), 60, f"all Apps to be stored as {storage}")
    forget_other_versions(storage)
    assert stored_versions() == [storage]


def rewrite(converter, storage):
    """Writes every App as it is. Whether they all are stored so: reading them needs no conversion."""
    everywhere = f"/apis/keelson.dev/{storage}/apps"
    for one in json.loads(kubectl("get", "--raw", everywhere))["items"]:
        kubectl("replace", "-f", "-", stdin=json.dumps(one))
    before = converter.count(storage)
    for one in json.loads(kubectl("get", "--raw", everywhere))["items"]:
        read(storage, one["metadata"]["namespace"], one["metadata"]["name"])
    return converter.count(storage) == before


@pytest.fixture(scope="module")
def converter(program, tmp_path_factory):
    if not kube.OWN_CLUSTER:
        pytest.skip("the API server must reach this machine, so it runs on hack/cluster only")
    was_there = get("crd", CRD) is not None
    if not was_there or stored_versions() == ["v1alpha1"]:  # else a run before this one was killed
        keelson.apply_definitions()
    made = Converter(program, Certificates(tmp_path_factory.mktemp("pki"), own_address()))
    try:
        made.define("v1alpha1")
        yield made
    finally:
        made.start()
        migrate(made, "v1alpha1")
        kubectl("patch", "crd", CRD, "--type=json", "-p", json.dumps([
            {"op": "replace", "path": "/spec/conversion", "value": {"strategy": "None"}},
            {"op": "remove", "path": "/spec/versions/1"}]))
        # This also has kubectl forget it, which would ask for the version that was preferred until now.
        wait_until(lambda: "keelson.dev/v1alpha2" not in kubectl("api-versions"), 30, "the second version to go")
        if was_there:
            keelson.apply_definitions()
        else:
            kubectl("delete", "crd", "-l", keelson.DEFINITIONS, "--timeout=120s", timeout=130)
        made.stop()


@pytest.fixture
def shop(converter, program, space):
    """APP in a namespace of its own, with an operator that has made its Deployment."""
    converter.start()
    kubectl("-n", space, "create", "-f", "-", stdin=json.dumps(APP))
    with Running(program, space):
        wait_until(lambda: image(space) == WEBAPP_1, 60, "the Deployment")
        yield space
        kubectl("-n", space, "delete", "apps.keelson.dev", "--all")


# --- what is looked at -----------------------------------------------------------------


def read(version, namespace, name="shop"):
    """As that version; with an empty name, the list of them. None where there is none."""
    path = f"/apis/keelson.dev/{version}/namespaces/{namespace}/apps" + (f"/{name}" if name else "")
    done = subprocess.run(["kubectl", "get", "--raw", path], capture_output=True, text=True, timeout=60)
    return json.loads(done.stdout) if done.returncode == 0 else None


def image(namespace):
    containers = get("deployment", "shop", namespace)["spec"]["template"]["spec"]["containers"]
    return containers[0]["image"]


def patch(version, namespace, change):
    kubectl("-n", namespace, "patch", f"apps.{version}.keelson.dev", "shop", "--type=merge", "-p", json.dumps(change))


def env(one):
    return [variable["name"] for variable in one["spec"]["env"]]


def state(namespace):
    """All that a migration must leave alone."""
    first, second = read("v1alpha1", namespace), read("v1alpha2", namespace)
    deployment = get("deployment", "shop", namespace)
    return {
        "v1alpha1": first["spec"],
        "v1alpha2": second["spec"],
        "generation": (first["metadata"]["generation"], second["metadata"]["generation"]),
        "deployment": (deployment["metadata"]["uid"], deployment["metadata"]["generation"]),
        "pods": sorted(pod["metadata"]["uid"] for pod in pods(namespace)),
    }


def pods(namespace):
    return [pod for pod in get("pod", None, namespace) if "deletionTimestamp" not in pod["metadata"]]


def is_settled(namespace):
    """Whether the Deployment has its pods, and no other; they need not run."""
    deployment = get("deployment", "shop", namespace)
    status = deployment.get("status", {})
    return (status.get("observedGeneration") == deployment["metadata"]["generation"]
            and status.get("replicas") == status.get("updatedReplicas") == len(pods(namespace)) == 2)


# --- tests -----------------------------------------------------------------------------


def test_clients_of_both_versions(shop):
    second = read("v1alpha2", shop)["spec"]
    assert second["image"] == {"repository": REPOSITORY, "tag": TAG}
    assert second["role"] == "backend"
    assert second["scale"] == {"replicas": 2}
    assert second["env"] == {"A": {"value": "$(B)"}, "B": {"value": "2"}}
    assert second["strategy"]["progressDeadline"] == "10m"  # the default of the version that it was written in

    patch("v1alpha2", shop, {"spec": {"image": {"tag": "next"}, "owner": "ann",
                                      "env": {"AA": {"value": "3", "purpose": "new"}, "A": {"value": "$(B)!"}}}})
    first = read("v1alpha1", shop)["spec"]
    assert first["image"] == f"{REPOSITORY}:next"
    assert first["env"] == [{"name": "B", "value": "2"}, {"name": "A", "value": "$(B)!"}, {"name": "AA", "value": "3"}]
    assert first["revisionHistoryLimit"] == 3  # which v1alpha2 does not know
    wait_until(lambda: image(shop) == f"{REPOSITORY}:next", 60, "the operator to see it")

    patch("v1alpha1", shop, {"spec": {"replicas": 1}})
    second = read("v1alpha2", shop)["spec"]
    assert second["scale"] == {"replicas": 1}
    assert (second["owner"], second["env"]["AA"]) == ("ann", {"value": "3", "purpose": "new"})


def test_one_of_the_second_version_alone(shop):
    other = {
        "apiVersion": "keelson.dev/v1alpha2", "kind": "App", "metadata": {"name": "other"},
        "spec": {"image": {"repository": REPOSITORY, "tag": TAG}, "port": 8080, "role": "frontend", "owner": "bob"},
    }
    apply(other, namespace=shop)
    first = read("v1alpha1", shop, "other")
    assert (first["spec"]["image"], first["spec"]["tier"]) == (WEBAPP_1, "frontend")
    assert first["spec"]["strategy"]["progressDeadline"] == "5m"
    wait_until(lambda: get("deployment", "other", shop), 60, "the operator to see it")
    assert read("v1alpha2", shop, "other")["spec"]["owner"] == "bob"
    names = [one["metadata"]["name"] for one in read("v1alpha2", shop, "")["items"]]
    assert sorted(names) == ["other", "shop"]
    # The operator's status is there in both.
    wait_until(lambda: read("v1alpha2", shop, "other").get("status", {}).get("conditions"), 60, "a status")


def server_side(namespace, manager, version, spec):
    one = {"apiVersion": f"keelson.dev/{version}", "kind": "App", "metadata": {"name": "shop"}, "spec": spec}
    kubectl("-n", namespace, "apply", "--server-side", f"--field-manager={manager}", "-f", "-", stdin=json.dumps(one))


def test_managers_of_fields_in_both_versions(shop):
    """The API server converts parts of an App when it works out what a manager gave up."""
    server_side(shop, "second", "v1alpha2", {"owner": "ann", "env": {"Z": {"value": "9"}}})
    server_side(shop, "first", "v1alpha1", {"env": [{"name": "Y", "value": "8"}]})
    first = read("v1alpha1", shop)["spec"]
    assert sorted(env(read("v1alpha1", shop))) == ["A", "B", "Y", "Z"]
    assert first["image"] == WEBAPP_1
    server_side(shop, "second", "v1alpha2", {"owner": "bob"})  # gives Z up
    assert sorted(env(read("v1alpha1", shop))) == ["A", "B", "Y"]
    assert read("v1alpha2", shop)["spec"]["owner"] == "bob"
    server_side(shop, "first", "v1alpha1", {"hosts": ["shop.example.com"]})  # gives Y up
    assert env(read("v1alpha1", shop)) == ["B", "A"]
    assert first["revisionHistoryLimit"] == 3


def test_storage_migrates_there_and_back(converter, shop):
    patch("v1alpha2", shop, {"spec": {"owner": "ann", "env": {"A": {"purpose": "first"}}}})
    wait_until(lambda: is_settled(shop), 120, "all pods")
    before = state(shop)
    assert len(before["pods"]) == 2
    migrate(converter, "v1alpha2")
    assert state(shop) == before

    # Stored so indeed: without the webhook it is v1alpha1 that cannot be had.
    converter.stop()
    assert read("v1alpha2", shop)["spec"] == before["v1alpha2"]
    assert read("v1alpha1", shop) is None
    converter.start()
    wait_until(lambda: read("v1alpha1", shop), 60, "the webhook")

    # The operator, which uses v1alpha1, works on; this is a change that no pod sees.
    patch("v1alpha1", shop, {"spec": {"access": {"from": [{"app": "web"}]}}})
    wait_until(lambda: "web" in json.dumps(get("networkpolicy", "shop", shop)["spec"]), 120, "the operator to see it")
    there = state(shop)
    assert env(read("v1alpha1", shop)) == ["B", "A"]
    assert (there["deployment"], there["pods"]) == (before["deployment"], before["pods"])

    migrate(converter, "v1alpha1")
    assert state(shop) == there
    patch("v1alpha1", shop, {"spec": {"access": None}})
    after = state(shop)
    assert (after["v1alpha1"], after["v1alpha2"]) == (before["v1alpha1"], before["v1alpha2"])


def test_without_the_webhook_the_stored_version_is_unaffected(converter, shop):
    converter.stop()
    done = subprocess.run(["kubectl", "-n", shop, "get", "apps.v1alpha2.keelson.dev", "shop"], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode != 0
    assert "conversion webhook for keelson.dev/v1alpha1, Kind=App failed" in done.stderr
    patch("v1alpha1", shop, {"spec": {"image": f"{REPOSITORY}:next"}})
    wait_until(lambda: image(shop) == f"{REPOSITORY}:next", 60, "the operator to see it")
    converter.start()
    wait_until(lambda: read("v1alpha2", shop), 60, "the webhook")
    assert read("v1alpha2", shop)["spec"]["image"] == {"repository": REPOSITORY, "tag": "next"}
