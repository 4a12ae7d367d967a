# SPDX-License-Identifier: Apache-2.0
"""Releases and configs that do not work, and the way back; configs that change. All under requests."""

import base64
import contextlib

import pytest

from keelson import (
    WEBAPP_1,
    WEBAPP_2,
    address,
    app,
    ask,
    change,
    condition,
    container,
    events,
    merge,
    message_of,
    pods,
    wait_for_condition,
    wait_ready,
)
from kube import apply, get, kubectl, wait_until
from load import load

pytestmark = pytest.mark.usefixtures("operator", "own_cluster")

# A Secret or ConfigMap is read once a minute, by its name; then there is a rollout.
NOTICED = 180
# What Kubernetes itself takes for three restarts of a program that crashes, or for
# an image to be given up.
GIVEN_UP = 180


def configmap(name="shop-config", **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def secret(name="shop-keys", **data):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def wait_until_drained(space, count=2):
    wait_until(lambda: len(get("pods", None, space)) == count, 90, "the other pods to go")


@contextlib.contextmanager
def unharmed(space):
    """Requests meanwhile, of which none may fail."""
    with load(address(space), rate=50, connections=20) as requests:
        yield requests
        wait_until_drained(space)
        requests.wait_for_answers(30)
    requests.assert_no_failures()


def failed_revision(thing):
    failed = thing["status"]["failedRevision"]
    return failed["reason"], failed["message"]


# --- releases that do not work -----------------------------------------------------------

# Image 2 is bad; its settings are those of image 1, with which that works.
BAD = {
    "crashes": ([{"name": "EXIT_AFTER", "value": "0"}], {}, "CrashLoop"),
    "is never ready": ([{"name": "FAIL_READY", "value": "1"}], {"progressDeadline": "20s"}, "ProgressDeadlineExceeded"),
}


@pytest.mark.long(60)
@pytest.mark.parametrize("name", BAD)
def test_image_that_does_not_work_is_taken_back(space, name):
    env, strategy, reason = BAD[name]
    env = [*env, {"name": "BAD_VERSION", "value": "2"}, {"name": "DRAIN_DELAY", "value": "2"}]
    apply(app(replicas=2, env=env, strategy=strategy), namespace=space)
    good = wait_ready(space)["status"]["revision"]
    with unharmed(space) as requests:
        change(space, {"image": WEBAPP_2})
        thing = wait_for_condition(space, "Stalled", "True RolledBack", timeout=GIVEN_UP)
        assert condition(thing, "Ready") == "False RolledBack"
        assert condition(thing, "Available") == "True MinimumReplicasAvailable"
        assert failed_revision(thing)[0] == reason and "pod shop-" in failed_revision(thing)[1]
        assert (thing["status"]["image"], thing["status"]["revision"]) == (WEBAPP_1, good)
        wait_until(lambda: events(space, "RolledBack"), 20, "the event RolledBack")
        assert len(events(space, "RollingBack")) == len(events(space, "RolledBack")) == 1
    assert all("version 1" in text for text in requests.texts())
    # It says so for as long as the spec asks for that image, and tries it again with other settings.
    generation = change(space, {"env": [{"name": "DRAIN_DELAY", "value": "2"}]})
    thing = wait_ready(space)
    assert thing["status"]["observedGeneration"] == generation and thing["status"]["image"] == WEBAPP_2
    assert "failedRevision" not in thing["status"]


@pytest.mark.long(70)
def test_image_that_cannot_be_pulled_is_taken_back(space):
    apply(app(replicas=2, env=[{"name": "DRAIN_DELAY", "value": "2"}]), namespace=space)
    wait_ready(space)
    with unharmed(space):
        change(space, {"image": "keelson.dev/webapp:none"})
        thing = wait_for_condition(space, "Stalled", "True RolledBack", timeout=GIVEN_UP)
        assert failed_revision(thing)[0] == "ImagePullFailed"
        assert {container(p)["image"] for p in pods(space)} == {WEBAPP_1}
    # Back to the good one by hand: there is nothing to roll out, and nothing is wrong any more.
    names = {p["metadata"]["name"] for p in pods(space)}
    change(space, {"image": WEBAPP_1})
    assert "failedRevision" not in wait_ready(space)["status"]
    assert {p["metadata"]["name"] for p in pods(space)} == names


@pytest.mark.long(50)
def test_first_release_that_does_not_work_has_no_way_back(space):
    apply(app(env=[{"name": "EXIT_AFTER", "value": "0"}]), namespace=space)
    thing = wait_for_condition(space, "Stalled", "True CrashLoop", timeout=GIVEN_UP)
    assert condition(thing, "Available").startswith("False ")
    change(space, {"env": None})
    wait_ready(space)


@pytest.mark.long(60)
def test_without_auto_rollback_nothing_is_taken_back(space):
    env = [{"name": "EXIT_AFTER", "value": "0"}, {"name": "BAD_VERSION", "value": "2"}]
    apply(app(replicas=2, env=env, strategy={"autoRollback": False}), namespace=space)
    wait_ready(space)
    change(space, {"image": WEBAPP_2})
    thing = wait_for_condition(space, "Stalled", "True CrashLoop", timeout=GIVEN_UP)
    assert condition(thing, "Available") == "True MinimumReplicasAvailable"
    assert container(get("deployment", "shop", space))["image"] == WEBAPP_2
    assert "failedRevision" not in thing["status"]


# --- configs ------------------------------------------------------------------------------

FILES = {
    "configFiles": [
        {"configMapRef": {"name": "shop-config"}, "mountPath": "/etc/shop"},
        {"secretRef": {"name": "shop-keys"}, "mountPath": "/etc/keys"},
    ],
    "env": [{"name": "CONFIG_DIRS", "value": "/etc/shop:/etc/keys"}, {"name": "DRAIN_DELAY", "value": "2"}],
}


def says(space, path):
    """What the program of every pod has read, asked directly."""
    return {ask(f"http://{p['status']['podIP']}:8080/{path}")[1].strip() for p in pods(space)}


@pytest.mark.long(200)
def test_config_rolls_out_and_back(space):
    """A change of a ConfigMap or Secret is a release like any other, and a bad one takes its files back along."""

    def config():
        return says(space, "config/COLOR"), says(space, "env/APP_COLOR"), says(space, "config/key")

    apply(configmap(COLOR="blue"), secret(key="s3cret-1"), namespace=space)
    env_from = [{"configMapRef": {"name": "shop-config"}, "prefix": "APP_"}]
    apply(app(replicas=2, envFrom=env_from, **FILES), namespace=space)
    wait_ready(space)
    assert config() == ({"blue"}, {"blue"}, {"s3cret-1"})
    encoded = base64.b64encode(b"s3cret-2").decode()
    with unharmed(space):
        merge("configmap", "shop-config", space, {"data": {"COLOR": "green"}})
        merge("secret", "shop-keys", space, {"data": {"key": encoded}})
        wait_until(lambda: config() == ({"green"}, {"green"}, {"s3cret-2"}), NOTICED, "the new files")
        good = wait_ready(space)["status"]["revision"]
        wait_until(lambda: len(events(space, "ConfigChanged")) >= 2, 20, "the events ConfigChanged")
        wait_until_drained(space)

        merge("configmap", "shop-config", space, {"data": {"COLOR": "red", "fail": "start"}})
        thing = wait_for_condition(space, "Stalled", "True RolledBack", timeout=60 + GIVEN_UP)
        assert failed_revision(thing)[0] == "CrashLoop" and thing["status"]["revision"] == good
        wait_until_drained(space)
        assert config() == ({"green"}, {"green"}, {"s3cret-2"})

        # The original is the user's: it still says what does not work. Mended, it rolls out.
        merge("configmap", "shop-config", space, {"data": {"COLOR": "yellow", "fail": None}})
        wait_until(lambda: says(space, "config/COLOR") == {"yellow"}, NOTICED, "the mended color in all pods")
        assert "failedRevision" not in wait_ready(space)["status"]
    # Keys and hashes are told, values are not, least of all those of a Secret.
    notes = events(space, "ConfigChanged")
    assert any("ConfigMap shop-config changed" in note and "key COLOR changed" in note for note in notes)
    assert any("Secret shop-keys changed" in note for note in notes)
    told = str(get("events.v1.events.k8s.io", None, space)) + str(get("app", "shop", space))
    assert "s3cret" not in told and encoded not in told


@pytest.mark.long(60)
def test_config_that_is_missing_is_named_and_waited_for(space):
    apply(app(**FILES), namespace=space)
    thing = wait_for_condition(space, "Stalled", "True ConfigNotFound")
    assert message_of(thing, "Stalled").startswith("spec.configFiles[0]") and "shop-config" in message_of(thing, "Stalled")
    assert not pods(space)
    apply(configmap(color="blue"), secret(key="1"), namespace=space)
    wait_ready(space, timeout=NOTICED)
    assert says(space, "config/color") == {"blue"}


INVALID = {
    "a key that is not there": (
        {"configFiles": [{"configMapRef": {"name": "odd"}, "mountPath": "/etc/odd", "items": [{"key": "none", "path": "a"}]}]},
        "spec.configFiles[0]",
        "none",
    ),
    "a key that is no variable": ({"envFrom": [{"configMapRef": {"name": "odd"}}]}, "spec.envFrom[0]", "1ST"),
}


def test_config_that_cannot_be_used_is_refused(space):
    """It is looked at before anything is written: what runs is not touched."""
    apply(configmap("odd", **{"1ST": "x"}), app(), namespace=space)
    wait_ready(space)
    generation = get("deployment", "shop", space)["metadata"]["generation"]
    for spec, path, key in INVALID.values():
        change(space, {"envFrom": None, "configFiles": None, **spec})
        thing = wait_for_condition(space, "Stalled", "True InvalidConfig")
        assert message_of(thing, "Stalled").startswith(path) and key in message_of(thing, "Stalled")
        assert condition(thing, "Available") == "True MinimumReplicasAvailable"
        assert get("deployment", "shop", space)["metadata"]["generation"] == generation
    wait_until(lambda: events(space, "InvalidConfig"), 20, "the event InvalidConfig")
    change(space, {"envFrom": [{"configMapRef": {"name": "odd"}, "prefix": "APP_"}], "configFiles": None})
    wait_ready(space)
    assert says(space, "env/APP_1ST") == {"x"}


def test_config_of_nobody_rolls_nothing_out(space):
    apply(configmap(color="blue"), secret(key="1"), configmap("other", color="x"), namespace=space)
    apply(app(**FILES, configReload="None"), namespace=space)
    wait_ready(space)
    before = {p["metadata"]["name"] for p in pods(space)}
    generation = get("deployment", "shop", space)["metadata"]["generation"]
    merge("configmap", "other", space, {"data": {"color": "y"}})
    merge("configmap", "shop-config", space, {"data": {"color": "green"}})
    # A change of the App's own comes after those, and is all that is carried out.
    kubectl("-n", space, "scale", "app/shop", "--replicas=2")
    wait_ready(space)
    assert get("deployment", "shop", space)["metadata"]["generation"] == generation + 1
    assert before < {p["metadata"]["name"] for p in pods(space)}


def test_copies_are_immutable_and_those_of_old_revisions_go(space):
    """Each revision has its own, and the history is as long as the spec says."""

    def files(i):
        return [
            {"configMapRef": {"name": f"config-{i}"}, "mountPath": "/etc/shop"},
            {"secretRef": {"name": f"keys-{i}"}, "mountPath": "/etc/keys"},
        ]

    def copies(kind):
        return get(kind, None, space, "app.kubernetes.io/managed-by=keelson")

    def count():
        return len(copies("configmaps")), len(copies("secrets")), len(copies("controllerrevisions"))

    for i in range(4):
        apply(configmap(f"config-{i}", color=str(i)), secret(f"keys-{i}", key=str(i)), namespace=space)
    env = FILES["env"]
    apply(app(configFiles=files(0), env=env, revisionHistoryLimit=1), namespace=space)
    for i in range(4):
        change(space, {"configFiles": files(i)})
        wait_ready(space)
        assert (says(space, "config/color"), says(space, "config/key")) == ({str(i)}, {str(i)})
        assert all(c["immutable"] is True for kind in ("configmaps", "secrets") for c in copies(kind))
    # What is kept is the last good one, which is the one that runs.
    wait_until(lambda: count() == (1, 1, 1), 90, "the copies of old revisions to go")
    with pytest.raises(RuntimeError, match="immutable"):
        merge("configmap", copies("configmaps")[0]["metadata"]["name"], space, {"data": {"color": "x"}})

    kubectl("-n", space, "delete", "app", "shop")
    wait_until(lambda: count() == (0, 0, 0), 90, "all copies to go with the App")
    assert get("configmap", "config-3", space)["data"] == {"color": "3"} and get("secret", "keys-3", space)
