# SPDX-License-Identifier: Apache-2.0
"""A Redis by the scale subresource, as kubectl scale and an autoscaler write it."""

import json

import pytest

from keelson import message_of
from kube import apply, get, kubectl, wait_until
from sessions import OURS, ask, redis, wait_for, wait_for_write

pytestmark = pytest.mark.usefixtures("operator")


def scale(space, replicas, *options):
    return kubectl("-n", space, "scale", "redis", "sessions", f"--replicas={replicas}", *options)


def wait_for_members(space, replicas):
    wait_until(lambda: len(get("pod", None, space, selector=OURS)) == replicas, 180, f"{replicas} pods")
    thing = wait_for(space, "Ready", "True Ready")
    assert len(thing["status"]["inSync"]) == replicas == thing["status"]["replicas"]


@pytest.mark.long(240)
def test_it_scales_up_and_down_without_a_loss(space):
    apply(redis(replicas=1), namespace=space)
    wait_for_members(space, 1)
    wait_for_write(space, "one")
    scale(space, 3)
    wait_for_members(space, 3)
    wait_for_write(space, "three")
    # The last one leads, and hands over before it goes.
    kubectl("-n", space, "annotate", "redis", "sessions", "keelson.dev/handover=sessions-2")
    wait_until(lambda: get("redis", "sessions", space)["status"]["primary"] == "sessions-2", 60, "the hand-over")
    # As an autoscaler does it.
    patch = json.dumps({"spec": {"replicas": 1}})
    kubectl("-n", space, "patch", "redis", "sessions", "--subresource=scale", "--type=merge", "-p", patch)
    wait_for_members(space, 1)
    assert ask(space, "mget", "one", "three").split() == ["1", "1"]
    assert get("redis", "sessions", space)["status"]["lastFailover"]["lostBytes"] == 0
    scale(space, 2)
    wait_for_members(space, 2)
    assert ask(space, "mget", "one", "three", host="sessions-1.sessions-members").split() == ["1", "1"]


@pytest.mark.parametrize("replicas, said", [
    (0, "should be greater than or equal to 1"),
    (8, "should be less than or equal to 7"),
    (2, "must be less than spec.replicas"),
], ids=["none", "too many", "fewer than writes need"])
def test_a_number_that_cannot_be_is_refused(space, replicas, said):
    apply(redis(replicas=3, failover={"minReplicasToWrite": 2}), namespace=space)
    with pytest.raises(RuntimeError, match=said):
        scale(space, replicas)
    assert get("redis", "sessions", space)["spec"]["replicas"] == 3


def test_a_number_that_only_the_whole_refuses_is_told(space):
    """Where replicas come from the profile, nothing in the spec is less than anything."""
    apply(redis(failover={"minReplicasToWrite": 1}), namespace=space)
    thing = wait_for(space, "Stalled", "True InvalidSpec")
    assert "spec.failover.minReplicasToWrite" in message_of(thing, "Stalled")


def test_whoever_may_edit_may_scale(space):
    apply(redis(replicas=1), namespace=space)
    kubectl("-n", space, "create", "serviceaccount", "editor")
    kubectl("-n", space, "create", "rolebinding", "editor", "--clusterrole=edit", f"--serviceaccount={space}:editor")
    wait_until(lambda: scale(space, 2, f"--as=system:serviceaccount:{space}:editor"), 30, "the right to reach it")
    assert get("redis", "sessions", space)["spec"]["replicas"] == 2
