# SPDX-License-Identifier: Apache-2.0
"""A Redis on a real API server: what it becomes, whose names it leaves alone, what may not change."""

import base64
import json

import pytest

import faults
from keelson import REDIS_8, VALKEY_8, condition, message_of
from kube import apply, get, kubectl, wait_until
from sessions import CHILDREN, OURS, ask, names, primary, redis, wait_for, wait_for_children, wait_for_write

pytestmark = pytest.mark.usefixtures("operator")


def test_it_becomes_its_children_and_they_go_with_it(space):
    apply(redis(replicas=3), namespace=space)
    wait_for_children(space)
    # The pods are taken under the "restricted" standard, which the namespace enforces.
    wait_until(lambda: len(get("pod", None, space, selector=OURS)) == 3, 60, "three pods")
    role = get("role", "sessions-agent", space)
    assert {name for rule in role["rules"] for name in rule.get("resourceNames", [])} == {
        "sessions", "sessions-agent", "sessions-primary"}
    assert not any("*" in rule["verbs"] + rule["resources"] for rule in role["rules"])
    kubectl("-n", space, "delete", "redis", "sessions")
    for kind in CHILDREN:
        wait_until(lambda kind=kind: not names(kind, space), 120, f"its {kind} to go")


def test_what_is_deleted_is_made_again_but_for_the_password(space):
    apply(redis(replicas=1), namespace=space)
    wait_for_children(space)
    password = get("secret", "sessions-app", space)["data"]["password"]
    kubectl("-n", space, "delete", "service", "sessions", "sessions-ro")
    wait_for_children(space)
    assert get("secret", "sessions-app", space)["data"]["password"] == password


FOREIGN = {
    "statefulset": ("sessions", {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "foreign"}},
            "template": {"metadata": {"labels": {"app": "foreign"}}, "spec": {"containers": [{"name": "main", "image": REDIS_8}]}},
        },
    }),
    "lease": ("sessions", {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}),
    "role": ("sessions-agent", {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": []}),
    "rolebinding": ("sessions-agent", {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "foreign"},
        "subjects": [],
    }),
    "secret": ("sessions-app", {"apiVersion": "v1", "kind": "Secret", "stringData": {"password": "theirs"}}),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_taken_name_is_left_alone(space, kind):
    name, content = FOREIGN[kind]
    apply({**content, "metadata": {"name": name}}, namespace=space)
    uid = get(kind, name, space)["metadata"]["uid"]
    apply(redis(replicas=1), namespace=space)
    thing = wait_for(space, "Stalled", "True NameConflict")
    assert f'"{name}" exists already' in message_of(thing, "Stalled")
    theirs = get(kind, name, space)
    assert theirs["metadata"]["uid"] == uid and "ownerReferences" not in theirs["metadata"]
    kubectl("-n", space, "delete", kind, name)
    # Nobody tells the operator that a Secret is gone, so it looks, after pauses that grow.
    wait_for_children(space, 300 if kind == "secret" else 60)


@pytest.mark.parametrize("before, after, said", [
    ({"version": "8"}, {"version": "7"}, "spec.version: Invalid value: \"string\": cannot go back"),
    ({}, {"persistence": {"size": "1Gi"}}, "cannot be added"),
    ({"persistence": {"size": "1Gi"}}, {"persistence": None}, "cannot be taken away"),
    ({"persistence": {"size": "1Gi"}}, {"persistence": {"size": "512Mi"}}, "can only grow"),
    ({"persistence": {"size": "1Gi", "className": "a"}}, {"persistence": {"className": "b"}}, "cannot change"),
    ({"tls": {"enabled": True}}, {"tls": {"enabled": False}}, "cannot change"),
], ids=["version", "volumes added", "volumes taken away", "smaller volumes", "other class", "tls"])
def test_what_may_not_change_is_refused(space, before, after, said):
    apply(redis(replicas=1, **before), namespace=space)
    with pytest.raises(RuntimeError, match="is invalid") as refusal:
        kubectl("-n", space, "patch", "redis", "sessions", "--type=merge", "--dry-run=server", "-p", json.dumps({"spec": after}))
    assert said in str(refusal.value)


def test_members_that_cannot_start_are_told_and_replaced(space):
    apply(redis(replicas=2, image="keelson.dev/no-such-image:1"), namespace=space)
    thing = wait_for(space, "Ready", "False MemberNotStarting")
    assert "does not start: " in message_of(thing, "Ready")
    uids = {pod["metadata"]["uid"] for pod in get("pod", None, space, selector=OURS)}
    kubectl("-n", space, "patch", "redis", "sessions", "--type=merge", "-p", json.dumps({"spec": {"image": REDIS_8}}))

    def replaced():
        pods = get("pod", None, space, selector=OURS)
        images = {pod["spec"]["containers"][0]["image"] for pod in pods}
        return len(pods) == 2 and images == {REDIS_8} and uids.isdisjoint(pod["metadata"]["uid"] for pod in pods)

    wait_until(replaced, 180, "both pods to be others")


# --- with members that run ------------------------------------------------------------------


@pytest.mark.long(240)
def test_members_run_fail_over_and_are_replaced(space):
    system = faults.Redis(space, **redis()["spec"])
    system.create()
    system.wait_whole()
    first = primary(space)
    wait_for_write(space, "before")
    assert sorted(system.get()["status"]["inSync"]) == [f"sessions-{i}" for i in range(3)]

    # The server is killed: another member leads, or the same one again, with the data.
    kubectl("-n", space, "exec", first, "-c", "redis", "--", "bash", "-c", "kill -9 $(pidof redis-server)")
    other = next(f"sessions-{i}" for i in range(3) if f"sessions-{i}" != first)
    wait_for_write(space, "after", member=other)
    assert ask(space, "get", "before", member=other) == "1"
    system.wait_whole()

    # A planned move.
    target = system.replica()
    system.planned_move(target)
    wait_until(lambda: primary(space) == target, 60, "the hand-over")
    assert system.get()["status"]["lastFailover"]["lostBytes"] == 0
    system.wait_whole()

    # Every member is replaced, and nothing is missing.
    old = system.pods()
    system.patch(memory="80Mi")
    system.wait_replaced(old)
    system.wait_whole()
    assert ask(space, "mget", "before", "after").split() == ["1", "1"]


@pytest.mark.long(120)
def test_an_app_that_names_it_has_all_it_takes_to_connect(space):
    # The image has redis-cli; what else it runs is its own affair.
    app = {"apiVersion": "keelson.dev/v1alpha1", "kind": "App", "metadata": {"name": "shop"},
           "spec": {"image": REDIS_8, "replicas": 1, "access": {"to": [{"redis": "sessions"}]}}}
    apply(app, namespace=space)
    stalled = wait_until(lambda: (thing := get("app", "shop", space)) and condition(thing, "Stalled") == "True RedisNotFound" and thing,
                         60, "the App to say what it lacks")
    assert 'there is no Redis "sessions"' in message_of(stalled, "Stalled")
    assert not get("pod", None, space)  # none that would wait without a word
    apply(redis(replicas=1, access={"from": [{"app": "shop"}]}), namespace=space)

    def pods():
        found = get("pod", None, space, selector="app.kubernetes.io/name=app,app.kubernetes.io/instance=shop")
        return [pod["metadata"]["name"] for pod in found if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]]

    def pings(pod):
        script = 'redis-cli --no-auth-warning -u "$REDIS_URL" --cacert "$REDIS_CA_FILE" ping'
        return kubectl("-n", space, "exec", pod, "-c", "app", "--", "bash", "-c", script, timeout=30).strip()

    wait_until(lambda: pods() and pings(pods()[0]) == "PONG", 180, "the App's pod to reach its Redis")
    first = pods()
    assert "access" not in get("app", "shop", space)["status"]
    # Another password: all members say that they have it, the App is told, and has other pods.
    kubectl("-n", space, "annotate", "redis", "sessions", "keelson.dev/rotate-password=1")
    wait_until(lambda: len(pods()) == 1 and pods() != first and pings(pods()[0]) == "PONG", 240, "a pod with the new password")


def write_steadily(space, member, seconds):
    """From inside a pod, to the Service; how many of the writes failed."""
    secret = get("secret", "sessions-app", space)["data"]
    password = base64.b64decode(secret["password"]).decode()
    script = f"""
        end=$((SECONDS + {seconds})); failed=0
        while [ $SECONDS -lt $end ]; do
            out=$(timeout 5 redis-cli --no-auth-warning -a {password} --tls --cacert /tls/ca.crt -h sessions incr steady 2>&1)
            case $out in [0-9]*) ;; *) failed=$((failed + 1)) ;; esac
            sleep 0.2
        done
        echo $failed"""
    return int(kubectl("-n", space, "exec", member, "-c", "redis", "--", "bash", "-c", script, timeout=seconds + 30))


@pytest.mark.long(150)
def test_a_lease_that_somebody_deletes_is_made_again(space):
    apply(redis(replicas=3, persistence={"size": "64Mi"}), namespace=space)
    wait_for(space, "Ready", "True Ready")
    first, uid = primary(space), get("lease", "sessions", space)["metadata"]["uid"]
    wait_for_write(space, "before")

    # By the primary, which is well: clients see nothing of it.
    kubectl("-n", space, "delete", "lease", "sessions")
    assert write_steadily(space, first, 5) == 0
    lease = wait_until(lambda: (thing := get("lease", "sessions", space)) and thing["metadata"]["uid"] != uid and thing, 30, "another Lease")
    assert lease["metadata"]["ownerReferences"][0]["kind"] == "Redis"
    assert lease["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "keelson"
    wait_for(space, "Ready", "True Ready")
    assert primary(space) == first

    # With all members gone at that moment nobody does: then by the operator, and all data is there.
    kubectl("-n", space, "annotate", "redis", "sessions", "keelson.dev/fence=*")
    wait_for(space, "Stalled", "True Fenced")
    wait_until(lambda: "Held" not in get("lease", "sessions", space)["metadata"]["annotations"]["failover.keelson.dev/record"], 60, "the release")
    kubectl("-n", space, "delete", "lease", "sessions")
    epoch = get("redis", "sessions", space)["status"]["epoch"]
    made = wait_until(lambda: get("lease", "sessions", space), 120, "the operator to make it")
    record = json.loads(made["metadata"]["annotations"]["failover.keelson.dev/record"])
    assert record["epoch"] > epoch and record["inSync"] == [0, 1, 2]
    kubectl("-n", space, "annotate", "redis", "sessions", "keelson.dev/fence-")
    wait_for(space, "Ready", "True Ready")
    assert ask(space, "get", "before") == "1"


def sizes(space):
    return [claim["spec"]["resources"]["requests"]["storage"] for claim in get("persistentvolumeclaim", None, space)]


def resize(space, size):
    kubectl("-n", space, "patch", "redis", "sessions", "--type=merge", "-p", json.dumps({"spec": {"persistence": {"size": size}}}))


@pytest.mark.long(120)
def test_volumes_are_grown_around_the_members(space):
    # Nobody grows the volumes of this class, but it may be asked for.
    grows = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": f"{space}-grows"},
             "provisioner": "rancher.io/local-path", "volumeBindingMode": "WaitForFirstConsumer", "allowVolumeExpansion": True}
    apply(grows)
    try:
        apply(redis(replicas=2, persistence={"size": "64Mi", "className": f"{space}-grows"}), namespace=space)
        wait_for(space, "Ready", "True Ready")
        wait_for_write(space, "before")
        uids = {pod["metadata"]["uid"] for pod in get("pod", None, space, selector=OURS)}
        made = get("statefulset", "sessions", space)["metadata"]["uid"]
        resize(space, "128Mi")
        wait_until(lambda: (thing := get("statefulset", "sessions", space)) and thing["metadata"]["uid"] != made, 120, "another StatefulSet")
        assert sizes(space) == ["128Mi"] * 2
        template = get("statefulset", "sessions", space)["spec"]["volumeClaimTemplates"][0]
        assert template["spec"]["resources"]["requests"]["storage"] == "128Mi"
        wait_for(space, "Ready", "True Ready")
        pods = get("pod", None, space, selector=OURS)
        assert {pod["metadata"]["uid"] for pod in pods} == uids
        wait_until(lambda: all(pod["metadata"]["ownerReferences"][0]["kind"] == "StatefulSet" for pod in get("pod", None, space, selector=OURS)),
                   60, "the pods to be its own")
        assert ask(space, "get", "before") == "1"
    finally:
        kubectl("delete", "storageclass", f"{space}-grows", "--wait=false")


def test_a_class_that_grows_nothing_is_told(space):
    apply(redis(replicas=1, persistence={"size": "64Mi"}), namespace=space)
    wait_for(space, "Ready", "True Ready")
    resize(space, "128Mi")
    thing = wait_for(space, "Stalled", "True VolumesCannotGrow")
    assert "allowVolumeExpansion: true" in message_of(thing, "Stalled")
    assert sizes(space) == ["64Mi"] and ask(space, "ping") == "PONG"


@pytest.mark.long(90)
def test_data_on_volumes_outlives_all_pods_at_once(space):
    apply(redis(replicas=3, version="valkey-8", image=VALKEY_8, persistence={"size": "64Mi"}), namespace=space)
    wait_for(space, "Ready", "True Ready")
    wait_for_write(space, "kept")
    epoch = get("redis", "sessions", space)["status"]["epoch"]
    kubectl("-n", space, "delete", "pod", "-l", OURS, "--grace-period=0", "--force")
    wait_until(lambda: get("redis", "sessions", space)["status"]["epoch"] > epoch, 120, "another leader")
    wait_until(lambda: ask(space, "get", "kept") == "1", 60, "the data")
    wait_for(space, "Ready", "True Ready")
    kubectl("-n", space, "delete", "redis", "sessions")
    wait_until(lambda: not get("pod", None, space, selector=OURS), 120, "the pods to go")
    assert len(get("persistentvolumeclaim", None, space)) == 3
