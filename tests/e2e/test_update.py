# SPDX-License-Identifier: Apache-2.0
"""Another version of the operator, or of its definitions, while it is at work.

No pod of an App restarts for that, and no request is lost.
"""

import json
import subprocess

import pytest

import keelson
import kube
from keelson import (
    WEBAPP_1,
    WEBAPP_2,
    WEBHOOK_PODS,
    address,
    app,
    ask,
    change,
    condition,
    container,
    events,
    leader,
    merge,
    metrics,
    operator_pods,
    operator_url,
    pods,
    wait_for_operator,
    wait_for_webhook,
    wait_ready,
    writing,
)
from kube import apply, get, kubectl, wait_until
from load import load

pytestmark = pytest.mark.alone

# A build of before, whose pods look as those of today. When they have to look another
# way, which restarts all pods at an update, this becomes the first build that does so.
PREVIOUS = "67cba03"
PREVIOUS_IMAGE = "keelson.dev/keelson:previous"
CRD = "apps.keelson.dev"


@pytest.fixture(scope="module", autouse=True)
def own_operator(operator):
    """Whatever a test did, the next one finds Keelson as the manifest says, and at work."""
    if not kube.OWN_CLUSTER:
        pytest.skip("replaces the operator, so it runs on hack/cluster only")
    yield
    keelson.apply_manifest()
    wait_for_operator()
    wait_for_webhook()


def tree_of(commit, folder):
    """The files of a commit; of this tree, under another version, where its history is not at hand."""
    commit = subprocess.run(
        ["git", "rev-parse", "--quiet", "--verify", f"{commit}^{{commit}}"],
        cwd=kube.ROOT, text=True, stdout=subprocess.PIPE,
    ).stdout.strip()
    if commit:
        archive = subprocess.run(["git", "archive", commit], cwd=kube.ROOT, check=True, stdout=subprocess.PIPE)
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        return
    names = ["Dockerfile", ".dockerignore", "meson.build", "meson_options.txt"]
    names += [line.removeprefix("!") for line in (kube.ROOT / ".dockerignore").read_text().split() if line.startswith("!")]
    for name in [*names, "manifests"]:
        if (kube.ROOT / name).exists():
            subprocess.run(["cp", "-r", "--parents", name, folder], cwd=kube.ROOT, check=True)
    build = folder / "meson.build"
    build.write_text(build.read_text().replace("version: '", "version: '0.0.0-", 1))


@pytest.fixture(scope="module")
def previous(own_operator, tmp_path_factory):
    """The manifest of the build before, which the nodes have the image of."""
    folder = tmp_path_factory.mktemp("previous")
    tree_of(PREVIOUS, folder)
    archive = keelson.hack("image", "build", "-t", PREVIOUS_IMAGE, str(folder)).split()[-1]
    kube.cluster("images", archive)
    return (folder / "manifests" / "install.yaml").read_text().replace("keelson.dev/keelson:dev", PREVIOUS_IMAGE)


def install(manifest):
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifest)


def wait_until_replaced(image, apps):
    """Until both replicas are of that image, one leads, and it has looked at so many Apps."""

    def replaced():
        found = [*operator_pods().values(), *get("pods", None, keelson.SYSTEM, WEBHOOK_PODS)]
        return {container(p)["image"] for p in found} == {image}

    wait_until(replaced, 120, f"the replicas of {image}")
    wait_for_operator()
    wait_for_webhook()

    def settled():
        text = ask(operator_url(leader(), "/metrics"))[1]
        looked = sum(metrics(text, "controller_runtime_reconcile_total").values())
        return looked >= apps and sum(metrics(text, "workqueue_depth").values()) == 0

    wait_until(settled, 60, "the leader to have looked at everything")


def state(space, name):
    """What a restart of pods, or a rollout, would change."""
    found = pods(space, name)
    return (
        {p["metadata"]["uid"]: p["status"]["containerStatuses"][0]["restartCount"] for p in found},
        get("deployment", name, space)["metadata"]["generation"],
    )


def in_the_middle(space, old):
    """Until the rollout has made a new pod and has not yet ended an old one."""

    def names():
        return {p["metadata"]["name"] for p in pods(space)}

    wait_until(lambda: names() - old and names() & old, 60, "the rollout's middle", every=0.05)


def roll_out_while(space, image, install_other, t):
    """Another image for the App "shop"; in the middle of its rollout the operator is replaced."""
    old = {p["metadata"]["name"] for p in pods(space)}
    rest = state(space, "rest")
    generation = get("deployment", "shop", space)["metadata"]["generation"]
    change(space, {"image": image})
    in_the_middle(space, old)
    t.mark("in the middle")
    install_other()
    t.mark("the operator is replaced")
    wait_ready(space, timeout=120)
    wait_until(lambda: len(get("pods", None, space)) == 4, 90, "the old pods to go")
    # One change made one rollout, and who did not change was not touched.
    assert {container(p)["image"] for p in pods(space)} == {image}
    assert get("deployment", "shop", space)["metadata"]["generation"] == generation + 1
    assert state(space, "rest") == rest
    assert condition(wait_ready(space, "rest"), "Stalled") == "False AsExpected"
    service = get("service", "shop", space)
    assert service["spec"]["sessionAffinity"] == "ClientIP"
    assert service["metadata"]["annotations"]["example.com/note"] == "mine"


def test_operator_is_updated_and_taken_back_in_the_middle_of_rollouts(previous, space):
    current = keelson.manifest()
    install(previous)
    wait_until_replaced(PREVIOUS_IMAGE, apps=0)
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"APP_COLOR": "blue"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"key": "1"}}
    drain = [{"name": "DRAIN_DELAY", "value": "2"}]
    files = [{"secretRef": {"name": "keys"}, "mountPath": "/etc/keys"}]
    env_from = [{"configMapRef": {"name": "settings"}}]
    common = {"env": drain, "envFrom": env_from, "configFiles": files}
    apply(config, secret, app(replicas=3, **common), app("rest", replicas=1, **common), namespace=space)
    wait_ready(space)
    wait_ready(space, "rest")
    # Fields that only others know.
    foreign = {"metadata": {"annotations": {"example.com/note": "mine"}}, "spec": {"sessionAffinity": "ClientIP"}}
    merge("service", "shop", space, foreign, "--field-manager=other")

    def forward():
        install(current)
        wait_until_replaced("keelson.dev/keelson:dev", apps=2)

    def back():
        install(previous)
        wait_until_replaced(PREVIOUS_IMAGE, apps=2)

    with load(address(space), rate=50, connections=20) as requests, writing(space, "rest") as writes:
        roll_out_while(space, WEBAPP_2, forward, requests)
        roll_out_while(space, WEBAPP_1, back, requests)
        settled = state(space, "shop")
        forward()
        assert state(space, "shop") == settled
        requests.wait_for_answers(30)
    requests.assert_no_failures()
    # Nor was a write refused: the webhook is of this build or of that.
    writes.assert_none_refused()
    assert events(space, "DriftRepaired") == []


def test_definition_that_is_older_than_the_operator(space):
    """It works on; what the definition has no words for is left out and named."""
    keelson.apply_manifest()
    wait_for_operator()
    definition = get("crd", CRD)
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    del schema["status"]["properties"]["effective"]
    del schema["status"]["properties"]["profile"]
    kubectl("replace", "-f", "-", stdin=json.dumps(definition))
    try:
        apply(app(), namespace=space)
        status = wait_ready(space)["status"]
        assert not {"effective", "profile"} & set(status) and status["image"] == WEBAPP_1
        wait_until(lambda: len(events(space, "DefinitionOutdated")) >= 2, 20, "the event DefinitionOutdated")
        notes = "\n".join(events(space, "DefinitionOutdated"))
        assert "status.effective" in notes and "status.profile" in notes and "install.yaml" in notes
        # Nothing is tried hot for that.
        told = len(events(space, "DefinitionOutdated"))
        change(space, {"image": WEBAPP_2})
        assert wait_ready(space)["status"]["image"] == WEBAPP_2
        assert len(events(space, "DefinitionOutdated")) < told + 100
    finally:
        keelson.apply_definitions()
    # The definition is there again: so is the whole status, with the next change.
    change(space, {"replicas": 2})
    wait_until(lambda: wait_ready(space)["status"].get("profile") == "development/backend", 60, "the whole status")
    assert {"setting": "replicas", "value": "2", "from": "App"} in get("app", "shop", space)["status"]["effective"]


# --- memory -----------------------------------------------------------------------------------

UNRELATED = 600
UNRELATED_BYTES = 100_000


def memory():
    """Anonymous memory of each replica, in bytes."""
    return {
        pod: max(metrics(ask(operator_url(pod, "/metrics"))[1], "keelson_anonymous_memory_bytes").values())
        for pod in operator_pods()
    }


def make_unrelated(space):
    """Half of them ConfigMaps, half Secrets, fifty in a request of kubectl's."""
    text = "x" * UNRELATED_BYTES
    for start in range(0, UNRELATED, 50):
        items = [
            {"apiVersion": "v1", "kind": kind, "metadata": {"name": f"unrelated-{n}"}, field: {"text": f"{n} {text}"}}
            for n in range(start, start + 50)
            for kind, field in [("ConfigMap", "data") if n % 2 else ("Secret", "stringData")]
        ]
        kubectl("-n", space, "create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}), timeout=180)


def test_memory_does_not_grow_with_what_nobody_names(space):
    """F16: ConfigMaps and Secrets that no App names are not even asked for."""
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"APP_COLOR": "blue"}}
    apply(config, app(envFrom=[{"configMapRef": {"name": "settings"}}]), namespace=space)
    wait_ready(space)
    keelson.restart_operator()
    wait_ready(space)
    before = memory()
    make_unrelated(space)
    change(space, {"env": [{"name": "APP_CHANGE", "value": "1"}]})
    wait_ready(space)
    assert_as_before(memory(), before)
    # Nor when it begins with them.
    keelson.restart_operator()
    change(space, {"env": [{"name": "APP_CHANGE", "value": "2"}]})
    wait_ready(space)
    assert_as_before(memory(), before)
    assert set(keelson.operator_restarts().values()) == {0}


def assert_as_before(after, before):
    """As a ratio: the 60 MB that were made would be ten times of it and more."""
    print(f"anonymous memory before {before}, after {after}")
    assert max(after.values()) < 1.3 * max(before.values()), f"{before} became {after}"
