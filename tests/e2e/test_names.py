# SPDX-License-Identifier: Apache-2.0
"""Names that somebody else has, names that are used again, and the end of an App."""

import pytest
import yaml

import keelson
import kube
from keelson import (
    WEBAPP_1,
    WEBAPP_2,
    app,
    children,
    condition,
    container,
    events,
    message_of,
    pods,
    wait_for_condition,
    wait_ready,
)
from kube import SOON, apply, get, kubectl, wait_until

pytestmark = pytest.mark.usefixtures("operator")


# --- names that are taken -----------------------------------------------------------

FOREIGN = {
    "deployment": {
        "apiVersion": "apps/v1",
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "foreign"}},
            "template": {
                "metadata": {"labels": {"app": "foreign"}},
                "spec": {"containers": [{"name": "main", "image": WEBAPP_1}]},
            },
        },
    },
    "service": {"apiVersion": "v1", "spec": {"ports": [{"port": 1234}]}},
    "serviceaccount": {"apiVersion": "v1"},
    "horizontalpodautoscaler": {
        "apiVersion": "autoscaling/v2",
        "spec": {"maxReplicas": 1, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "other"}},
    },
    "ingress": {
        "apiVersion": "networking.k8s.io/v1",
        "spec": {"defaultBackend": {"service": {"name": "other", "port": {"number": 80}}}},
    },
}
KINDS = {**keelson.KINDS, "horizontalpodautoscaler": "HorizontalPodAutoscaler", "ingress": "Ingress"}
# What an App must say to have such a child.
WANTED = {
    "horizontalpodautoscaler": {"autoscaling": {"minReplicas": 1, "maxReplicas": 2}},
    "ingress": {"hosts": ["shop.example.com"]},
}


@pytest.mark.parametrize("labels", [{}, {"app.kubernetes.io/managed-by": "keelson"}], ids=["foreign", "looks like ours"])
@pytest.mark.parametrize("kind", FOREIGN)
def test_taken_name_is_left_alone(space, kind, labels):
    apply({"kind": KINDS[kind], "metadata": {"name": "shop", "labels": labels}, **FOREIGN[kind]}, namespace=space)

    def content():
        thing = get(kind, "shop", space)
        # The Deployment's own controller writes its status and its revision.
        return thing["metadata"]["uid"], thing["metadata"].get("ownerReferences"), thing.get("spec"), thing["metadata"].get("labels")

    before = content()
    apply(app(**WANTED.get(kind, {})), namespace=space)
    thing = wait_for_condition(space, "Stalled", "True NameConflict")
    assert condition(thing, "Ready") == "False NameConflict"
    assert condition(thing, "Reconciling") == "False AsExpected"
    message = message_of(thing, "Stalled")
    assert message.startswith(f'{KINDS[kind]} "shop" exists already')
    wait_until(lambda: events(space, "NameConflict"), SOON, "the event NameConflict")
    assert content() == before
    assert not any(m["manager"] == "keelson" for m in get_managers(kind, space))

    kubectl("-n", space, "delete", kind, "shop")
    assert condition(wait_ready(space), "Stalled") == "False AsExpected"


def get_managers(kind, space):
    return yaml.safe_load(kubectl("-n", space, "get", kind, "shop", "-o", "yaml", "--show-managed-fields"))["metadata"]["managedFields"]


def test_two_apps_do_not_meet(space):
    apply(app("one"), app("two"), namespace=space)
    wait_ready(space, "one")
    wait_ready(space, "two")
    assert {p["metadata"]["name"] for p in pods(space, "one")}.isdisjoint(p["metadata"]["name"] for p in pods(space, "two"))
    kube.delete("app", "one", space)
    wait_until(lambda: not children(space, "one"), 60, "the children of one to go")
    assert set(children(space, "two")) == set(keelson.CHILDREN)
    wait_ready(space, "two")


# --- the end ------------------------------------------------------------------------


@pytest.mark.parametrize("propagation", ["background", "foreground"])
def test_deletion_removes_all(space, propagation):
    apply(app(), namespace=space)
    wait_ready(space)
    kubectl("-n", space, "delete", "app", "shop", f"--cascade={propagation}", "--wait=false")
    wait_until(lambda: not get("app", "shop", space) and not children(space), 60, "the App and its children to go")
    wait_until(lambda: not get("replicasets", None, space) and not get("pods", None, space), 60, "the pods to go")


def test_name_can_be_used_again_at_once(space):
    apply(app(), namespace=space)
    wait_ready(space)
    kubectl("-n", space, "delete", "app", "shop")
    apply(app(image=WEBAPP_2), namespace=space)
    thing = wait_ready(space)
    for child in children(space).values():
        assert [o["uid"] for o in child["metadata"]["ownerReferences"]] == [thing["metadata"]["uid"]]
    assert {container(p)["image"] for p in pods(space)} == {WEBAPP_2}
