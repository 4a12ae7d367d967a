# SPDX-License-Identifier: Apache-2.0
"""The App, from the outside: what it becomes, and that it stays so."""

import time

import pytest
import yaml

import keelson
import kube
from keelson import (
    WEBAPP_1,
    WEBAPP_2,
    address,
    app,
    ask,
    change,
    children,
    condition,
    container,
    events,
    merge,
    message_of,
    pods,
    versions,
    wait_for_condition,
    wait_ready,
    watching,
)
from kube import SOON, apply, get, kubectl, wait_until
from load import load

EXAMPLES = sorted((kube.ROOT / "examples").rglob("*.yaml"))

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture(scope="module")
def shared(operator, module_space):
    """A namespace with the App "shop", for tests that leave it as they found it."""
    apply(app(replicas=2, env=[{"name": "APP_GREETING", "value": "hello"}]), namespace=module_space)
    wait_ready(module_space)
    return module_space


def refused(*objects, namespace):
    """What kubectl apply says against the objects; None if it takes one."""
    try:
        apply(*objects, namespace=namespace)
    except RuntimeError as error:
        return str(error)
    return None


def created(space):
    """What the events say was created; one may name several."""
    return {what for note in events(space, "Created") for what in note.removeprefix("Created ").split(", ")}


# --- what an App becomes ----------------------------------------------------------


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(kube.ROOT)))
def test_example_becomes_ready(path, space):
    text = keelson.manifest(path)
    apply(text, namespace=space)
    for thing in filter(None, yaml.safe_load_all(text)):
        group = thing["apiVersion"].partition("/")[0]
        if group.endswith("keelson.dev"):
            what = f"{thing['kind'].lower()}.{group}/{thing['metadata']['name']}"
            kubectl("-n", space, "wait", "--for=condition=Ready", what, "--timeout=120s", timeout=130)


def test_children_have_labels_and_an_owner(shared):
    owner = get("app", "shop", shared)
    found = children(shared)
    assert set(found) == set(keelson.CHILDREN)
    for thing in found.values():
        assert thing["metadata"]["labels"] == {
            "app.kubernetes.io/name": "app",
            "app.kubernetes.io/instance": "shop",
            "app.kubernetes.io/component": "app",
            "app.kubernetes.io/part-of": "shop",
            "app.kubernetes.io/managed-by": "keelson",
        }
        assert thing["metadata"]["ownerReferences"] == [
            {
                "apiVersion": "keelson.dev/v1alpha1",
                "kind": "App",
                "name": "shop",
                "uid": owner["metadata"]["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]
    assert "port" not in str(get("configmap", None, shared)) and get("secret", None, shared) == []


def test_pods_are_restricted(shared):
    labels = get("namespace", shared)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert children(shared)["serviceaccount"]["automountServiceAccountToken"] is False
    assert len(pods(shared)) == 2
    for pod in pods(shared):
        spec, one = pod["spec"], container(pod)
        assert spec["serviceAccountName"] == "shop"
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert [v["mountPath"] for v in one["volumeMounts"]] == ["/tmp"]
        assert [set(v) - {"name"} for v in spec["volumes"]] == [{"emptyDir"}]


def test_pods_are_spread_over_nodes(shared):
    assert len({p["spec"]["nodeName"] for p in pods(shared)}) == min(2, len(get("nodes")))


def test_status_says_what_is(shared):
    thing = get("app", "shop", shared)
    assert {c["type"]: condition(thing, c["type"]) for c in thing["status"]["conditions"]} == {
        "Ready": "True Ready",
        "Available": "True MinimumReplicasAvailable",
        "Reconciling": "False AsExpected",
        "Stalled": "False AsExpected",
    }
    status = {key: value for key, value in thing["status"].items() if key not in ("conditions", "effective")}
    assert {"setting": "replicas", "value": "2", "from": "App"} in thing["status"]["effective"]
    assert status == {
        "revision": pods(shared)[0]["metadata"]["labels"]["keelson.dev/revision"],
        "config": [],
        "copies": [],
        "desiredReplicas": 2,
        "profile": "development/backend",
        "observedGeneration": thing["metadata"]["generation"],
        "replicas": 2,
        "readyReplicas": 2,
        "updatedReplicas": 2,
        "image": WEBAPP_1,
        "url": f"http://shop.{shared}.svc:8080",
        "selector": "app.kubernetes.io/name=app,app.kubernetes.io/instance=shop",
    }
    assert len(get("pods", None, shared, status["selector"])) == 2


def test_events_tell_the_story(space):
    apply(app(), namespace=space)
    wait_ready(space)
    wait_until(lambda: events(space, "Ready"), SOON, "the event Ready")
    assert created(space) == {f"{keelson.KINDS[kind]} shop" for kind in keelson.CHILDREN}
    (first,) = events(space, "Ready")
    assert first.startswith("1 of 1 replicas are ready: revision ") and first.endswith(f", image {WEBAPP_1}")
    assert events(space, "RolloutStarted") == []
    change(space, {"image": WEBAPP_2})
    wait_ready(space)
    wait_until(lambda: len(events(space, "Ready")) == 2, SOON, "the second event Ready")
    (second,) = set(events(space, "Ready")) - {first}
    assert second.endswith(f", image {WEBAPP_2}")
    (note,) = events(space, "RolloutStarted")
    assert WEBAPP_1 in note and WEBAPP_2 in note


@pytest.mark.parametrize("kind", ["app", "keelson"])
def test_printer_columns(shared, kind):
    head, row = kubectl("-n", shared, "get", kind).splitlines()
    assert head.split() == ["NAME", "READY", "REASON", "AVAILABLE", "DESIRED", "IMAGE", "AGE"]
    name = "shop" if kind == "app" else "app.keelson.dev/shop"
    assert row.split()[:-1] == [name, "True", "Ready", "2", "2", WEBAPP_1]


def test_address_answers(shared, own_cluster):
    names = {p["metadata"]["name"] for p in pods(shared)}

    def who():
        return ask(address(shared))[1].split(",")[0].removeprefix("Hello from ")

    wait_until(lambda: names == {who() for _ in range(20)}, SOON, "answers from both pods")
    assert ask(f"{address(shared)}/env/APP_GREETING") == (200, "hello\n")


# --- changes ----------------------------------------------------------------------


def test_update_turns_each_condition_once(space, own_cluster):
    apply(app(replicas=2), namespace=space)
    wait_ready(space)
    old = {p["metadata"]["name"] for p in pods(space)}
    with watching(space) as seen, load(address(space)) as requests:
        generation = change(space, {"image": WEBAPP_2})
        wait_ready(space)
        # The old pods still serve while they drain: until then a request could get lost.
        wait_until(lambda: not old & {p["metadata"]["name"] for p in get("pods", None, space)}, 60, "the old pods to go")
        requests.wait_for_answers(50)
    requests.assert_no_failures()
    assert "version 1" in requests.texts()[0]
    assert all("version 2" in text for text in requests.texts()[-50:])

    states = [s for s in seen if s["status"]["observedGeneration"] == generation]
    assert condition(states[0], "Reconciling") in ("True Applying", "True RolloutInProgress")
    assert condition(states[0], "Ready").startswith("False ")
    assert condition(states[-1], "Reconciling") == "False AsExpected"
    assert condition(states[-1], "Ready") == "True Ready"
    assert {condition(s, "Available") for s in states} == {"True MinimumReplicasAvailable"}
    # Never two turns: what was ready stays ready.
    turns = [condition(s, "Ready").split()[0] for s in states]
    assert turns == sorted(turns)
    assert states[0]["status"]["image"] == WEBAPP_1 and states[-1]["status"]["image"] == WEBAPP_2


def test_env_resources_and_replicas_change(space):
    apply(app(replicas=1, env=[{"name": "APP_A", "value": "1"}]), namespace=space)
    wait_ready(space)
    change(
        space,
        {
            "replicas": 2,
            "env": [{"name": "APP_A", "value": "2"}, {"name": "APP_B", "value": ""}],
            "resources": {"requests": {"cpu": "1000m", "memory": "64Mi"}, "limits": {"cpu": "2", "memory": "0.125Gi"}},
        },
    )
    wait_ready(space)
    assert len(pods(space)) == 2
    for thing in [get("deployment", "shop", space), *pods(space)]:
        assert container(thing)["env"] == [{"name": "APP_A", "value": "2"}, {"name": "APP_B"}]
        assert container(thing)["resources"] == {
            "requests": {"cpu": "1", "memory": "64Mi"},
            "limits": {"cpu": "2", "memory": "128Mi"},
        }
    change(space, {"env": None, "resources": None})
    wait_ready(space)
    for pod in pods(space):
        assert "env" not in container(pod)
        # The figures of an App that says none: docs/environment.md.
        assert container(pod)["resources"] == {
            "requests": {"cpu": "100m", "memory": "256Mi"},
            "limits": {"cpu": "1", "memory": "2Gi"},
        }


def test_scale_and_stop(space):
    apply(app(), namespace=space)
    wait_ready(space)
    kubectl("-n", space, "scale", "app/shop", "--replicas=3")
    wait_ready(space)
    assert get("app", "shop", space)["status"]["readyReplicas"] == 3
    assert get("deployment", "shop", space)["spec"]["replicas"] == 3
    kubectl("-n", space, "scale", "app/shop", "--replicas=0")
    wait_for_condition(space, "Available", "False ScaledToZero")
    wait_ready(space)
    assert pods(space) == [] and set(children(space)) == set(keelson.CHILDREN)


def test_worker_has_no_service_and_a_port_can_come_and_go(space):
    apply(app(port=None), namespace=space)
    thing = wait_ready(space)
    assert "url" not in thing["status"]
    assert set(children(space)) == set(keelson.CHILDREN) - {"service"}
    one = container(get("deployment", "shop", space))
    assert not {"ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle"} & set(one)

    change(space, {"port": 8080})
    thing = wait_ready(space)
    assert thing["status"]["url"].endswith(":8080")
    assert children(space)["service"]["spec"]["ports"][0]["port"] == 8080
    assert container(get("deployment", "shop", space))["readinessProbe"]["httpGet"]["path"] == "/health/ready"

    change(space, {"port": 9090, "env": [{"name": "PORT", "value": "9090"}]})
    thing = wait_ready(space)
    assert thing["status"]["url"].endswith(":9090")
    assert [p["port"] for p in children(space)["service"]["spec"]["ports"]] == [9090]

    change(space, {"port": None})
    thing = wait_ready(space)
    assert "url" not in thing["status"]
    wait_until(lambda: not get("service", "shop", space), SOON, "the Service to go")
    assert set(children(space)) == set(keelson.CHILDREN) - {"service"}
    wait_until(lambda: events(space, "Deleted") == ["Deleted Service shop"], SOON, "the event Deleted")


def test_image_that_is_not_there(space, own_cluster):
    apply(app(replicas=2), namespace=space)
    wait_ready(space)
    change(space, {"image": "keelson.dev/webapp:none"})

    def is_stuck():
        states = [c.get("state", {}) for p in pods(space) for c in p["status"].get("containerStatuses", [])]
        return any("waiting" in s and "Image" in s["waiting"]["reason"] for s in states)

    wait_until(is_stuck, 30, "a pod without an image")
    thing = wait_for_condition(space, "Reconciling", "True RolloutInProgress")
    assert condition(thing, "Ready") == "False RolloutInProgress"
    assert condition(thing, "Available") == "True MinimumReplicasAvailable"
    assert thing["status"]["readyReplicas"] == 2
    assert thing["status"]["image"] == WEBAPP_1
    assert "version 1" in ask(address(space))[1]

    change(space, {"image": WEBAPP_2})
    assert wait_ready(space)["status"]["image"] == WEBAPP_2


def test_one_pod_that_serves_is_available(space):
    """Available speaks of requests being answered, not of the last replica."""
    apply(app(replicas=2), namespace=space)
    wait_ready(space)
    with watching(space) as seen:
        # No node has room for a pod like that.
        change(space, {"replicas": 3, "resources": {"requests": {"cpu": "500"}}})
        wait_for_condition(space, "Ready", "False RolloutInProgress")
        merge("app", "shop", space, {"spec": {"resources": None, "replicas": 2}})
        wait_ready(space)
    assert {condition(s, "Available").rstrip("*") for s in seen} == {"True MinimumReplicasAvailable"}


def test_refused_child_is_reported(space):
    with keelson.no_deployments(space) as told:
        apply(app(), namespace=space)
        thing = wait_for_condition(space, "Stalled", "True Invalid")
        assert "Deployment" in message_of(thing, "Stalled") and told in message_of(thing, "Stalled")
        assert condition(thing, "Ready") == "False Invalid"
        wait_until(lambda: events(space, "Invalid"), SOON, "the event")
    wait_until(lambda: keelson.may_deploy(space), 60, "the policy to be gone")
    change(space, {"replicas": 2})
    assert condition(wait_ready(space), "Stalled") == "False AsExpected"


# Of the profile no webhook knows.
MORE_THAN_THE_PROFILE = {"minReplicas": 50}


def test_spec_that_contradicts_the_profile_is_reported(space):
    apply(app(autoscaling=MORE_THAN_THE_PROFILE), namespace=space)
    thing = wait_for_condition(space, "Stalled", "True InvalidSpec")
    assert message_of(thing, "Stalled").startswith("spec.autoscaling.minReplicas: ")
    wait_until(lambda: events(space, "InvalidSpec"), 20, "the event InvalidSpec")
    assert not children(space)
    change(space, {"autoscaling": {"minReplicas": 1}})
    wait_ready(space)


CONTRADICTIONS = {
    "spec.resources.requests.memory: 64Mi is more than the limit": {
        "resources": {"requests": {"memory": "64Mi"}, "limits": {"memory": "32Mi"}},
    },
    # A part of nothing says nothing.
    "spec.autoscaling.targetCPUUtilization: is a part of what the pods request": {
        "autoscaling": {"minReplicas": 1, "maxReplicas": 3, "targetCPUUtilization": 50},
        "resources": {"requests": {"cpu": "0"}},
    },
    "spec.resources.limits.example.com/gpu: must be a whole number": {"resources": {"limits": {"example.com/gpu": "500m"}}},
}


@pytest.mark.parametrize("sentence", CONTRADICTIONS)
def test_spec_that_contradicts_itself_is_refused(space, sentence):
    """What the schema cannot see, the webhook does."""
    said = refused(app(**CONTRADICTIONS[sentence]), namespace=space)
    assert said and sentence in said
    assert not get("app", "shop", space)


# --- drift ------------------------------------------------------------------------

# Three of a kind at the most: from then on a repair waits for a while.
DRIFTS = {
    "replicas": ("deployment", {"spec": {"replicas": 5}}),
    "image": (
        "deployment",
        {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "keelson.dev/other:1"}]}}}},
    ),
    "labels": ("service", {"metadata": {"labels": {"app.kubernetes.io/part-of": "other"}}}),
    "pod labels": (
        "deployment",
        {"spec": {"template": {"metadata": {"labels": {"app.kubernetes.io/part-of": "other"}}}}},
    ),
    "target port": ("service", {"spec": {"ports": [{"name": "http", "port": 8080, "protocol": "TCP", "targetPort": 1}]}}),
    "selector": ("service", {"spec": {"selector": {"app.kubernetes.io/instance": "other"}}}),
    "token": ("serviceaccount", {"automountServiceAccountToken": True}),
}


def wanted(thing):
    """All of a child that must not change."""
    meta = thing["metadata"]
    return meta["uid"], meta["labels"], meta["ownerReferences"], {
        key: value for key, value in thing.items() if key not in ("metadata", "status")
    }


@pytest.mark.parametrize("name", DRIFTS)
def test_drift_is_set_back(shared, name):
    kind, patch = DRIFTS[name]
    before, told = get(kind, "shop", shared), len(events(shared, "DriftRepaired"))
    merge(kind, "shop", shared, patch)
    wait_until(lambda: wanted(get(kind, "shop", shared)) == wanted(before), 10, f"{kind} to be set back", every=0.1)
    wait_until(lambda: len(events(shared, "DriftRepaired")) == told + 1, SOON, "the event DriftRepaired")
    wait_ready(shared)


@pytest.mark.parametrize("value", [None, "hand"])
@pytest.mark.parametrize("kind", keelson.CHILDREN)
def test_child_without_our_label_is_still_ours(shared, kind, value):
    before = get(kind, "shop", shared)
    merge(kind, "shop", shared, {"metadata": {"labels": {"app.kubernetes.io/managed-by": value}}})
    wait_until(lambda: wanted(get(kind, "shop", shared)) == wanted(before), 10, f"{kind} to be set back", every=0.1)
    wait_ready(shared)


def test_other_port_number_is_set_back(space):
    """A Service's ports are a list by number, in which an apply puts 8080 beside 9999, under the same name."""
    apply(app(), namespace=space)
    wait_ready(space)
    before = get("service", "shop", space)
    merge("service", "shop", space, {"spec": {"ports": [{"name": "http", "port": 9999, "targetPort": "http"}]}})
    wait_until(lambda: wanted(get("service", "shop", space)) == wanted(before), SOON, "the Service to be set back", every=0.1)
    wait_until(lambda: events(space, "DriftRepaired"), SOON, "the event DriftRepaired")
    wait_ready(space)


def test_fight_is_slowed_down(space):
    """Who changes a child again and again is set back, but not at the price of all the API server's time."""
    apply(app(), namespace=space)
    wait_ready(space)
    before = get("deployment", "shop", space)

    def is_paused():
        merge("deployment", "shop", space, {"spec": {"replicas": 0}})
        return condition(get("app", "shop", space), "Ready") == "False DriftRepeated"

    wait_until(is_paused, 20, "a pause", every=0.2)
    wait_until(lambda: wanted(get("deployment", "shop", space)) == wanted(before), 40, "the Deployment to be set back")
    wait_ready(space)


@pytest.mark.parametrize("kind", keelson.CHILDREN)
def test_deleted_child_comes_back(shared, kind):
    before = get(kind, "shop", shared)
    note = f"{before['kind']} shop was deleted by somebody else and has been made again; change the App instead"
    kubectl("-n", shared, "delete", kind, "shop", "--wait=false")

    def is_back():
        now = get(kind, "shop", shared)
        return now and now["metadata"]["uid"] != before["metadata"]["uid"] and now

    now = wait_until(is_back, 20, f"another {kind}", every=0.1)
    assert now["metadata"]["labels"] == before["metadata"]["labels"]
    assert now["metadata"]["ownerReferences"] == before["metadata"]["ownerReferences"]
    wait_until(lambda: note in events(shared, "DriftRepaired"), SOON, "the event DriftRepaired")
    wait_ready(shared)


def test_fields_of_others_are_left_alone(space):
    apply(app(), namespace=space)
    wait_ready(space)
    for kind in keelson.CHILDREN:
        merge(kind, "shop", space, {"metadata": {"annotations": {"example.com/note": "mine"}}}, "--field-manager=other")
    merge("service", "shop", space, {"spec": {"sessionAffinity": "ClientIP"}}, "--field-manager=other")
    marked = children(space)
    change(space, {"env": [{"name": "APP_A", "value": "1"}]})
    wait_ready(space)
    after = children(space)
    for thing in after.values():
        assert thing["metadata"]["annotations"]["example.com/note"] == "mine"
    assert after["service"]["spec"]["sessionAffinity"] == "ClientIP"
    # Only the Deployment had a reason to be written.
    del marked["deployment"], after["deployment"]
    assert versions(*after.values()) == versions(*marked.values())
    assert events(space, "DriftRepaired") == []


# --- what the API server refuses ------------------------------------------------------

INVALID = {
    "port too high": (app(port=70000), "spec.port"),
    "port as text": (app(port="http"), "spec.port"),
    "no image": (app(image=None), "spec.image: Required"),
    "empty image": (app(image=""), "spec.image"),
    "no spec": ({"apiVersion": "keelson.dev/v1alpha1", "kind": "App", "metadata": {"name": "shop"}}, "spec: Required"),
    "negative replicas": (app(replicas=-1), "spec.replicas"),
    "too many replicas": (app(replicas=1001), "spec.replicas"),
    "name that is no host name": (app("1shop"), "metadata.name must be lower-case letters"),
    "name with a dot": (app("shop.one"), "metadata.name must be lower-case letters"),
    "name too long": (app("s" * 64), "metadata.name"),
    "upper-case name": (app("Shop"), "metadata.name"),
    "variable's name": (app(env=[{"name": "A B"}]), "spec.env[0].name"),
    "variable twice": (app(env=[{"name": "A"}, {"name": "A"}]), "spec.env[1]: Duplicate"),
    "quantity": (app(resources={"limits": {"memory": "64 MB"}}), "spec.resources.limits.memory"),
    "relative path": (app(healthCheck={"livePath": "live"}), "spec.healthCheck.livePath"),
    "signal for variables": (
        app(configReload="Signal", envFrom=[{"secretRef": {"name": "x"}}]),
        "configReload Signal reaches files only",
    ),
    "time without a unit": (app(healthCheck={"startupTimeout": "30"}), "spec.healthCheck.startupTimeout"),
    "time too long": (app(healthCheck={"startupTimeout": "2h"}), "must be a duration between 1s and 1h"),
    "unknown field": (app(imag="x"), 'unknown field "spec.imag"'),
    "unknown field, deeper": (app(healthCheck={"path": "/"}), 'unknown field "spec.healthCheck.path"'),
}


@pytest.mark.parametrize("name", INVALID)
def test_invalid_is_refused_with_the_field(shared, name):
    thing, expected = INVALID[name]
    said = refused(thing, namespace=shared)
    assert said and expected in said


# --- rest -------------------------------------------------------------------------------


def reconciles(pod):
    text = ask(keelson.operator_url(pod, "/metrics"))[1]
    return sum(keelson.metrics(text, "controller_runtime_reconcile_total").values())


@pytest.mark.alone
def test_zero_writes_at_rest(shared, own_cluster):
    wait_ready(shared)
    apps = [get("app", "shop", shared), *children(shared).values()]
    # One that cannot work is at rest as well: nothing is tried again before its spec changes.
    apply(app("odd", autoscaling=MORE_THAN_THE_PROFILE), namespace=shared)
    wait_for_condition(shared, "Stalled", "True InvalidSpec", "odd")
    wait_until(lambda: events(shared, "InvalidSpec", "odd"), 20, "the event InvalidSpec")
    leader = wait_until(keelson.leader, 30, "a leader")
    requests, turns = keelson.writes(leader), reconciles(leader)
    assert sum(requests.values()) > 0
    # The only way to see that nothing happens is to look on for a while.
    time.sleep(20)
    assert keelson.writes(leader) == requests
    assert reconciles(leader) <= turns + 5
    assert versions(get("app", "shop", shared), *children(shared).values()) == versions(*apps)
