# SPDX-License-Identifier: Apache-2.0
"""An App under constant requests while everything around it changes or dies.

Zero failed requests is what is promised, but for the loss of a whole machine. The
requests come from two sides: the host, and a node; half of them on new connections.
"""

import contextlib

import pytest

import keelson
import kube
from faults import api_server_away
from keelson import (
    WEBAPP_1,
    WEBAPP_2,
    address,
    app,
    change,
    kill_operator,
    leader,
    operator_pods,
    pods,
    wait_for_condition,
    wait_for_operator,
    wait_ready,
)
from kube import apply, cluster, get, kubectl, wait_until
from load import in_node, load

pytestmark = pytest.mark.usefixtures("operator")

# Quick ones, and some that are under way for long: a pod may not end before they did. So few
# connections that each is used again within a pod's drain of two seconds, and hears there that
# it is to be closed; else it would be closed at the end, perhaps in the moment of asking.
QUICK = {"path": "/", "rate": 100, "connections": 40}
SLOW = {"path": "/slow?ms=2000", "rate": 6, "connections": 16}


class Traffic:
    def __init__(self, quick, slow):
        self.quick, self.slow = quick, slow

    def mark(self, what):
        self.quick.mark(what)
        self.slow.mark(what)

    def wait_for_quiet(self):
        """Until nothing fails any more, on any way; returns when the first of those was asked."""
        return max(self.quick.wait_for_quiet(5), self.slow.wait_for_quiet(2))

    def assert_no_failures(self):
        self.quick.assert_no_failures()
        self.slow.assert_no_failures()


@contextlib.contextmanager
def traffic(space, away_from=None):
    """Requests against the App "shop", from the host and a node (another than AWAY_FROM)."""
    ways = {"host": [], "node": in_node("node2" if away_from == "node1" else "node1")}

    def one(path, rate, connections):
        return load(address(space) + path, rate, connections, ways)

    with one(**QUICK) as quick, one(**SLOW) as slow:
        yield Traffic(quick, slow)
        quick.wait_for_answers(50)


def names(things):
    return {p["metadata"]["name"] for p in things}


def wait_until_gone(space, old, timeout=60):
    """Until none of those pods is left, not even one that drains."""
    wait_until(lambda: not old & names(get("pods", None, space)), timeout, f"{old} to go")


@pytest.fixture(scope="module")
def shop(operator, module_space):
    """A namespace with the App "shop". Every test finds it ready with three pods, and may change it."""
    if not kube.OWN_CLUSTER:
        pytest.skip("requests come from this machine and from nodes, so it runs on hack/cluster only")
    apply(app(replicas=3, env=[{"name": "DRAIN_DELAY", "value": "2"}]), namespace=module_space)
    return module_space


@pytest.fixture(autouse=True)
def three_pods(shop):
    wait_for_operator()
    if get("app", "shop", shop)["spec"]["replicas"] != 3:
        change(shop, {"replicas": 3})
    wait_ready(shop)
    wait_until(lambda: len(get("pods", None, shop)) == 3, 60, "three pods, and none on its way out")


def other_image(space):
    """An image that the App does not run."""
    return {WEBAPP_1: WEBAPP_2, WEBAPP_2: WEBAPP_1}[get("app", "shop", space)["spec"]["image"]]


# --- changes ------------------------------------------------------------------------


def test_rolling_update(shop):
    old = names(pods(shop))
    version = other_image(shop)[-1]
    with traffic(shop) as t:
        change(shop, {"image": other_image(shop)})
        t.mark("image changed")
        wait_ready(shop)
        t.mark("ready")
        wait_until_gone(shop, old)
        t.mark("old pods gone")
    t.assert_no_failures()
    assert all(f"version {version}" in text for text in t.quick.texts()[-100:])


def test_settings_change(shop):
    old = names(pods(shop))
    with traffic(shop) as t:
        env = get("app", "shop", shop)["spec"]["env"]
        change(shop, {"env": [*env, {"name": "APP_COLOR", "value": "green"}]})
        wait_ready(shop)
        wait_until_gone(shop, old)
    t.assert_no_failures()


def test_scaling_down_and_up(shop):
    with traffic(shop) as t:
        for replicas in (1, 3):
            change(shop, {"replicas": replicas})
            t.mark(f"{replicas} replicas")
            wait_ready(shop)
            wait_until(lambda: len(get("pods", None, shop)) == replicas, 60, f"{replicas} pods")
    t.assert_no_failures()


def test_pod_is_deleted(shop):
    with traffic(shop) as t:
        for pod in sorted(names(pods(shop)))[:2]:
            kubectl("-n", shop, "delete", "pod", pod, "--wait=false")
            t.mark(f"{pod} deleted")
            wait_until(lambda: len(pods(shop)) == 3 and all(kube.is_true(p, "Ready") for p in pods(shop)), 60, "another pod")
        wait_until(lambda: len(get("pods", None, shop)) == 3, 60, "the deleted pods to be gone")
    t.assert_no_failures()


# --- machines -----------------------------------------------------------------------


def node_of_a_pod(space):
    return pods(space)[0]["spec"]["nodeName"]


@pytest.mark.alone
def test_node_is_drained(shop):
    node = node_of_a_pod(shop)
    try:
        with traffic(shop, away_from=node) as t:
            t.mark(f"drain {node}")
            kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=100s", timeout=110)
            t.mark("drained")
            wait_ready(shop)
            assert node not in {p["spec"]["nodeName"] for p in pods(shop)}
        t.assert_no_failures()
    finally:
        kubectl("uncordon", node)


def endpoints(space):
    """The addresses that the Service leads to."""
    selector = "kubernetes.io/service-name=shop"
    return {
        address
        for piece in get("endpointslices", None, space, selector)
        for endpoint in piece["endpoints"] or []
        if endpoint["conditions"]["ready"]
        for address in endpoint["addresses"]
    }


def wait_until_left_out(space, dead, t):
    """Until the Service has forgotten those pods, everywhere; returns when that was so."""
    gone = {p["status"]["podIP"] for p in dead}
    wait_until(lambda: not gone & endpoints(space), 120, f"{names(dead)} to be left out")
    t.mark("left out of the EndpointSlice")
    return t.wait_for_quiet()


def assert_only_those_were_missed(t, dead, until):
    """Pods that died are missed, or this test sees nothing at all; the others never are; and it has an end.

    But for one thing, which is Linux': a connection that was tried in vain is remembered for two minutes
    together with the pod that it was meant for, and one from the same port is taken for the same."""
    lost = t.quick.failures + t.slow.failures
    assert lost, "nothing failed while a pod was dead"
    kept = [one for one in lost if one["kept"] and one["peer"].startswith("Hello")]
    assert all(any(name in one["peer"] for name in names(dead)) for one in kept), f"{names(dead)}\n{t.quick.story()}"
    in_vain = {(one["via"], one["port"]) for one in lost if one["failed"] == "connect" and one["at"] <= until}
    late = [one for one in lost if one["at"] > until]
    unexpected = [one for one in late if one["failed"] != "connect" or (one["via"], one["port"]) not in in_vain]
    assert not unexpected, f"last failure at {until - t.quick.began:.3f} s, then {unexpected}\n{t.quick.story()}"


@pytest.mark.alone
def test_program_of_a_pod_is_killed(shop):
    """No warning, no drain: what was under way there is lost, and what comes until the Service knows."""
    pod = pods(shop)[0]
    restarts = pod["status"]["containerStatuses"][0]["restartCount"]
    with traffic(shop, away_from=pod["spec"]["nodeName"]) as t:
        t.quick.wait_for_answers(50)
        keelson.kill(pod)
        t.mark("killed")

        def runs_again():
            status = get("pod", pod["metadata"]["name"], shop)["status"]["containerStatuses"][0]
            return status["restartCount"] > restarts and status["ready"]

        wait_until(runs_again, 60, "the program to run again")
        quiet = t.wait_for_quiet()
    assert_only_those_were_missed(t, [pod], quiet)


# --- the operator and the API server ------------------------------------------------------


def in_the_middle(space, old):
    """Until the rollout has made a new pod and has not yet ended an old one."""
    wait_until(lambda: names(pods(space)) - old and names(pods(space)) & old, 30, "the rollout's middle", every=0.05)


def finish(space, old, t):
    wait_ready(space, timeout=90)
    t.mark("ready")
    wait_until_gone(space, old)


@pytest.mark.alone
def test_leader_is_killed_in_the_middle_of_a_rollout(shop):
    old, before = names(pods(shop)), keelson.holder()
    with traffic(shop) as t:
        change(shop, {"image": other_image(shop)})
        in_the_middle(shop, old)
        kill_operator(leader())
        t.mark("leader killed")
        wait_until(lambda: keelson.holder() != before and leader(), 40, "another leader")
        t.mark("another leader")
        finish(shop, old, t)
    t.assert_no_failures()


@pytest.mark.alone
def test_all_operators_are_killed_in_the_middle_of_a_rollout(shop):
    old = names(pods(shop))
    with traffic(shop) as t:
        change(shop, {"image": other_image(shop)})
        in_the_middle(shop, old)
        for pod in operator_pods():
            kill_operator(pod)
        t.mark("operators killed")
        finish(shop, old, t)
    t.assert_no_failures()


@pytest.mark.alone
def test_api_server_is_killed_in_the_middle_of_a_rollout(shop):
    old = names(pods(shop))
    with traffic(shop) as t:
        change(shop, {"image": other_image(shop)})
        in_the_middle(shop, old)
        with api_server_away():
            t.mark("API server killed")
            t.quick.wait_for_answers(200)
        t.mark("API server back")
        finish(shop, old, t)
    t.assert_no_failures()


# --- a machine that dies ----------------------------------------------------------------

# The last one, for what Linux remembers of connections that were tried in vain.


@pytest.mark.alone
def test_node_is_cut_off(shop):
    """Its pods are missed until Kubernetes declares the node dead; those of other nodes serve on."""
    all_pods = pods(shop)
    node = min((p["spec"]["nodeName"] for p in all_pods), key=[p["spec"]["nodeName"] for p in all_pods].count)
    dead = [p for p in all_pods if p["spec"]["nodeName"] == node]
    assert len(dead) < len(all_pods)
    with traffic(shop, away_from=node) as t:
        t.quick.wait_for_answers(50)
        cluster("cut", node, "--blackhole")
        try:
            t.mark(f"{node} cut off")
            quiet = wait_until_left_out(shop, dead, t)
            wait_for_condition(shop, "Ready", "False ReplicasNotReady")
            wait_for_condition(shop, "Available", "True MinimumReplicasAvailable")
            t.quick.wait_for_answers(100)
        finally:
            cluster("heal", node)
        t.mark(f"{node} healed")
        wait_ready(shop)
    assert_only_those_were_missed(t, dead, quiet)
