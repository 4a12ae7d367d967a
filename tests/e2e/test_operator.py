# SPDX-License-Identifier: Apache-2.0
"""The operator as a program: who leads, what it survives, and what it says when it cannot work.

All of it breaks something, so it runs on hack/cluster only. The test that takes the
CRD away takes every App of the cluster with it.
"""

import json
import re

import pytest

import keelson
import kube
from keelson import (
    OPERATOR,
    OPERATOR_PODS,
    SYSTEM,
    WEBAPP_2,
    app,
    ask,
    change,
    children,
    condition,
    container,
    holder,
    kill_operator,
    leader,
    metrics,
    operator_pods,
    operator_restarts,
    operator_url,
    readyz,
    versions,
    wait_for_condition,
    wait_for_operator,
    wait_ready,
    watching,
    writes,
)
from kube import SOON, apply, cluster, get, kubectl, ready, wait_until
from program import one_line, run

pytestmark = pytest.mark.alone

CRD = "apps.keelson.dev"


@pytest.fixture(scope="module", autouse=True)
def own_operator(operator):
    """Whatever a test did, the next one finds Keelson as the manifest says, and at work."""
    if not kube.OWN_CLUSTER:
        pytest.skip("breaks the operator and nodes, so it runs on hack/cluster only")
    yield
    keelson.apply_manifest()
    wait_for_operator()


@pytest.fixture
def shop(space):
    """A namespace with an App that is ready, while the operator is at work."""
    wait_for_operator()
    apply(app(replicas=2), namespace=space)
    wait_ready(space)
    return space


def assert_carried_out(space, what):
    """A change made now reaches the Deployment, and the pods."""
    change(space, {"env": [{"name": "APP_CHANGE", "value": what}]})
    wait_ready(space)
    assert container(get("deployment", "shop", space))["env"] == [{"name": "APP_CHANGE", "value": what}]


def all_ready():
    """Whether both replicas say so themselves."""
    found = operator_pods()
    return len(found) == 2 and all(readyz(pod)[0] == 200 for pod in found)


# --- leadership ---------------------------------------------------------------------


def test_one_of_two_leads():
    wait_for_operator()
    leads = {pod: metrics(ask(operator_url(pod, "/metrics"))[1], "leader_election_master_status") for pod in operator_pods()}
    assert len(leads) == 2
    assert {pod for pod, series in leads.items() if sum(series.values()) == 1} == {leader()}


def test_killed_leader_is_replaced(shop):
    before = holder()
    kill_operator(leader())
    generation = change(shop, {"image": WEBAPP_2})
    assert holder() == before
    wait_until(lambda: holder() != before and leader(), 40, "another leader")
    assert wait_ready(shop)["status"]["observedGeneration"] == generation
    assert container(get("deployment", "shop", shop))["image"] == WEBAPP_2
    wait_until(all_ready, 30, "both replicas")


def test_leader_that_stops_gives_the_lease_back(shop):
    before, pod = holder(), leader()
    kubectl("-n", SYSTEM, "delete", "pod", pod, "--wait=false")
    # Nothing like the 15 s for which a leader that died is waited for.
    wait_until(lambda: holder() != before, 5, "the lease to be given back", every=0.1)
    wait_until(lambda: leader() not in (None, pod), 8, "another leader", every=0.1)
    assert_carried_out(shop, "after the leader stopped")


def test_nothing_happens_without_an_operator(shop):
    kubectl("-n", SYSTEM, "scale", f"deployment/{OPERATOR}", "--replicas=0")
    try:
        wait_until(lambda: not get("pods", None, SYSTEM, OPERATOR_PODS), 40, "the operator to be gone")
        before = versions(*children(shop).values())
        change(shop, {"image": WEBAPP_2})
        kubectl("-n", shop, "delete", "service", "shop")
        apply(app("late"), namespace=shop)
        assert keelson.ask_pods(shop)
        # The rest of Kubernetes has moved on by then.
        kubectl("-n", shop, "create", "deployment", "other", "--image=none", "--replicas=0")
        wait_until(lambda: get("deployment", "other", shop)["status"].get("observedGeneration"), 20, "a Deployment")
        del before["Service", "shop"]
        assert versions(*children(shop).values()) == before
        assert not children(shop, "late") and "status" not in get("app", "late", shop)
        # It has not been looked at, and says so.
        assert condition(get("app", "shop", shop), "Ready") == "True Ready*"
    finally:
        kubectl("-n", SYSTEM, "scale", f"deployment/{OPERATOR}", "--replicas=2")
    wait_ready(shop, "late")
    wait_ready(shop)
    assert container(get("deployment", "shop", shop))["image"] == WEBAPP_2
    assert set(children(shop)) == set(keelson.CHILDREN)


def test_both_replicas_lost_at_once(shop):
    old = set(operator_pods())
    before = versions(get("app", "shop", shop), *children(shop).values())
    kubectl("-n", SYSTEM, "delete", "pod", "-l", OPERATOR_PODS, "--force", "--grace-period=0")
    wait_until(lambda: leader() not in old | {None}, 40, "a new leader")
    wait_until(lambda: writes(leader()) is not None and all_ready(), 30, "both replicas")
    # All is as it should be, so a new leader has nothing to write.
    assert sum(writes(leader()).values()) == 0
    assert versions(get("app", "shop", shop), *children(shop).values()) == before
    assert_carried_out(shop, "after both were lost")


def test_leader_cut_off(shop):
    """A node with the leader loses its cable: the other takes over, and the old one keeps still."""
    old, thing = leader(), operator_pods()[leader()]
    node = thing["spec"]["nodeName"]
    change(shop, {"replicas": 3})
    wait_ready(shop)
    assert len({p["spec"]["nodeName"] for p in keelson.pods(shop)}) == 3
    before = writes(old)
    with watching(shop) as seen:
        cluster("cut", node)
        try:
            wait_until(lambda: leader() not in (None, old), 40, "another leader")
            new = leader()
            kubectl("-n", shop, "delete", "service", "shop")
            wait_until(lambda: get("service", "shop", shop), SOON, "the Service to come back")
            wait_until(lambda: not ready("node", node), 90, f"{node} to be missed")
            wait_for_condition(shop, "Ready", "False ReplicasNotReady")
        finally:
            cluster("heal", node)
        wait_ready(shop)
    assert {condition(s, "Available").split()[0] for s in seen} == {"True"}
    wait_until(lambda: readyz(old)[0] == 200, 60, "the old leader to be ready again")
    assert leader() == new
    said = logs(old)
    assert any(line["msg"] == "the Lease was lost; standing by" for line in said)
    lost = max(i for i, line in enumerate(said) if line["msg"] == "the Lease was lost; standing by")
    assert not [line for line in said[lost:] if line["msg"] in ("leading", "created", "applied", "repaired", "deleted")]
    # Not one request from the cut on, neither into the dark nor after it.
    assert writes(old) == before
    assert_carried_out(shop, "after the cut")
    assert writes(old) == before


def logs(pod):
    return [json.loads(line) for line in kubectl("-n", SYSTEM, "logs", pod).splitlines()]


# --- the API server -----------------------------------------------------------------


def test_api_server_restarts(shop):
    found = operator_pods()
    urls = {pod: operator_url(pod, "/readyz") for pod in found}
    before = versions(*children(shop).values())
    # It alone: a pod whose kubelet begins anew, too, is unready for a moment, and its Deployment says so.
    cluster("stop", "apiserver")
    try:
        # kubectl has nobody to ask now, the replicas do answer.
        for url in urls.values():
            wait_until(lambda: ask(url)[0] == 503, 30, "the operator to notice")
            line = re.compile(r"^apps\.keelson\.dev in all namespaces: .*connect", re.MULTILINE)
            wait_until(lambda: line.search(ask(url)[1]), 90, "it to name what it cannot watch")
            assert ask(url.replace("readyz", "livez"))[0] == 200
    finally:
        cluster("start", "apiserver")
    for url in urls.values():
        wait_until(lambda: ask(url)[0] == 200, 40, "the operator to be ready again")
    wait_until(leader, 30, "a leader")
    wait_ready(shop)
    assert versions(*children(shop).values()) == before
    assert_carried_out(shop, "after the restart")
    # The same processes: none had to be restarted for that.
    assert {p: t["status"]["containerStatuses"][0]["restartCount"] for p, t in operator_pods().items()} == {
        p: t["status"]["containerStatuses"][0]["restartCount"] for p, t in found.items()
    }


def restart_one():
    """Deletes a replica; returns the name of the one that takes its place, once it runs."""
    old = set(operator_pods())
    kubectl("-n", SYSTEM, "delete", "pod", sorted(old)[0], "--force", "--grace-period=0")

    def runs():
        new = set(operator_pods()) - old
        return new and readyz(min(new))[0] and min(new)

    return wait_until(runs, 30, "a new replica", every=0.2)


def test_missing_rights_are_named(shop):
    kubectl("delete", "clusterrolebinding", OPERATOR)
    try:
        pod = restart_one()
        status, text = wait_until(lambda: "orbidden" in readyz(pod)[1] and readyz(pod), SOON, "the reason", every=0.2)
        assert status == 503
        lines = dict(line.split(": ", 1) for line in text.splitlines())
        assert set(lines) >= {
            f"{kind} in all namespaces" for kind in (CRD, "deployments.apps", "services", "serviceaccounts")
        }
        assert "deployments" in lines["deployments.apps in all namespaces"]
        assert f"system:serviceaccount:{SYSTEM}:{OPERATOR}" in text
    finally:
        keelson.apply_manifest()
    wait_until(all_ready, 60, "the operator to be ready by itself")
    assert_carried_out(shop, "after the rights came back")


def test_one_missing_right_stops_that_kind_only(space):
    wait_for_operator()
    role = get("clusterrole", OPERATOR)
    role["rules"] = [r for r in role["rules"] if r.get("resources") != ["ingresses"]]
    old = set(operator_pods())
    kubectl("replace", "-f", "-", stdin=json.dumps(role))
    try:
        kubectl("-n", SYSTEM, "delete", "pod", *old, "--wait=false")
        wait_until(lambda: leader() not in old | {None}, 60, "a new leader")
        apply(app("inside"), app("outside", hosts=["outside.example.com"]), namespace=space)
        wait_ready(space, "inside")
        message = keelson.message_of(wait_for_condition(space, "Stalled", "True Forbidden", "outside"), "Stalled")
        assert "list" in message and "ingresses.networking.k8s.io" in message
        # All else of it is carried out.
        wait_until(lambda: get("deployment", "outside", space)["status"].get("readyReplicas", 0) >= 1, 60,
                   "the pods of the App that waits for a right")
        missing = metrics(ask(operator_url(leader(), "/metrics"))[1], "keelson_forbidden")
        verbs = {labels for labels, value in missing.items() if value == 1}
        assert 'verb="list",resource="ingresses.networking.k8s.io"' in verbs, missing
        assert not [labels for labels in verbs if "ingresses" not in labels]
    finally:
        keelson.apply_manifest()
    wait_until(all_ready, 60, "the operator to be ready by itself")
    wait_ready(space, "outside")


def restart_program(pod):
    """The operator in it begins anew, without what comes before it in a new pod."""
    before = operator_restarts()[pod]
    kill_operator(pod)
    wait_until(lambda: operator_restarts()[pod] > before and readyz(pod)[0], 60, "the program to begin anew", every=0.2)


def test_missing_crd_is_named(space, binary):
    wait_for_operator()
    kubectl("delete", "crd", CRD, timeout=120)
    try:
        pod = min(operator_pods())
        restart_program(pod)
        status, text = wait_until(lambda: readyz(pod)[0] == 503 and readyz(pod), SOON, "a reason", every=0.2)
        assert [line.split(": ")[0] for line in text.splitlines()] == [f"{CRD} in all namespaces"]
        assert CRD in text.split(": ", 1)[1]
        # Where somebody waits at a terminal, it does not wait.
        done = run(binary, "--leader-elect=false")
        assert done.returncode == 1
        assert one_line(done).startswith(f"keelson operator: cannot watch {CRD} in all namespaces: ")
        # A new pod brings it back.
        restart_one()
        assert get("crd", CRD)
    finally:
        keelson.apply_definitions()
    wait_until(all_ready, 60, "the operator to be ready by itself")
    apply(app(), namespace=space)
    wait_ready(space)


# --- metrics ------------------------------------------------------------------------


def test_metrics_are_all_there(shop):
    # Those that count errors are there from the first one on.
    with keelson.no_deployments(shop):
        apply(app("odd"), namespace=shop)
        wait_for_condition(shop, "Stalled", "True Invalid", "odd")
    declared = re.findall(r'\.name = "(\w+)"', (kube.ROOT / "pkg/manager/operator_metrics.c").read_text())
    assert len(declared) >= 12
    text = ask(operator_url(leader(), "/metrics"))[1]
    types = re.findall(r"^# TYPE (\S+) (counter|gauge|histogram)$", text, re.MULTILINE)
    # keelson_forbidden has a series for each right that was ever missing: maybe none here.
    assert set(declared) - {name for name, _ in types} <= {"keelson_forbidden"}
    assert len(types) == len(set(types))
    assert re.findall(r"^# HELP (\S+) .+$", text, re.MULTILINE) == [name for name, _ in types]
    assert all(re.fullmatch(r'(#.*|\w+(\{.*\})? [-+.\deInfNa]+)', line) for line in text.splitlines())
    assert metrics(text, "controller_runtime_reconcile_total")['controller="app",result="success"'] > 0
    assert metrics(text, "keelson_cache_objects")['kind="Deployment"'] >= 1
    assert metrics(text, "workqueue_depth") == {'name="keelson"': 0}


def test_state_is_for_this_machine_only():
    status, text = ask(operator_url(leader(), "/debug/state"))
    assert status == 403 and "port-forward" in text
