# SPDX-License-Identifier: Apache-2.0
"""Ends that nobody plans: of a claim, a pod, a namespace, a Redis that is made again at once, all members."""

import json
import signal

import pytest

import faults
from keelson import REDIS_8, events, message_of
from kube import apply, get, kubectl, wait_until
from sessions import OURS, ask, primary, redis, wait_for, wait_for_write

pytestmark = pytest.mark.usefixtures("operator")


def uid(space, kind, name):
    return (get(kind, name, space) or {"metadata": {}})["metadata"].get("uid")


@pytest.mark.long(180)
def test_a_member_whose_claim_was_deleted_is_replaced_while_others_have_the_data(space):
    apply(redis(replicas=3, persistence={"size": "64Mi"}), namespace=space)
    wait_for(space, "Ready", "True Ready")
    wait_for_write(space, "before")
    member = primary(space)
    claim = f"data-{member}"
    was = uid(space, "persistentvolumeclaim", claim)
    kubectl("-n", space, "delete", "persistentvolumeclaim", claim, "--wait=false")
    wait_until(lambda: uid(space, "persistentvolumeclaim", claim) not in (None, was), 180, "another claim")
    assert any("claim was deleted" in note for note in events(space, "Replacing", "sessions", "Redis"))
    thing = wait_for(space, "Ready", "True Ready")
    assert thing["status"]["lastFailover"]["cause"] == "Planned" and primary(space) != member
    assert ask(space, "get", "before", host=f"{member}.sessions-members") == "1"


@pytest.mark.long(180)
def test_the_only_copy_of_the_data_is_not_replaced(space):
    apply(redis(replicas=1, persistence={"size": "64Mi"}), namespace=space)
    wait_for(space, "Ready", "True Ready")
    wait_for_write(space, "before")
    pod, was = uid(space, "pod", "sessions-0"), uid(space, "persistentvolumeclaim", "data-sessions-0")
    kubectl("-n", space, "delete", "persistentvolumeclaim", "data-sessions-0", "--wait=false")
    thing = wait_for(space, "Stalled", "True VolumeDeleted")
    assert "--replicas=2" in message_of(thing, "Stalled")
    # Not even where its template changes.
    kubectl("-n", space, "patch", "redis", "sessions", "--type=merge", "-p", json.dumps({"spec": {"memory": "80Mi"}}))
    thing = wait_for(space, "Stalled", "True VolumeDeleted")
    assert uid(space, "pod", "sessions-0") == pod
    kubectl("-n", space, "scale", "redis", "sessions", "--replicas=2")
    wait_until(lambda: uid(space, "persistentvolumeclaim", "data-sessions-0") not in (None, was), 180, "another claim")
    wait_for(space, "Ready", "True Ready")
    assert ask(space, "get", "before", host="sessions-0.sessions-members") == "1"


@pytest.mark.long(120)
def test_an_evicted_primary_hands_over(space):
    apply(redis(replicas=3), namespace=space)
    wait_for(space, "Ready", "True Ready")
    wait_for_write(space, "before")
    first = primary(space)
    was = uid(space, "pod", first)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": first, "namespace": space}}
    kubectl("create", "--raw", f"/api/v1/namespaces/{space}/pods/{first}/eviction", "-f", "-", stdin=json.dumps(eviction))
    wait_until(lambda: primary(space) != first, 60, "another primary")
    wait_until(lambda: uid(space, "pod", first) not in (None, was), 90, "another pod")
    thing = wait_for(space, "Ready", "True Ready")
    assert thing["status"]["lastFailover"]["cause"] == "Shutdown" and thing["status"]["lastFailover"]["lostBytes"] == 0
    other = next(f"sessions-{i}" for i in range(3) if f"sessions-{i}" != first)
    assert ask(space, "get", "before", member=other) == "1"


@pytest.mark.long(120)
def test_a_namespace_goes_in_the_middle_of_a_failover(space):
    own = f"{space}-ends"
    apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": own}})
    apply(redis(replicas=3), namespace=own)
    wait_until(lambda: get("redis", "sessions", own)["status"]["primary"], 120, "a primary")
    wait_for(own, "Ready", "True Ready")
    kubectl("-n", own, "exec", primary(own), "-c", "redis", "--", "bash", "-c", "kill -9 $(pidof redis-server)")
    kubectl("delete", "namespace", own, "--wait=false")
    wait_until(lambda: not get("namespace", own), 90, "the namespace to go")


@pytest.mark.long(120)
@pytest.mark.parametrize("persistence", [{"size": "64Mi"}, None], ids=["volumes", "memory"])
def test_one_that_is_made_again_at_once_is_whole(space, persistence):
    spec = {"persistence": persistence} if persistence else {}
    apply(redis(replicas=3, **spec), namespace=space)
    wait_for(space, "Ready", "True Ready")
    wait_for_write(space, "before")
    was = uid(space, "redis", "sessions")
    kubectl("-n", space, "delete", "redis", "sessions", "--wait=false")
    wait_until(lambda: uid(space, "redis", "sessions") is None, 30, "it to go", every=0.05)
    apply(redis(replicas=3, **spec), namespace=space)
    assert uid(space, "redis", "sessions") != was

    def whole():
        pods = get("pod", None, space, selector=OURS)
        sets = get("statefulset", None, space, selector=OURS)
        return len(pods) == 3 and len(sets) == 1 and sets[0]["metadata"]["ownerReferences"][0]["uid"] == uid(space, "redis", "sessions")

    wait_until(whole, 180, "members of its own")
    wait_for(space, "Ready", "True Ready")
    wait_for_write(space, "after")
    assert ask(space, "get", "before") == ("1" if persistence else "")


@pytest.mark.long(120)
def test_long_names_that_differ_in_the_last_letter_share_nothing(space):
    names = ["long-" + "n" * 44 + end for end in "ab"]
    for name in names:
        apply({**redis(replicas=1), "metadata": {"name": name}}, namespace=space)
    app = {"apiVersion": "keelson.dev/v1alpha1", "kind": "App", "metadata": {"name": "shop"},
           "spec": {"image": REDIS_8, "replicas": 1, "access": {"to": [{"redis": name} for name in names]}}}
    apply(app, namespace=space)
    for name in names:
        kubectl("-n", space, "wait", "--for=condition=Ready", f"redis/{name}", "--timeout=150s", timeout=160)
    secrets = [get("secret", f"{name}-app", space)["data"] for name in names]
    assert secrets[0]["password"] != secrets[1]["password"] and secrets[0]["host"] != secrets[1]["host"]
    wait_until(lambda: get("deployment", "shop", space), 60, "the App's Deployment")
    thing = kubectl("-n", space, "patch", "redis", names[0], "--type=merge", "--dry-run=server", "-p", "{}")
    assert "patched" in thing
    with pytest.raises(RuntimeError, match="may not be more than 50"):
        apply({**redis(replicas=1), "metadata": {"name": "l" * 51}}, namespace=space)


@pytest.mark.long(90)
def test_all_members_in_memory_at_once_are_told_as_lost(space, own_cluster):
    apply(redis(replicas=3), namespace=space)
    wait_for(space, "Ready", "True Ready")
    wait_for_write(space, "before")
    # Pods that are deleted, even by force and all at once, have time enough to hand over to their successors.
    members = get("pod", None, space, OURS)
    faults.send([pid for pod in members for pid in faults.pids(pod, "redis") if faults.is_first(pid)], signal.SIGKILL)
    thing = wait_for(space, "Ready", "True DataLost")
    assert "spec.persistence" in message_of(thing, "Ready")
    last = thing["status"]["lastFailover"]
    assert last["loss"] == "Everything" and "lostBytes" not in last
    assert events(space, "DataLost", "sessions", "Redis")
    assert ask(space, "get", "before") == ""
    # Until the lead changes for another reason.
    target = next(f"sessions-{i}" for i in range(3) if f"sessions-{i}" != primary(space))
    kubectl("-n", space, "annotate", "redis", "sessions", f"keelson.dev/handover={target}")
    thing = wait_for(space, "Ready", "True Ready")
    assert thing["status"]["lastFailover"]["loss"] == "Exact" and thing["status"]["lastFailover"]["lostBytes"] == 0
