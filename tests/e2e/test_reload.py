# SPDX-License-Identifier: Apache-2.0
"""configReload: Signal: a program gets its new settings in the pod that it runs in.

The time until they arrive is mostly kubelet's, which brings new files once a minute and
a little later than that."""

import json
import time

import pytest

import keelson
from keelson import app, ask, condition, events, pods, wait_for_condition, wait_ready
from kube import apply, cluster, get, kubectl, wait_until

pytestmark = [pytest.mark.usefixtures("operator", "own_cluster"), pytest.mark.long(120)]

ARRIVES = 240  # seconds; kubelet's minute, and a machine that does much else


def config_map(**data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data}


def secret(name="keys", **data):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def signalled(**spec):
    return app(
        configReload="Signal",
        configFiles=[
            {"configMapRef": {"name": "settings"}, "mountPath": "/etc/shop"},
            {"secretRef": {"name": "keys"}, "mountPath": "/etc/keys", "items": [{"key": "token", "path": "in/token"}]},
        ],
        **{"replicas": 2, "env": [{"name": "CONFIG_DIRS", "value": "/etc/shop:/etc/keys/in"}], **spec},
    )


def begin(space, **spec):
    apply(config_map(color="red"), secret(token="sesame"), signalled(**spec), namespace=space)
    return wait_ready(space, timeout=90)


def setting(pod, name):
    return ask(f"http://{pod['status']['podIP']}:8080/config/{name}")[1].strip()


def loads(pod):
    """How often the program has read its files."""
    first = ask(f"http://{pod['status']['podIP']}:8080/config")[1].splitlines()[0]
    return int(first.removeprefix("loads "))


def lives(space):
    """Each pod with what changes if it, or a container of it, is another."""
    return {
        p["metadata"]["uid"]: [
            c["containerID"] for c in p["status"]["containerStatuses"] + p["status"]["initContainerStatuses"]
        ]
        for p in pods(space)
    }


def wait_setting(space, name, value):
    """Until all pods have read it; returns the seconds that this took."""
    began = time.monotonic()

    def so():
        found = [setting(p, name) for p in pods(space)]
        return all(v == value for v in found) or found and None

    wait_until(so, ARRIVES, f"{name} to be {value} in all pods", every=0.5)
    return time.monotonic() - began


def file_of(pod, i, name):
    """What stands in a file of the I-th folder, on the pod's node."""
    volume = f"/var/lib/kubelet/pods/{pod['metadata']['uid']}/volumes/kubernetes.io~configmap/config-{i}"
    return cluster("exec", pod["spec"]["nodeName"], "cat", f"{volume}/{name}")


def helper_log(space, pod):
    text = kubectl("-n", space, "logs", pod["metadata"]["name"], "-c", "reload")
    return [json.loads(line) for line in text.splitlines()]


def test_settings_arrive_without_a_new_pod(space, record_property):
    thing = begin(space)
    before, revision = lives(space), thing["status"]["revision"]
    assert [loads(p) for p in pods(space)] == [1, 1]

    apply(config_map(color="green"), namespace=space)
    seconds = wait_setting(space, "color", "green")
    record_property("configMapSeconds", round(seconds, 1))
    apply(secret(token="barley"), namespace=space)
    record_property("secretSeconds", round(wait_setting(space, "token", "barley"), 1))

    assert lives(space) == before
    assert [loads(p) for p in pods(space)] == [3, 3]  # one signal for each change
    told = wait_until(lambda: events(space, "ConfigChanged"), 90, "the event of the change")
    assert any(t.startswith("ConfigMap settings changed from ") and "SIGHUP" in t for t in told)
    thing = wait_ready(space)
    assert thing["status"]["revision"] == revision
    assert {c["name"]: c["reload"] for c in thing["status"]["config"]} == {"settings": "Signal", "keys": "Signal"}
    # What it was, and what it is, stands nowhere.
    said = json.dumps([helper_log(space, p) for p in pods(space)])
    assert "SIGHUP" in said and "keys" in said and "barley" not in said and "green" not in said


def test_pods_are_restricted(space):
    begin(space)
    labels = get("namespace", space)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    for pod in pods(space):
        spec = pod["spec"]
        (helper,) = spec["initContainers"]
        assert spec["shareProcessNamespace"] is True
        assert helper["securityContext"] == keelson.container(pod)["securityContext"]
        assert "add" not in helper["securityContext"]["capabilities"]
        # Nobody runs as another user than the pod says.
        assert spec["securityContext"]["runAsUser"] == 1001
        assert "runAsUser" not in helper["securityContext"]
    assert not [w for w in get("events", None, space) if "PodSecurity" in w.get("message", "")]


def test_bad_file_is_not_signalled(space):
    apply(config_map(**{"shop.json": '{"color": "red"}'}), secret(token="sesame"), signalled(replicas=1), namespace=space)
    wait_ready(space, timeout=90)
    (pod,) = pods(space)
    apply(config_map(**{"shop.json": '{"color": '}), namespace=space)
    thing = wait_for_condition(space, "Stalled", "True InvalidConfig", timeout=ARRIVES)
    assert "spec.configFiles[0].configMapRef.name" in str(thing["status"]["conditions"])
    wait_until(
        lambda: [line for line in helper_log(space, pod) if "not JSON" in line["msg"]], ARRIVES, "the helper's warning"
    )
    assert loads(pod) == 1
    apply(config_map(**{"shop.json": '{"color": "green"}'}), namespace=space)
    wait_setting(space, "shop.json", '{"color": "green"}')
    assert loads(pod) == 2
    wait_ready(space, timeout=ARRIVES)


def test_helper_that_dies_misses_nothing(space):
    begin(space, replicas=1)
    (pod,) = pods(space)
    (helper,) = pod["status"]["initContainerStatuses"]
    keelson.kill_container(pod, helper)
    # It does not know what it has missed, so it tells the program once.
    wait_until(lambda: loads(pod) == 2, 120, "the program to be told by the new helper")
    apply(config_map(color="green"), namespace=space)
    wait_setting(space, "color", "green")
    (now,) = pods(space)
    assert now["metadata"]["uid"] == pod["metadata"]["uid"]
    assert now["status"]["containerStatuses"] == pod["status"]["containerStatuses"]


def test_variables_are_rolled_out(space):
    apply(secret("variables", GREETING="hello"), namespace=space)
    begin(space, replicas=1, envFrom=[{"secretRef": {"name": "variables"}}])
    (before,) = pods(space)
    apply(secret("variables", GREETING="good morning"), namespace=space)

    def replaced():
        uids = [p["metadata"]["uid"] for p in pods(space)]
        return len(uids) == 1 and before["metadata"]["uid"] not in uids

    wait_until(replaced, ARRIVES, "a new pod")
    thing = wait_ready(space)
    assert {c["name"]: c["reload"] for c in thing["status"]["config"]}["variables"] == "Rollout"


def test_none_changes_nothing(space):
    apply(config_map(color="red"), secret(token="sesame"), namespace=space)
    apply(signalled(replicas=1) | {"spec": signalled(replicas=1)["spec"] | {"configReload": "None"}}, namespace=space)
    thing = wait_ready(space, timeout=90)
    (pod,) = pods(space)
    assert "initContainers" not in pod["spec"] and not thing["status"].get("config")
    apply(config_map(color="green"), namespace=space)
    # The files change, as Kubernetes changes them; nobody tells the program.
    wait_until(lambda: file_of(pod, 0, "color") == "green", ARRIVES, "the file to change")
    assert (loads(pod), setting(pod, "color")) == (1, "red")
    assert condition(get("app", "shop", space), "Ready") == "True Ready"
