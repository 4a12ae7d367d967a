# SPDX-License-Identifier: Apache-2.0
"""What people do to the Secrets of a Redis is seen at once, and what a primary can be asked."""

import base64
import json

import pytest

from keelson import condition, events, message_of
from kube import apply, get, kubectl, wait_until
from sessions import CHILDREN, ask, names, redis, wait_for, wait_for_children, wait_for_write

pytestmark = pytest.mark.usefixtures("operator")

# The operator looks every five minutes anyway: sooner than that is by the watch.
SOON = 30


def password(space):
    return base64.b64decode(get("secret", "sessions-app", space)["data"]["password"]).decode()


def write_password(space, text):
    data = {"data": {"password": base64.b64encode(text.encode()).decode()}}
    kubectl("-n", space, "patch", "secret", "sessions-app", "--type=merge", "-p", json.dumps(data))


@pytest.mark.long(120)
def test_secrets_that_somebody_deletes_are_back_soon(space):
    apply(redis(replicas=1), namespace=space)
    wait_for(space, "Ready", "True Ready")
    wait_for_write(space, "before")
    kubectl("-n", space, "delete", "secret", *CHILDREN["secret"])
    wait_until(lambda: names("secret", space) == CHILDREN["secret"], SOON, "the Secrets to be back")
    # All at once were gone, and with them what the password was: it is another one, and clients have it.
    wait_until(lambda: ask(space, "get", "before") == "1", 180, "the member to take the password")
    for name in "sessions-app", "sessions-env", "sessions-tls":
        now = password(space)
        kubectl("-n", space, "delete", "secret", name)
        wait_until(lambda: names("secret", space) == CHILDREN["secret"], SOON, f"{name} to be back")
        assert password(space) == now
    wait_until(lambda: ask(space, "get", "before") == "1", 60, "the data")


def test_a_password_that_somebody_writes_is_taken_or_refused_soon(space):
    apply(redis(replicas=1), namespace=space)
    wait_for(space, "Ready", "True Ready")
    wait_for_write(space, "before")
    write_password(space, "of-my-own")
    # As the Secret says, and so is the URI that goes with it.
    wait_until(lambda: "of-my-own" in base64.b64decode(get("secret", "sessions-app", space)["data"]["uri"]).decode(), SOON,
               "the URI to have it")
    wait_until(lambda: ask(space, "get", "before") == "1", 180, "the member to take it")
    write_password(space, "two\nlines")
    wait_until(lambda: password(space) == "of-my-own", SOON, "it to be set back")
    assert any("sessions-app" in note for note in events(space, "PasswordRefused", "sessions", "Redis"))


def test_a_secret_whose_labels_are_gone_is_ours_still(space):
    apply(redis(replicas=1), namespace=space)
    wait_for_children(space)
    uid, before = get("secret", "sessions-agent", space)["metadata"]["uid"], password(space)
    kubectl("-n", space, "label", "secret", "sessions-agent", "app.kubernetes.io/managed-by-", "app.kubernetes.io/name-")
    wait_until(lambda: "sessions-agent" in names("secret", space), SOON, "the labels to be back")
    assert get("secret", "sessions-agent", space)["metadata"]["uid"] == uid and password(space) == before


def test_whoever_has_the_password_sees_what_goes_on_and_changes_nothing_of_it(space):
    apply(redis(replicas=1), namespace=space)
    wait_for(space, "Ready", "True Ready")
    wait_for_write(space, "before")
    assert "cmd=client|list" in ask(space, "client", "list")
    assert int(ask(space, "memory", "usage", "before")) > 0
    assert ask(space, "slowlog", "len").isdigit()
    assert ask(space, "role").startswith("master")
    assert "peak.allocated" in ask(space, "memory", "stats")
    ask(space, "latency", "latest")
    assert "Biggest string" in ask(space, "--bigkeys")
    for command in (["config", "get", "*"], ["client", "kill", "type", "normal"], ["replicaof", "no", "one"], ["monitor"]):
        assert "NOPERM" in ask(space, *command)


def test_a_setting_that_the_server_refuses_is_told_and_can_be_mended(space):
    apply(redis(replicas=2, config={"maxmemory-samples": "many", "hz": "20"}), namespace=space)
    thing = wait_for(space, "Stalled", "True ConfigRefused")
    message = message_of(thing, "Stalled")
    assert "spec.config.maxmemory-samples" in message and "sessions-" in message, message
    assert condition(thing, "Ready") == "False ConfigRefused" and condition(thing, "Available") == "True PrimaryElected"
    kubectl("-n", space, "patch", "redis", "sessions", "--type=merge", "-p",
            json.dumps({"spec": {"config": {"maxmemory-samples": "7"}}}))
    wait_for(space, "Ready", "True Ready")
